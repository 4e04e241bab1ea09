"""LinearHead: solve for a model's classifiers in closed form, in one pass over the labelled ground."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from ..metrics import HierarchicalMetrics
from ..metrics.reliability import fitted_temperature
from ..metrics.scores import LevelScores
from ..models.bhccm import BHCCM
from ..models.class_sums import SOLVERS, ClassSums
from ..models.decode import jsps, path_logits
from ..models.features import EncoderDecoder
from ..models.forest import PixelForest
from ..models.hypercolumn import Hypercolumn
from ..models.scene_model import SceneModel
from ..taxonomy import Taxonomy
from ..types import Batch
from .batches import ground_valid

#: How the last layers come about: by gradient descent, in closed form, or in closed form first.
Head = Literal["trained", "ridge", "discriminant", "pooled", "tuned"]

#: Parts that the labelled ground is dealt to; each is held out once.
_FOLDS: Final = 4
#: Penalties that are tried, as shares of an input's variance.
_PENALTIES: Final = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
#: Scores, 0..1, that are as good as each other: of such, the strongest penalty carries over best.
_ALIKE: Final = 0.005
#: Penalty where too little ground is labelled to hold some out.
_UNTRIED_PENALTY: Final = 0.1
#: Labelled pixels of a chip that count, drawn at random, where an eighth of its pixels are not more of them:
#: neighbours are alike.
_MOST_PER_CHIP: Final = 8_192
#: Pixels of each part that are kept to choose the penalty on.
_MOST_HELD: Final = 4_096


class _Pixels(NamedTuple):
    """Some labelled pixels: ``inputs`` (n, D), ``classes`` (n, N) per level, ``stored`` values (n, C)."""

    inputs: Tensor
    classes: Tensor
    stored: Tensor


class LinearHead:
    """Solves for the head of a model whose decoder is linear, and measures it on ground held out.

    One pass over the labelled ground adds up what least squares and discriminants need, for every level and
    for each of four parts of the ground, dealt by half chips. How strong the penalty is, how many of the
    encoder's stages are listened to, and the temperature that makes confidence of the scores follow from
    holding each part out once (mean of overall accuracy and mIoU over the levels, of what is as good within
    half a point the strongest penalty). ``pooled`` is both classifiers, each so chosen: the mean of their log
    posteriors at a temperature each (a logarithmic opinion pool, Genest and Zidek 1986), as linear as they
    are. Memory holds 8 D^2 bytes per level and part for D inputs.

    Args:
        model: Hypercolumns under classifiers; levels that talk are silenced, the encoder stays as it is.
        taxonomy: The tree.
        kind: ``ridge``, ``discriminant`` or ``pooled``; ``tuned`` begins with ``pooled``.
        flat: Whether the model has the leaves alone.
    """

    def __init__(self, model: SceneModel, taxonomy: Taxonomy, kind: Head, flat: bool) -> None:
        body = model.segmenter.features.body
        if not isinstance(body, EncoderDecoder) or not isinstance(body.decoder, Hypercolumn):
            raise TypeError(f"Expected a model with hypercolumns, but got {type(body).__name__}.")
        self.model, self.decoder = model, body.decoder
        self.head: BHCCM = model.segmenter.head
        self.taxonomy = taxonomy
        self.paths = torch.from_numpy(taxonomy.paths.copy())
        self.levels = tuple(range(taxonomy.num_levels)[-1:] if flat else range(taxonomy.num_levels))
        self._kinds = (kind,) if kind in SOLVERS else tuple(SOLVERS)
        inputs = sum(self.decoder.sizes)
        counts = [taxonomy.num_classes[level] for level in self.levels]
        self._sums = [[ClassSums.empty(count, inputs) for count in counts] for _ in range(_FOLDS)]
        self._held: list[list[_Pixels]] = [[] for _ in range(_FOLDS)]
        self._pixels = np.zeros(_FOLDS, dtype=np.int64)
        self._generator = torch.Generator().manual_seed(0)

    @torch.no_grad()
    def add(self, batch: Batch, reference: Tensor) -> None:
        """Add the labelled pixels of a batch.

        Args:
            batch: Stored values and validity.
            reference: (B, N, H, W) int64 class indices per level, negative where unknown.
        """
        known = (reference >= 0).any(dim=1) & ground_valid(batch)
        chips = known.flatten(1).any(dim=1).nonzero().flatten()
        if len(chips) == 0:
            return
        self.model.eval()
        image, valid, doy = batch["image"][chips], batch["valid"][chips], batch.get("doy")
        seen = self.model.normalise(image, valid), valid, None if doy is None else doy[chips]
        features = self.model.segmenter.features.maps(*seen)
        if not self._pixels.any():
            self.decoder.standardise(features, known[chips])
        for number, chip in enumerate(chips.tolist()):
            row, column = known[chip].nonzero().T
            most = max(_MOST_PER_CHIP, known[chip].numel() // 8)
            kept = torch.randperm(len(row), generator=self._generator)[:most].sort().values
            row, column = row[kept.to(row.device)], column[kept.to(row.device)]
            inputs = self.decoder.inputs_at(features, number, row, column).float().cpu()
            classes = reference[chip][:, row, column].T.cpu()
            # dates differ from chip to chip: no table for a forest
            stored = image[number][:, row, column].T.cpu() if doy is None else classes.new_empty(len(row), 0)
            half = (torch.tensor(known.shape[-2:]) / 2).ceil().long()
            cell = (row.cpu() // half[0]) * 2 + column.cpu() // half[1]
            for one in cell.unique().tolist():
                here = cell == one
                self._deal(inputs[here], classes[here], stored[here])

    def _deal(self, inputs: Tensor, classes: Tensor, stored: Tensor) -> None:
        """Give the pixels of a piece of ground to the part that has fewest."""
        fold = int(self._pixels.argmin())
        self._pixels[fold] += len(inputs)
        for sums, level in zip(self._sums[fold], self.levels, strict=True):
            known = classes[:, level] >= 0
            sums.add(inputs[known], classes[known, level])
        held = self._held[fold]
        held.append(_Pixels(inputs, classes, stored))
        if sum(len(one.inputs) for one in held) > 2 * _MOST_HELD:
            self._held[fold] = [self._drawn(held, _MOST_HELD)]

    def _drawn(self, held: Sequence[_Pixels], most: int) -> _Pixels:
        parts = [torch.cat(part) for part in zip(*held, strict=True)]
        kept = torch.randperm(len(parts[0]), generator=self._generator)[:most]
        return _Pixels(*(part[kept] for part in parts))

    @torch.no_grad()
    def solve(self) -> dict[str, Any]:
        """Give the model its head.

        Returns:
            What was chosen, and the scores on held-out ground, in plain values.

        Raises:
            DataError: No pixel had a label.
        """
        if not self._pixels.any():
            raise DataError(
                "Expected training ground with labels, but got none: every label is nodata, or lies where "
                "the images hold no data. Check the labels, their nodata value and the regions."
            )
        sizes = np.cumsum(self.decoder.sizes).tolist()
        tried = bool((self._pixels > 0).all())
        held = [self._drawn(each, _MOST_HELD) for each in self._held if each]
        others = [self._total(without=fold if tried else None) for fold in range(len(held))]
        classes = torch.cat([part.classes for part in held])
        found: dict[str, Any] = {}
        heads, logits = [], []
        for kind in self._kinds:
            stages, penalty = len(sizes) - 1, _UNTRIED_PENALTY
            if tried:
                stages, penalty = self._chosen(kind, held, others, sizes, classes)
            own = self._held_logits(kind, held, others, sizes[stages], penalty)
            temperature = self._temperature(own, classes)
            found[kind] = {"penalty": penalty, "stages": stages, "temperature": temperature}
            heads.append((self._solved(kind, self._total(), sizes[stages], penalty), temperature))
            logits.append(own / temperature)
        pooled = torch.stack(logits).mean(dim=0)
        if tried:
            found |= _told("held_out", self._scores(pooled, classes))
            found |= _told("per_pixel", self._forest_scores(held))
        self._fill(heads, self._temperature(pooled, classes) if len(heads) > 1 else 1.0)
        return found

    def _chosen(
        self,
        kind: str,
        held: Sequence[_Pixels],
        others: Sequence[Sequence[ClassSums]],
        sizes: Sequence[int],
        classes: Tensor,
    ) -> tuple[int, float]:
        """Stages and penalty that score best where each part is held out."""
        merits = {
            (stages, penalty): _merit(
                self._scores(self._held_logits(kind, held, others, sizes[stages], penalty), classes)
            )
            for stages in range(len(sizes))
            for penalty in _PENALTIES
        }
        near = [key for key, merit in merits.items() if merit >= max(merits.values()) - _ALIKE]
        return max(near, key=lambda key: (key[1], merits[key]))

    def _scores(self, logits: Tensor, classes: Tensor) -> Sequence[LevelScores]:
        metrics = HierarchicalMetrics(self.taxonomy)
        metrics.update(jsps(logits, self.paths), _as_image(classes))
        return metrics.compute().levels

    def _total(self, without: int | None = None) -> list[ClassSums]:
        """Sums per level over all parts, but for one that is held out."""
        parts = [part for fold, part in enumerate(self._sums) if fold != without]
        return [sum(levels[1:], start=levels[0]) for levels in zip(*parts, strict=True)]

    @staticmethod
    def _solved(
        kind: str, sums: Sequence[ClassSums], inputs: int, penalty: float
    ) -> list[tuple[Tensor, Tensor]]:
        return [SOLVERS[kind](each.first(inputs), penalty) for each in sums]

    def _held_logits(
        self,
        kind: str,
        held: Sequence[_Pixels],
        others: Sequence[Sequence[ClassSums]],
        inputs: int,
        penalty: float,
    ) -> Tensor:
        """Path logits (1, T, 1, n) of the pixels of every part, solved for without it."""
        found = []
        for part, sums in zip(held, others, strict=True):
            values = part.inputs[:, :inputs].double()
            solved = self._solved(kind, sums, inputs, penalty)
            logits = [values @ weight.T + offset for weight, offset in solved]
            found.append(path_logits([level.T[None, :, None] for level in logits], self.paths))
        return torch.cat(found, dim=3)

    def _forest_scores(self, held: Sequence[_Pixels]) -> Sequence[LevelScores] | None:
        """Score a per-pixel forest on the same pixels, grown on the other parts; None where leaves lack."""
        if not held[0].stored.shape[1]:
            return None
        metrics = HierarchicalMetrics(self.taxonomy)
        for fold, part in enumerate(held):
            forest = PixelForest(self.taxonomy.num_classes[-1])
            for number, other in enumerate(held):
                if number != fold:
                    known = other.classes[:, -1] >= 0
                    forest.add(other.stored[known], other.classes[known, -1])
            if not forest.knows:
                return None
            leaf = forest(part.stored.T[None, :, None])[:, :, 0].argmax(dim=1)[:, None]
            metrics.update_leaf(leaf, _as_image(part.classes))
        return metrics.compute().levels

    def _temperature(self, logits: Tensor, classes: Tensor) -> float:
        """Fit the temperature of (1, T, 1, n) on the pixels whose labels are one path."""
        logits = logits[0, :, 0].T
        fits = (classes[:, None] == self.paths).all(dim=2)
        known = fits.sum(dim=1) == 1
        if not bool(known.any()):
            return 1.0
        return fitted_temperature(logits[known].numpy(), fits[known].int().argmax(dim=1).numpy())

    def _fill(self, heads: Sequence[tuple[list[tuple[Tensor, Tensor]], float]], temperature: float) -> None:
        """Write the mean of solutions at their temperatures down: a channel is the score of a class."""
        weight = torch.zeros(
            sum(len(o) for _, o in heads[0][0]), sum(self.decoder.sizes), dtype=torch.float64
        )
        offset = torch.zeros(len(weight), dtype=torch.float64)
        for levels, kept in heads:
            share = 1 / (kept * temperature * len(heads))
            part = torch.cat([each for each, _ in levels])
            weight[:, : part.shape[1]] += share * part
            offset += share * torch.cat([each for _, each in levels])
        device = self.model.mean.device
        self.decoder.set_weights(weight.float().to(device))
        share, first = 1 / self.head.silence(), 0
        for classifier in self.head.classifiers:
            own = torch.zeros_like(classifier.weight)  # type: ignore[arg-type]  # a convolution's
            count = len(own)
            own[:, first : first + count, 0, 0] = share * torch.eye(count, device=device)
            classifier.weight.copy_(own)  # type: ignore[operator]
            classifier.bias.copy_(share * offset[first : first + count].float())  # type: ignore[operator]
            first += count


def measure_units(model: SceneModel, batch: Batch) -> bool:
    """Measure the units of the inputs of hypercolumns on a batch; False where it shows no ground to do so."""
    decoder = next((part for part in model.modules() if isinstance(part, Hypercolumn)), None)
    known = ground_valid(batch)
    if decoder is None or not bool(known.any()):
        return decoder is None
    hook = decoder.register_forward_pre_hook(lambda own, seen: own.standardise(seen[0], known))
    with torch.no_grad():
        model(batch["image"], batch["valid"], batch.get("doy"))
    hook.remove()
    return True


def _as_image(classes: Tensor) -> Tensor:
    """(n, N) class indices as (1, N, 1, n)."""
    return classes.T[None, :, None]


def _merit(scores: Sequence[LevelScores]) -> float:
    """Mean of overall accuracy and mIoU over the levels that have labels."""
    both = [(level.oa + level.miou) / 2 for level in scores if np.isfinite(level.oa)]
    return float(np.mean(both)) if both else 0.0


def _told(name: str, scores: Sequence[LevelScores] | None) -> dict[str, Any]:
    """Scores as plain values."""
    if scores is None:
        return {}
    return {name: {"OA": [float(s.oa) for s in scores], "mIoU": [float(s.miou) for s in scores]}}


def listed(scores: Mapping[str, Sequence[float]]) -> str:
    """Scores per level in per cent: ``L1 OA 91.2 mIoU 54.6, L2 ...``."""
    both = zip(scores["OA"], scores["mIoU"], strict=True)
    return ", ".join(f"L{n} OA {100 * oa:.1f} mIoU {100 * iou:.1f}" for n, (oa, iou) in enumerate(both, 1))
