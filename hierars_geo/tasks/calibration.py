"""Calibrate a trained model on ground that its training never saw."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pyproj import CRS
from torch import Tensor

from ..errors import DataError, OptionError, notice
from ..metrics.reliability import Curve, Reliability, fitted_curve, fitted_temperature
from ..metrics.risk import THRESHOLDS, check_promises, promised_threshold, shown_and_wrong
from ..models.calibration import Calibration, Promise
from ..models.checkpoint import Checkpoint, Model, load
from ..models.decode import best_path
from ..models.map_model import MapModel
from ..models.record import RECORD_KEY
from ..models.siblings import Ladder
from ..output import check_writable_folder, refuse_existing
from ..samplers.chip_samplers import GridChipSampler
from ..taxonomy import Taxonomy
from ..taxonomy.depth import most_siblings
from ..types import IGNORE_INDEX, Batch, Bounds
from .applicability import MOST_CHIPS, learn_ground, share_outside
from .batches import ground_valid
from .checkpoints import write_checkpoint
from .training_data import require_same_data

#: Labelled pixels that the temperature is fitted on, drawn evenly from all batches.
_MOST_PIXELS = 200_000
_PIXELS_PER_CHIP = 500

#: Of fewer blocks temperature and curves are chance: on other ground of the same scene they do harm.
FEWEST_BLOCKS = 10

#: Metres in a degree of latitude: blocks of a geographic CRS need not be exact.
_METRES_PER_DEGREE = 111_320.0


def calibrate(
    model: Model | str | Path,
    data: Any,  # noqa: ANN401  # of a room that tasks do not know
    out: str | Path,
    risks: Sequence[float] = (0.05, 0.1),
    delta: float = 0.1,
    split: Literal["val", "test"] = "val",
    block_m: float | None = None,
    overwrite: bool = False,
) -> Model:
    """Measure on ground kept apart how far a model can be trusted, and write its checkpoint anew.

    Args:
        model: As it was trained, or the path of its checkpoint.
        data: Its data module, :class:`.SceneDataModule`: the training ground, and the ground kept apart.
        out: The checkpoint to write; its folder exists.
        risks: Promises: shares of what a map shows that may be wrong, 0..1.
        delta: Chance that a promise fails for the draw of the blocks.
        split: Ground kept apart.
        block_m: Side of a block of ground in metres; None for two chips.
        overwrite: Replace a file that exists.

    Returns:
        The model as the new checkpoint has it.

    Raises:
        HieraRSError: An option is out of range, model and data do not fit, there is too little ground, or the
            file cannot be written.

    Examples:
        .. code-block:: python

            model = hg.calibrate("model.ckpt", data, "calibrated.ckpt", risks=[0.1])
            hg.predict(model, "scene.tif", "maps", risk=0.1)
    """
    # all that can be checked is checked before the ground is read
    target = Path(out)
    refuse_existing([target], overwrite, [model if isinstance(model, str | Path) else model.path])
    check_promises(risks, delta)
    if block_m is not None and not block_m > 0:
        raise OptionError(f"Expected block_m to be > 0 m, but got {block_m:g}.")
    check_writable_folder(target.parent)
    loaded = model if isinstance(model, Model) else load(model)
    data.setup(split)
    if split not in data.parts:
        raise OptionError(
            f"Expected ground kept apart as {split}, but the data have none. Give splits a "
            f"{split}_fraction or a {split}_region."
        )
    require_same_data(loaded.record, data)
    side_m = block_m or 2 * data.chip_size * data.gsd_m
    part = data.parts[split]
    ground = GridChipSampler(part, data.chip_size)
    crs = CRS.from_user_input(part.crs)
    blocks = {block_at(ground.lattice.bounds(chip.window), crs, side_m) for chip in ground.chips}
    check_promises(risks, delta, len(blocks))
    network = loaded.network
    known = learn_ground(
        network,
        data.sample_dataloader("train", MOST_CHIPS),
        lambda batch, chip: block_of(batch, chip, side_m),
    )
    outside = share_outside(network, known, data.sample_dataloader(split, MOST_CHIPS))
    loader = data.val_dataloader() if split == "val" else data.test_dataloader()
    found = calibration_of(network, loaded.record.taxonomy, lambda: loader, risks, side_m, delta, split)
    network.believe(loaded.record.calibration)  # as it came
    record = replace(loaded.record, calibration=found, applicability=replace(known, outside=outside))
    content = dict(Checkpoint.read(loaded.path).content)
    content[RECORD_KEY] = content[RECORD_KEY] | record.to_dict()
    write_checkpoint(content, target)
    return load(target)


def calibration_of(
    model: MapModel,
    taxonomy: Taxonomy,
    batches: Callable[[], Iterable[Batch]],
    risks: Sequence[float],
    block_m: float,
    delta: float = 0.1,
    split: str = "val",
) -> Calibration:
    """Fit the temperature and the curves of the levels, and find the threshold of every promise.

    One temperature divides the path logits, so that the maps' classes stay as they are; then a curve per
    level says how often the class is right. Pixels beside each other are wrong together: what is counted is
    blocks of ground.

    Args:
        model: In eval mode.
        taxonomy: Its tree.
        batches: Called twice; gives the batches of ground kept apart, with ``bounds`` and ``crs``.
        risks: Shares of the shown pixels that may be wrong, 0..1.
        block_m: Side of a block in metres, > 0.
        delta: Probability with which a promise may fail for the draw of the blocks.
        split: What the ground is called.

    Raises:
        DataError: No pixel is labelled, or there are too few blocks for a promise.
    """
    model.believe(None)
    paths = torch.from_numpy(taxonomy.paths.copy())
    rng = np.random.default_rng(0)
    drawn = [(np.zeros((0, len(paths)), np.float32), np.zeros(0, np.int64))]
    labelled = set()
    for batch in batches():
        for chip, (path_logits, row) in enumerate(_labelled(model, taxonomy, paths, batch)):
            drawn.append(_some_pixels(path_logits, row, rng))
            labelled |= {block_of(batch, chip, block_m)} if len(row) else set()
    check_promises(risks, delta, len(labelled) or None)
    scores = np.concatenate([each for each, _ in drawn])
    rows = np.concatenate([each for _, each in drawn])
    if len(rows) > _MOST_PIXELS:
        kept = rng.choice(len(rows), _MOST_PIXELS, replace=False)
        scores, rows = scores[kept], rows[kept]
    temperature = fitted_temperature(scores, rows)
    curves: tuple[Curve, ...] = ()
    if len(labelled) >= FEWEST_BLOCKS:
        curves = fitted_curves(scores / np.float32(temperature), rows, taxonomy.paths)
    else:
        temperature = 1.0
        notice(
            f"Confidence stays as the model says it: {len(labelled)} blocks of labelled ground say too "
            f"little to mend it, which takes {FEWEST_BLOCKS}. Keep more ground apart, or take smaller blocks."
        )
    most = most_siblings(taxonomy)
    counts = _Counts(Ladder(taxonomy.paths), Ladder(taxonomy.paths, most, curves))
    for batch in batches():
        for chip, (path_logits, row) in enumerate(_labelled(model, taxonomy, paths, batch)):
            counts.add(block_of(batch, chip, block_m), path_logits, row, temperature)
    by_block = np.stack(list(counts.blocks.values()))  # (n, families, wrong and shown, K)
    promises = tuple(
        Promise(
            risk, *(promised_threshold(wrong, shown, THRESHOLDS, risk, delta) for wrong, shown in families)
        )
        for families in [by_block.transpose(1, 2, 0, 3)]
        for risk in sorted(risks)
    )
    return Calibration(
        temperature=temperature,
        promises=promises,
        delta=delta,
        blocks=len(by_block),
        block_m=block_m,
        split=split,
        error_before=tuple(counts.before.calibration_error().tolist()),
        error_after=tuple(counts.after.calibration_error().tolist()),
        curves=curves,
        diagrams={"before": counts.before.diagrams(), "after": counts.after.diagrams()},
    )


def fitted_curves(
    scores: NDArray[np.floating], rows: NDArray[np.integer], paths: NDArray[np.int64]
) -> tuple[Curve, ...]:
    """Find the curve of every level from path logits (n, T) and true paths (n,) of labelled pixels."""
    ladder = Ladder(paths)
    chance = np.exp(scores - scores.max(axis=1, keepdims=True))
    climb = ladder.climb((chance / chance.sum(axis=1, keepdims=True)).T, scores.argmax(axis=1))
    right = climb.holds([group[rows] for group in ladder.groups])
    return tuple(fitted_curve(sure, hit) for sure, hit in zip(climb.confidence, right, strict=True))


def _labelled(
    model: MapModel, taxonomy: Taxonomy, paths: Tensor, batch: Batch
) -> list[tuple[Tensor, Tensor]]:
    """Path logits (T, n) and true paths (n,) of the labelled pixels of every chip."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        doy = batch["doy"].to(device) if "doy" in batch else None
        inputs = batch["image"].to(device), batch["valid"].to(device), paths.to(device)
        logits = model.path_logits(*inputs, doy)
    truth = true_paths(taxonomy, batch)
    found = []
    for scores, row, valid in zip(logits.float().cpu(), truth, ground_valid(batch).cpu(), strict=True):
        known = (row >= 0) & valid
        found.append((scores[:, known], row[known]))
    return found


