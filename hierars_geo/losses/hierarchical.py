"""Hierarchical losses: HCE, HPC, their sum HSC, and the legacy HCC (Ai et al. 2026, section III-C)."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import OptionError
from ..models.decode import path_logits
from ..types import IGNORE_INDEX
from .path_targets import PathTargets


def path_set_loss(
    scores: Tensor,
    path: Tensor,
    sets: Tensor,
    members: Tensor,
    decided: Tensor,
    trust: Tensor | None = None,
) -> Tensor:
    """Mean of -log of the summed probability of the paths that the label of a pixel allows for.

    Where every label is one path, this is the cross entropy of the paths, as in the paper; several paths cost
    one more logsumexp. Labels that decide the leaf and coarser ones are averaged apart and added, as the
    levels of HCE are: in one mean a few leaves would count for nothing beside a coarse rest.

    Args:
        scores: (B, T, H, W) float path scores.
        path: (B, H, W) int64 path index, ``IGNORE_INDEX`` where the label says several paths or nothing.
        sets: (B, H, W) int64 row of ``members``, negative where there is no label.
        members: (S, T) bool paths of each set.
        decided: (B, H, W) bool, whether the label decides the leaf.
        trust: (B, H, W) float weights of the labels, or None. A kind of labels counts by the mean of its
            weights, relative to the other's.

    Returns:
        Scalar, 0 and still differentiable where no pixel has a label.
    """
    labelled = sets >= 0
    if not bool((labelled & (path == IGNORE_INDEX)).any()):
        return mean_cross_entropy(scores, path, trust=trust)
    row = sets.clamp(min=0)
    shut = torch.zeros(members.shape, device=scores.device).masked_fill(~members, -torch.inf)
    allowed = torch.stack([of_path.take(row) for of_path in shut.unbind(dim=1)], dim=1) + scores
    surprise = torch.where(labelled, scores.logsumexp(dim=1) - allowed.logsumexp(dim=1), 0)
    weight = labelled.to(surprise.dtype) if trust is None else labelled * trust
    kinds = [(weight > 0) & decided, (weight > 0) & ~decided]
    pixels = [kind.sum().clamp(min=1) for kind in kinds]
    means = [(surprise * weight * kind).sum() / count for kind, count in zip(kinds, pixels, strict=True)]
    worth = [(weight * kind).sum() / count for kind, count in zip(kinds, pixels, strict=True)]
    return (means[0] + means[1]) / torch.maximum(*worth).clamp(min=torch.finfo(surprise.dtype).tiny)


def mean_cross_entropy(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, trust: Tensor | None = None
) -> Tensor:
    """Cross entropy averaged over the pixels that have a label; 0, and still differentiable, where none has.

    Args:
        logits: (B, C, H, W) float.
        target: (B, H, W) int64, ``IGNORE_INDEX`` to leave out.
        weight: (C,) class weights, or None.
        trust: (B, H, W) float weights of the labels, or None.
    """
    total = _sum_over_pixels(logits, target, weight, trust)
    labelled = target != IGNORE_INDEX
    if weight is None and trust is None:
        return total / labelled.sum().clamp(min=1)
    parts = [one[labelled] for one in (trust,) if one is not None]
    parts += [one[target[labelled]] for one in (weight,) if one is not None]
    count = parts[0].sum() if len(parts) == 1 else (parts[0] * parts[1]).sum()
    return total / count.clamp(min=torch.finfo(total.dtype).tiny)


def _sum_over_pixels(logits: Tensor, target: Tensor, weight: Tensor | None, trust: Tensor | None) -> Tensor:
    """Cross entropy summed over the pixels that have a label, each times the trust in it."""
    if trust is None:
        return F.cross_entropy(logits, target, weight=weight, ignore_index=IGNORE_INDEX, reduction="sum")
    each = F.cross_entropy(logits, target, weight=weight, ignore_index=IGNORE_INDEX, reduction="none")
    return (each * trust).sum()


class _HierarchicalLoss(nn.Module):
    """What both losses share: the tree, the weights of its levels, and HCE."""

    level_weights: Tensor

    def __init__(
        self,
        paths: NDArray[np.int64] | Tensor,
        num_classes: Sequence[int],
        alpha: float = 2.0,
        level_weights: Sequence[float] | None = None,
        ignore_index: int = IGNORE_INDEX,
        class_weights: Sequence[Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        table = torch.tensor(np.asarray(paths), dtype=torch.int64)
        levels = len(num_classes)
        if table.ndim != 2 or table.shape[1] != levels:
            raise OptionError(
                f"Expected paths to be (T, {levels}) for {levels} levels, but got shape {tuple(table.shape)}."
            )
        too_large = (table.amax(dim=0) >= torch.tensor(tuple(num_classes))).any()
        if too_large or (table < 0).any():
            raise OptionError(
                f"Expected paths to hold class indices below {tuple(num_classes)}, but they do not."
            )
        weights = [1.0] * levels if level_weights is None else [float(w) for w in level_weights]
        if len(weights) != levels:
            raise OptionError(f"Expected {levels} level weights, one per level, but got {len(weights)}.")
        self.num_classes = tuple(num_classes)
        self.alpha = alpha
        self.targets = PathTargets(table, ignore_index)
        self.register_buffer("level_weights", torch.tensor(weights), persistent=False)
        self.weighted = class_weights is not None
        for level, values in enumerate(class_weights or ()):
            self.register_buffer(
                f"class_weight_{level}", torch.tensor(values, dtype=torch.float32), persistent=False
            )

    def hce(self, logits: Sequence[Tensor], levels: Sequence[Tensor], trust: Tensor | None = None) -> Tensor:
        """Hierarchical cross entropy: sum over levels of w_l CE(Z_l, y_l)."""
        terms = [
            weight
            * mean_cross_entropy(
                z, y, getattr(self, f"class_weight_{level}") if self.weighted else None, trust
            )
            for level, (weight, z, y) in enumerate(zip(self.level_weights, logits, levels, strict=True))
        ]
        return torch.stack(terms).sum()

    def _check(self, logits: Sequence[Tensor]) -> list[Tensor]:
        channels = tuple(z.shape[1] for z in logits)
        if channels != self.num_classes:
            raise OptionError(
                f"Expected logits with {self.num_classes} channels per level, but got {channels}."
            )
        return [z.float() for z in logits]  # sums of exponentials want float32 under mixed precision


class HSCLoss(_HierarchicalLoss):
    """Hierarchical semantic consistency: ``L_HSC = L_HCE + alpha L_HPC``.

    ``L_HPC`` is the mean of ``-log P(t*)`` over the pixels whose labels form a legal path, with P the
    softmax of the path scores over all legal paths. Where labels allow for several paths (a coarser class, or
    one of another legend), it is that of the sum of P over them, averaged apart from labels that decide the
    leaf (:func:`path_set_loss`), and ``L_HCE`` counts a pixel at the levels where all of them share a class.

    Args:
        paths: (T, N) class index of every legal path at every level.
        num_classes: (C_1, ..., C_N).
        alpha: Weight of HPC; 2 for land cover, 1 for the crop transfer, 0 for HCE alone.
        level_weights: w_l, default 1 each.
        ignore_index: Label of a pixel to leave out.
        class_weights: Optional weights of the classes per level, for HCE.

    Raises:
        OptionError: The arguments do not fit each other.
    """

    def forward(
        self,
        logits: Sequence[Tensor],
        target: Tensor | Sequence[Tensor],
        members: Tensor | None = None,
        trust: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compare logits with labels.

        Args:
            logits: One (B, C_l, H, W) per level, coarsest first.
            target: Leaf indices (B, H, W) int64, or one (B, H, W) per level; with ``members`` the row of it
                that each pixel's label is.
            members: (S, T) bool, which legal paths each set allows for, as
                :attr:`hierars_geo.taxonomy.LabelSets.table`.
            trust: (B, H, W) float, weight of the label of each pixel; None for 1.

        Returns:
            Scalars ``loss``, ``hce`` and ``hpc``.

        Raises:
            OptionError: Logits or sets are of another tree.
        """
        logits = self._check(logits)
        if members is not None:
            self.targets.check(members)
        levels, path = self.targets(target, members)
        hce = self.hce(logits, levels, trust)
        if self.alpha == 0:
            return {"loss": hce, "hce": hce, "hpc": torch.zeros_like(hce)}
        scores = path_logits(logits, self.targets.paths)
        table = self.targets.members if members is None else members
        if isinstance(target, Tensor) and (members is not None or not self.targets.exact):
            sets = target.masked_fill(target == self.targets.ignore_index, IGNORE_INDEX)
            decided = levels[-1] != IGNORE_INDEX
            hpc = path_set_loss(scores, path, sets, table, decided, trust)
        else:
            hpc = mean_cross_entropy(scores, path, trust=trust)
        return {"loss": hce + self.alpha * hpc, "hce": hce, "hpc": hpc}


