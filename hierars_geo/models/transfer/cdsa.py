"""CDSA, cross-domain semantic alignment: what the source branch knows of the target's coarse classes.

Ai et al. 2026, section III-D. Coarse classes of the target tree are anchored to classes of the source tree.
The source branch's probability of an anchor masks the target's logits softly, and its own decision is the
label of the anchored levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import TaxonomyError
from ...taxonomy import Taxonomy
from ...types import IGNORE_INDEX
from ..decode import is_legal


@dataclass(frozen=True)
class AnchoredLevel:
    """The anchors of one level of the target tree.

    Attributes:
        level: Position of the level, from 0.
        classes: Anchored classes of the target, by index.
        sources: (position of the level, class index) in the source tree, one per anchored class.
        others: Classes of the level without an anchor, by index.
    """

    level: int
    classes: tuple[int, ...]
    sources: tuple[tuple[int, int], ...]
    others: tuple[int, ...]


def anchored_levels(target: Taxonomy, source: Taxonomy) -> tuple[AnchoredLevel, ...]:
    """Look the anchors of a target tree up in the source tree.

    Args:
        target: Tree with anchors; levels may have several, one or none.
        source: Tree of the source branch.

    Returns:
        One entry per level that has anchors, coarsest first.

    Raises:
        TaxonomyError: An anchor names no class of the source tree (near ones are listed), two anchors of a
            level share pixels, or no legal path leads through an anchor.
    """
    found: list[AnchoredLevel] = []
    for level in range(target.num_levels):
        anchors = [anchor for anchor in target.anchors if anchor.level == level + 1]
        if not anchors:
            continue
        classes = tuple(anchor.index for anchor in anchors)
        located = [source.locate(anchor) for anchor in anchors]
        others = tuple(index for index in range(target.num_classes[level]) if index not in classes)
        places = tuple((number - 1, index) for number, index in located)
        found.append(AnchoredLevel(level, classes, places, others))
    for entry in found:
        _refuse_overlap(entry, target, source)
    _refuse_dead_ends(found, target, source)
    return tuple(found)


def _refuse_overlap(entry: AnchoredLevel, target: Taxonomy, source: Taxonomy) -> None:
    """Refuse two anchors of a level with a source path in common: their probabilities would not add up."""
    for first in range(len(entry.classes)):
        for second in range(first):
            (level_a, a), (level_b, b) = entry.sources[first], entry.sources[second]
            if ((source.paths[:, level_a] == a) & (source.paths[:, level_b] == b)).any():
                names = target.class_names(entry.level + 1)
                raise TaxonomyError(
                    f"Expected the anchors of level {target.level_names[entry.level]} of taxonomy "
                    f"{target.name} to exclude each other, but '{names[entry.classes[second]]}' and "
                    f"'{names[entry.classes[first]]}' are anchored to classes of {source.name} of which one "
                    "contains the other. Anchor one of them at another level."
                )


def _refuse_dead_ends(entries: Sequence[AnchoredLevel], target: Taxonomy, source: Taxonomy) -> None:
    """Refuse an anchor that no legal path of the target reaches, whatever the source sees."""
    for entry in entries:
        for index, (level, source_index) in zip(entry.classes, entry.sources, strict=True):
            below = source.paths[source.paths[:, level] == source_index]
            if not any(_agreeing(path, entries, target) for path in below):
                raise TaxonomyError(
                    f"Expected a legal path of taxonomy {target.name} through "
                    f"'{target.level_names[entry.level]}/{target.class_names(entry.level + 1)[index]}' that "
                    f"agrees with its other anchors, but there is none: where {source.name} sees "
                    f"'{source.class_names(level + 1)[source_index]}', they ask for classes not above one "
                    "another. Correct the anchors or the parents."
                )


def _agreeing(source_path: Sequence[int], entries: Sequence[AnchoredLevel], target: Taxonomy) -> bool:
    """Whether a legal path of the target agrees with what all anchors say of a path of the source."""
    agree = [True] * target.num_paths
    for entry in entries:
        hit = [
            c for c, (level, s) in zip(entry.classes, entry.sources, strict=True) if source_path[level] == s
        ]
        allowed = hit or list(entry.others)
        agree = [
            ok and int(path[entry.level]) in allowed for ok, path in zip(agree, target.paths, strict=True)
        ]
    return any(agree)


class CDSA:
    """Mask the target's logits, and label its anchored levels, by what the source branch sees.

    Raises:
        TaxonomyError: See :func:`anchored_levels`; or the target has no anchor at all.
    """

    def __init__(self, target: Taxonomy, source: Taxonomy) -> None:
        self.levels = anchored_levels(target, source)
        if not self.levels:
            raise TaxonomyError(
                f"Expected taxonomy {target.name} to have anchors to classes of {source.name}, but it has "
                "none. Add 'anchors: {class: taxonomy/level/class}', or set cdsa to false."
            )
        self.source_paths = torch.tensor(source.paths)
        self.target_paths = torch.tensor(target.paths)

    def scores(self, logits: Sequence[Tensor]) -> dict[int, Tensor]:
        """Choose the source's logits of the levels that anchors need.

        Args:
            logits: One (B, C_l, h, w) per level of the source, or the leaves' alone (a flat model), whose
                coarser levels are the sums of their leaves' probabilities.

        Returns:
            Level (from 0) to (B, C_l, h, w) float32, whose softmax over C_l is p.
        """
        needed = sorted({level for entry in self.levels for level, _ in entry.sources})
        finest = self.source_paths.shape[1] - 1
        if len(logits) > 1 or needed == [finest]:
            return {level: logits[level if len(logits) > 1 else 0].float() for level in needed}
        leaf = logits[0].float().log_softmax(dim=1)
        return {level: self._lifted(leaf, level) for level in needed}

    def _lifted(self, leaf: Tensor, level: int) -> Tensor:
        """Log-probabilities (B, C_l, h, w) of a level from the leaves'; the first path of a leaf counts."""
        first: dict[int, int] = {}
        for path in self.source_paths.tolist():
            first.setdefault(path[-1], path[level])
        groups = [
            [leaf_index for leaf_index, above in first.items() if above == index]
            for index in range(int(self.source_paths[:, level].max()) + 1)
        ]
        return torch.stack([leaf[:, group].logsumexp(dim=1) for group in groups], dim=1)

    def mask(self, logits: Sequence[Tensor], scores: dict[int, Tensor]) -> list[Tensor]:
        """Mask the target's logits softly, before its levels talk (before BHCCM's merging).

        An anchored class is multiplied by p, the source's probability of its anchor, and every other class
        of that level by 1 minus the sum of the level's p. Levels without anchors pass unchanged.

        Args:
            logits: X of the target, one (B, C_l, h, w) per level.
            scores: From :meth:`scores`, of the same ground at any resolution.
        """
        masked = list(logits)
        probability = {level: value.softmax(dim=1) for level, value in scores.items()}
        for entry in self.levels:
            own = masked[entry.level]
            p = torch.stack([probability[level][:, index] for level, index in entry.sources], dim=1)
            if p.shape[-2:] != own.shape[-2:]:
                p = F.interpolate(p, size=own.shape[-2:], mode="bilinear", align_corners=False)
            # classes in the order of the level: the anchored ones' p, then what is left for all others
            parts = torch.cat([p, (1 - p.sum(dim=1, keepdim=True)).clamp(min=0)], dim=1)
            order = [
                entry.classes.index(index) if index in entry.classes else len(entry.classes)
                for index in range(own.shape[1])
            ]
            masked[entry.level] = own * parts[:, order].to(own.dtype)
        return masked

    def pseudo_labels(
        self, scores: dict[int, Tensor], levels: Sequence[Tensor], valid: Tensor, replace: bool = True
    ) -> list[Tensor]:
        """Replace the labels of the anchored levels, but not of the finest, by the source's own argmax.

        Where the source's class is an anchor, the label is the anchored class. Where it is none, it is the
        level's only other class; if there are several, the one that the given label has, if it has one of
        them. Every valid pixel is labelled so, also where the target has no label.

        Args:
            scores: From :meth:`scores`, at the labels' size.
            levels: N maps (B, H, W) int64 of the target's labels, ``IGNORE_INDEX`` where unknown.
            valid: (B, H, W) bool.
            replace: Whether they stand in for the target's own labels, too, as published, or only where it
                has none.

        Returns:
            N maps (B, H, W) int64.
        """
        labels = list(levels)
        seen = {level: value.argmax(dim=1) for level, value in scores.items()}
        for entry in self.levels:
            if entry.level == len(labels) - 1:
                continue
            given = labels[entry.level]
            if len(entry.others) == 1:
                pseudo = torch.full_like(given, entry.others[0])
            else:
                others = torch.tensor(entry.others, dtype=torch.int64, device=given.device)
                pseudo = torch.where(torch.isin(given, others), given, IGNORE_INDEX)
            for index, (level, source_index) in zip(entry.classes, entry.sources, strict=True):
                pseudo = torch.where(seen[level] == source_index, index, pseudo)
            if not replace:
                pseudo = torch.where(given == IGNORE_INDEX, pseudo, given)
            labels[entry.level] = torch.where(valid, pseudo, IGNORE_INDEX)
        return labels

    def contradictions(self, levels: Sequence[Tensor]) -> Tensor:
        """Find the pixels whose labels are known at every level and are no legal path: (B, H, W) bool."""
        stacked = torch.stack(list(levels), dim=1)
        return (stacked != IGNORE_INDEX).all(dim=1) & ~is_legal(stacked, self.target_paths)