def true_paths(taxonomy: Taxonomy, batch: Batch) -> Tensor:
    """(B, H, W) legal path of the labels, ``IGNORE_INDEX`` where a label allows for none or several."""
    only = torch.full((taxonomy.num_classes[-1],), IGNORE_INDEX)
    leaves = torch.tensor(taxonomy.paths[:, -1].tolist())
    alone = torch.bincount(leaves)[leaves] == 1
    only[leaves[alone]] = torch.arange(len(leaves))[alone]
    leaf = batch["mask"].cpu()
    rows = torch.where(leaf >= 0, only[leaf.clamp(min=0)], IGNORE_INDEX)
    if "label_set" not in batch:
        return rows
    allowed = batch["label_table"][0].cpu()
    of_set = torch.where(allowed.sum(dim=1) == 1, allowed.int().argmax(dim=1), IGNORE_INDEX)
    named = batch["label_set"].cpu()
    return torch.where(named >= 0, of_set[named.clamp(min=0)], rows)


def _some_pixels(
    scores: Tensor, row: Tensor, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    chosen = rng.permutation(len(row))[:_PIXELS_PER_CHIP]
    return scores[:, chosen].T.numpy(), row[chosen].numpy()


def block_of(batch: Batch, chip: int, block_m: float) -> tuple[str, int, int]:
    """Block of ground that the middle of a chip of a batch lies in."""
    if "bounds" not in batch or "crs" not in batch:
        raise DataError("Expected batches that say where they lie, but got none of bounds and crs.")
    left, bottom, right, top = (float(value) for value in batch["bounds"][chip])  # type: ignore[attr-defined]
    return block_at((left, bottom, right, top), CRS.from_user_input(batch["crs"][chip]), block_m)


def block_at(bounds: Bounds, crs: CRS, block_m: float) -> tuple[str, int, int]:
    """Block of ground, ``block_m`` > 0 wide, that the middle of (left, bottom, right, top) lies in."""
    left, bottom, right, top = bounds
    unit_m = _METRES_PER_DEGREE if crs.is_geographic else float(crs.axis_info[0].unit_conversion_factor)
    side = block_m / unit_m
    return crs.to_wkt(), int((left + right) / 2 // side), int((bottom + top) / 2 // side)


@dataclass
class _Counts:
    """Reliability over all ground, and what adaptive maps show of every block: of classes, and with sets."""

    plain: Ladder
    ladder: Ladder
    blocks: dict[tuple[str, int, int], NDArray[np.int64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        levels = len(self.ladder.groups)
        self.before = self.after = Reliability.of(np.zeros((levels, 0)), np.zeros((levels, 0), dtype=bool))

    def add(self, block: tuple[str, int, int], scores: Tensor, row: Tensor, temperature: float) -> None:
        """Count the labelled pixels of a chip."""
        if len(row) == 0:
            return
        best = best_path(scores[None, :, None])[0, 0].numpy()
        truth = [group[row.numpy()] for group in self.ladder.groups]
        before = self.plain.climb(scores.softmax(dim=0).numpy(), best)
        climb = self.ladder.climb((scores / temperature).softmax(dim=0).numpy(), best)
        sure, right = np.stack(climb.confidence), climb.holds(truth)
        alone = slice(climb.most - 1, None, climb.most)
        self.before += Reliability.of(np.stack(before.confidence), right[alone])
        self.after += Reliability.of(sure[alone], right[alone])
        counted = np.stack([shown_and_wrong(sure[alone], right[alone]), shown_and_wrong(sure, right)])
        self.blocks[block] = self.blocks.get(block, 0) + counted