class HCCLoss(_HierarchicalLoss):
    """Legacy loss of arXiv v1: ``L_HCC = L_HCE + alpha KL(one-hot labels || softmax)``.

    The one-hot labels of all levels are concatenated, as are the logits before one common softmax; entries
    of the labels are 0 or 1, so the divergence is ``-sum_l log q[y_l]``, averaged over pixels that have a
    label at every level. Arguments as in :class:`HSCLoss`.
    """

    def forward(
        self,
        logits: Sequence[Tensor],
        target: Tensor | Sequence[Tensor],
        members: Tensor | None = None,
        trust: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compare logits with labels; see :meth:`HSCLoss.forward`.

        Returns:
            Scalars ``loss``, ``hce`` and ``hcc`` (the divergence).
        """
        logits = self._check(logits)
        levels, _ = self.targets(target, members)
        hce = self.hce(logits, levels, trust)
        log_q = torch.cat(list(logits), dim=1).log_softmax(dim=1)
        labelled = torch.stack([y != IGNORE_INDEX for y in levels]).all(dim=0)
        divergence = torch.zeros_like(log_q[:, 0])
        offset = 0
        for y, count in zip(levels, self.num_classes, strict=True):
            column = y.clamp(min=0).unsqueeze(1) + offset
            divergence = divergence - log_q.gather(1, column).squeeze(1)
            offset += count
        weight = labelled.float() if trust is None else labelled * trust
        hcc = (torch.where(labelled, divergence, 0) * weight).sum()
        hcc = hcc / weight.sum().clamp(min=1 if trust is None else torch.finfo(hcc.dtype).tiny)
        return {"loss": hce + self.alpha * hcc, "hce": hce, "hcc": hcc}
