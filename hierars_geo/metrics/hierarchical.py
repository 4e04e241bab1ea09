"""HierarchicalMetrics: one confusion matrix per level, accumulated over everything seen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from ..errors import OptionError
from ..taxonomy import Taxonomy
from .reliability import BINS, Reliability
from .scores import HierarchicalScores, level_scores


class HierarchicalMetrics(Metric):
    """Score predictions at every level of a tree.

    States are sums of counts, so results over batches and over processes are exact, never means of means.

    Examples:
        >>> metrics = HierarchicalMetrics(Taxonomy.from_yaml("mm5b"))
        >>> leaf = torch.tensor([[[0, 3], [17, -100]]])
        >>> metrics.update_leaf(leaf, leaf)
        >>> metrics.compute().levels[0].oa
        1.0
    """

    full_state_update = False
    higher_is_better = True
    agreement: Tensor
    consistent: Tensor
    checked: Tensor
    ignored: Tensor
    lift_reference: Tensor
    lift_prediction: Tensor

    def __init__(self, taxonomy: Taxonomy, **kwargs: Any) -> None:  # noqa: ANN401  # torchmetrics' own options
        super().__init__(**kwargs)
        self.num_classes = taxonomy.num_classes
        levels = range(1, taxonomy.num_levels + 1)
        lift = torch.tensor([taxonomy.lift_table(level).tolist() for level in levels])
        first = {int(path[-1]): path.tolist() for path in reversed(taxonomy.paths)}
        self.register_buffer("lift_reference", lift, persistent=False)
        self.register_buffer(
            "lift_prediction", torch.tensor([first[leaf] for leaf in range(len(first))]).T, persistent=False
        )
        for level, count in enumerate(self.num_classes, start=1):
            self.add_state(
                f"confusion_{level}", torch.zeros(count, count, dtype=torch.int64), dist_reduce_fx="sum"
            )
        self.add_state(
            "agreement", torch.zeros(taxonomy.num_levels + 1, dtype=torch.int64), dist_reduce_fx="sum"
        )
        for name in ("consistent", "checked", "ignored"):
            self.add_state(name, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor, legal: Tensor | None = None) -> None:
        """Count a batch.

        Args:
            prediction: (B, N, H, W) int64 class indices per level.
            target: (B, H, W) int64 leaf indices, or (B, N, H, W) indices per level; negative where there is
                no label.
            legal: (B, H, W) bool, where the per-level argmax before decoding is a legal path; None where
                unknown.

        Raises:
            OptionError: The shapes do not fit each other.
        """
        levels = len(self.num_classes)
        reference = self.reference(target)
        if prediction.shape != reference.shape or prediction.shape[1] != levels:
            raise OptionError(
                f"Expected a prediction (B, {levels}, H, W) and a target (B, H, W) or of the same shape, "
                f"but got {tuple(prediction.shape)} and {tuple(target.shape)}."
            )
        labelled = reference >= 0
        for level, count in enumerate(self.num_classes, start=1):
            known = labelled[:, level - 1]
            code = reference[:, level - 1][known] * count + prediction[:, level - 1][known]
            confusion = getattr(self, f"confusion_{level}")
            confusion += torch.bincount(code, minlength=count * count).view(count, count)
        complete = labelled.all(dim=1)
        right = (reference == prediction).cumprod(dim=1).sum(dim=1)
        self.agreement += torch.bincount(right[complete], minlength=levels + 1)
        leaf = labelled[:, -1]
        self.ignored += (~leaf).sum()
        if legal is not None:
            self.consistent += (legal & leaf).sum()
            self.checked += leaf.sum()

    def reference(self, target: Tensor) -> Tensor:
        """Return labels per level (B, N, H, W) of leaves (B, H, W), or as they are."""
        return self._lift(self.lift_reference, target) if target.ndim == 3 else target

    def update_leaf(self, prediction: Tensor, target: Tensor) -> None:
        """Count a batch of a flat model, scored at coarser levels by lifting.

        Args:
            prediction: (B, H, W) int64 leaf indices; a leaf with several legal paths is lifted along the
                first.
            target: As in :meth:`update`.
        """
        self.update(self._lift(self.lift_prediction, prediction), target)

    def compute(self) -> HierarchicalScores:
        """Return the scores of everything counted so far."""
        confusion: Sequence[Tensor] = [
            getattr(self, f"confusion_{level}") for level in range(1, len(self.num_classes) + 1)
        ]
        checked = int(self.checked)
        return HierarchicalScores(
            levels=tuple(level_scores(matrix.cpu().numpy()) for matrix in confusion),
            agreement=self.agreement.cpu().numpy(),
            consistency=int(self.consistent) / checked if checked else None,
            ignored=int(self.ignored),
        )

    def _lift(self, table: Tensor, leaf: Tensor) -> Tensor:
        """Apply a (N, C_N) table to (B, H, W) leaf indices; negative stays negative."""
        lifted = table[:, leaf.clamp(min=0)].transpose(0, 1)
        return torch.where(leaf.unsqueeze(1) < 0, leaf.unsqueeze(1), lifted)


class ReliabilityMetric(Metric):
    """Count confidence and what is right per level, over batches and processes."""

    full_state_update = False
    higher_is_better = False
    pixels: Tensor
    confidence: Tensor
    right: Tensor

    def __init__(self, levels: int, **kwargs: Any) -> None:  # noqa: ANN401  # torchmetrics' own options
        super().__init__(**kwargs)
        for name in ("pixels", "confidence", "right"):
            self.add_state(name, torch.zeros(levels, BINS, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, confidence: Tensor, prediction: Tensor, target: Tensor) -> None:
        """Count a batch.

        Args:
            confidence: (B, N, H, W) float, of the predicted class at each level.
            prediction: (B, N, H, W) int64 class indices.
            target: (B, N, H, W) int64, negative where there is no label.
        """
        fits = (prediction == target) | (target < 0)  # a level that the label leaves open refutes nothing
        right = fits.cumprod(dim=1).bool()  # wrong above is wrong below

        def flat(values: Tensor) -> NDArray[Any]:
            array: NDArray[Any] = values.transpose(0, 1).flatten(1).cpu().numpy()
            return array

        found = Reliability.of(flat(confidence), flat(right), flat(target >= 0))
        for name in ("pixels", "confidence", "right"):
            state: Tensor = getattr(self, name)
            state += torch.from_numpy(getattr(found, name)).to(state)

    def compute(self) -> Tensor:
        """Return the counts of everything so far, (3, N, bins) float64; see :meth:`reliability`."""
        return torch.stack([self.pixels, self.confidence, self.right])

    def reliability(self) -> Reliability:
        """Return the counts of everything so far, of all processes."""
        counts: Tensor = self.compute()  # torchmetrics takes no frozen dataclass out of it
        pixels, confidence, right = counts.cpu().numpy()
        return Reliability(pixels.astype(np.int64), confidence, right.astype(np.int64))
