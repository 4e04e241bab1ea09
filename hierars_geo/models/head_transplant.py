"""Weights of BHCCM for another tree: rows and columns of its classes, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..taxonomy import Taxonomy
from .class_rows import ClassRows, LevelSource, level_source, match_levels, no_rows

#: How far below its relatives' mean the bias of a class starts that stands beside them.
NEW_CLASS_MARGIN = 1.0


@dataclass(frozen=True)
class HeadTree:
    """A tree and those of its levels that a head has a classifier for.

    Attributes:
        tree: The class tree.
        flat: Whether the head predicts the leaves alone.
    """

    tree: Taxonomy
    flat: bool

    @property
    def levels(self) -> tuple[int, ...]:
        """Numbers of the levels, from 1, in the order of the classifiers."""
        count = self.tree.num_levels
        return (count,) if self.flat else tuple(range(1, count + 1))


@dataclass(frozen=True)
class HeadTransplant:
    """Weights for a head.

    Attributes:
        state: By name within the head; what is not there stays as it is.
        adapted: Names of those that are not plain copies.
        levels: Where the classes come from, level 1 first.
        lost_levels: Levels of the old head that the new one has no place for.
    """

    state: Mapping[str, Tensor]
    adapted: tuple[str, ...]
    levels: tuple[ClassRows, ...]
    lost_levels: tuple[str, ...] = ()


def transplant_head(
    weights: Mapping[str, Tensor], fresh: Mapping[str, Tensor], old: HeadTree, new: HeadTree
) -> HeadTransplant:
    """Carry the weights of a head over to another tree; ``fresh`` is the new head's state as it was built.

    A class known by name keeps its rows and columns; levels that did not talk answer as before until they
    have learnt to. The rows of a new one are the mean of its relatives'
    (see :func:`level_source`), its bias :data:`NEW_CLASS_MARGIN` lower, its columns in the merge blocks 0:
    it says nothing to other levels yet. What is left to disturb the old classes are the spatial gates, by
    the maximum and the mean over a level's logits. A mean of rows leaves the maximum alone; the mean over
    the level moves by (new - mean) / (C + 1).

    Measured on a U-Net with ResNet-18 after 800 steps on synthetic scenes of mm5b: with new leaves, parents
    or a class at the top 99.96 % or more of the pixels keep their path, none goes to a new class (up to
    0.07 % without the margin), and the new ones together get 1.5 % of the probability at most (10 %).
    """
    matched = {
        level: other
        for level, other in match_levels(old.tree, new.tree).items()
        if level in new.levels and other in old.levels
    }
    if not matched:
        return HeadTransplant({}, (), no_rows(new.tree, new.levels))
    sources = [level_source(old.tree, new.tree, level, matched) for level in new.levels]
    state: dict[str, Tensor] = {}
    adapted: list[str] = []
    # levels that did not talk answer X, those that do not yet X + X where a residual is added
    alone = not any(name.startswith(("down.", "up.")) for name in weights)
    doubled = alone and any(name.startswith("residual_weight.") for name in fresh)
    for name, value in fresh.items():
        before = weights.get(_old_name(name, sources, old))
        found = _carry_over(name, before, value, sources)
        if found is None or found.shape != value.shape:
            continue
        if doubled and name.startswith("classifiers."):
            found = found / 2
        state[name] = found
        if before is None or not torch.equal(found, before):
            adapted.append(name)
    lost = tuple(old.tree.level_names[n - 1] for n in old.levels if n not in matched.values())
    return HeadTransplant(state, tuple(adapted), tuple(source.rows for source in sources), lost)


def _positions(name: str) -> list[int]:
    """Positions of the levels in a name such as ``up.2_0.project.weight`` or ``residual_weight.1``."""
    return [int(position) for position in name.split(".")[1].split("_")]


def _old_name(name: str, sources: Sequence[LevelSource], old: HeadTree) -> str:
    """Name of the tensor in the old head: levels may have had other numbers; empty if there was none."""
    kind, _, *rest = name.split(".")
    ends = [sources[position] for position in _positions(name)]
    if kind != "classifiers" and not all(source.same for source in ends):
        return ""
    return ".".join([kind, "_".join(str(old.levels.index(source.old_level)) for source in ends), *rest])


def _carry_over(
    name: str, before: Tensor | None, fresh: Tensor, sources: Sequence[LevelSource]
) -> Tensor | None:
    """Compute a tensor of the new head; None where it stays as it was built."""
    giver, taker = sources[_positions(name)[0]], sources[_positions(name)[-1]]
    if before is None:
        # who was not heard before says nothing to the known levels yet
        silent = name.endswith("project.weight") and taker.same
        return torch.zeros_like(fresh) if silent else None
    if name.startswith("classifiers."):
        rows = _mixed(giver.outputs, before)
        return rows - NEW_CLASS_MARGIN * giver.is_new if name.endswith("bias") else rows
    if name.endswith(("channel_gate.weight", "project.weight")):
        columns = _mixed(giver.inputs, before.transpose(0, 1)).transpose(0, 1)
        return _mixed(taker.outputs, columns)
    return before


def _mixed(matrix: Tensor, rows: Tensor) -> Tensor:
    """Return matrix (C_new, C_old) times rows (C_old, ...): plain copies where a row holds a single 1."""
    return torch.einsum("no,o...->n...", matrix.to(rows), rows).contiguous()
