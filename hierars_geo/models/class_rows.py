"""Which class of an old tree every class of a new tree takes its weights from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..taxonomy import Taxonomy


@dataclass(frozen=True)
class ClassRows:
    """Where the weights of one level's classes come from.

    Attributes:
        level: Name of the level in the new tree.
        copied: Classes whose weights are taken over by name.
        new: Class -> the old classes whose mean it starts from; none where it starts at random.
        dropped: Classes of the old tree that the new one lacks.
        old_level: Name of the level the weights come from; None where the old tree has no such level.
    """

    level: str
    copied: tuple[str, ...]
    new: Mapping[str, tuple[str, ...]]
    dropped: tuple[str, ...]
    old_level: str | None

    def origins(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        """Return the new classes by what they start from."""
        found: dict[tuple[str, ...], tuple[str, ...]] = {}
        for name, origin in self.new.items():
            found[origin] = (*found.get(origin, ()), name)
        return found


@dataclass(frozen=True)
class LevelSource:
    """How to compute the weights of one level's classes from those of an old level.

    Attributes:
        old_level: Number of the old level, from 1.
        same: Whether that is the same level; else its classes merely are ancestors or descendants.
        outputs: (C_new, C_old) float: row of a class as a mean of old rows.
        inputs: (C_new, C_old) float: what a class hands on to other levels, as a sum of old columns.
        is_new: (C_new,) bool: a class that takes its place beside old ones.
        rows: The same in names.
    """

    old_level: int
    same: bool
    outputs: Tensor
    inputs: Tensor
    is_new: Tensor
    rows: ClassRows


def match_levels(old: Taxonomy, new: Taxonomy) -> dict[int, int]:
    """Find the old level of every new level, both counted from 1.

    By number where both trees have as many levels, else by name.
    """
    if old.num_levels == new.num_levels:
        return {level: level for level in range(1, new.num_levels + 1)}
    return {
        number: old.level_number(name)
        for number, name in enumerate(new.level_names, start=1)
        if name in old.level_names
    }


def level_source(old: Taxonomy, new: Taxonomy, level: int, matched: Mapping[int, int]) -> LevelSource:
    """Decide where the classes of a new level take their weights from.

    A class that the old level has by name takes that one's. A new one takes the mean of its relatives: the
    old classes below its nearest ancestor that the old tree has, all of the level where there is none. Where
    all of them are gone it takes their place (a class that was split), also in what it hands on to other
    levels; else it stands beside them and hands on nothing yet.

    A level that the old tree lacks takes the mean of the related classes of the next finer level that it
    has, or else of the next coarser one, whose rows tell the classes below one another less apart.

    Args:
        old: Tree of the weights.
        new: Tree of the model.
        level: Of the new tree, from 1.
        matched: New level -> old level, of the levels that have a classifier; not empty.
    """
    near = min(matched, key=lambda other: (other < level, abs(other - level)))
    names, old_names = new.class_names(level), old.class_names(matched[near])
    kept = set(names) if near == level else set()
    outputs, inputs = torch.zeros(2, len(names), len(old_names)).unbind()
    is_new = torch.zeros(len(names), dtype=torch.bool)
    starts: dict[str, tuple[str, ...]] = {}
    replacing: dict[tuple[int, ...], list[int]] = {}
    for index, name in enumerate(names):
        if near == level and name in old_names:
            outputs[index, old_names.index(name)] = inputs[index, old_names.index(name)] = 1.0
            continue
        relatives = _relatives(old, new, (level, index), near, matched)
        outputs[index, list(relatives)] = 1.0 / len(relatives)
        starts[name] = tuple(old_names[relative] for relative in relatives)
        if near == level and not kept & set(starts[name]):
            replacing.setdefault(relatives, []).append(index)
        else:
            is_new[index] = True
    for relatives, successors in replacing.items():
        for successor in successors:
            inputs[successor, list(relatives)] = 1.0 / len(successors)
    rows = ClassRows(
        level=new.level_names[level - 1],
        copied=tuple(name for name in names if name not in starts),
        new=starts,
        dropped=tuple(name for name in old_names if name not in names) if near == level else (),
        old_level=old.level_names[matched[level] - 1] if near == level else None,
    )
    return LevelSource(matched[near], near == level, outputs, inputs, is_new, rows)


def _relatives(
    old: Taxonomy, new: Taxonomy, place: tuple[int, int], wanted: int, matched: Mapping[int, int]
) -> tuple[int, ...]:
    """Return the old classes, at the old level of ``wanted``, that are nearest to a new class in the tree.

    They share the nearest class known to both trees that a path of the new one goes through: first at the
    wanted level itself, then coarser and coarser, then finer.
    """
    level, index = place
    paths = new.paths[new.paths[:, level - 1] == index]
    order = [wanted, *range(wanted - 1, 0, -1), *range(wanted + 1, new.num_levels + 1)]
    target = matched[wanted] - 1
    for other in order:
        if other == level or other not in matched:
            continue
        here, there = new.class_names(other), old.class_names(matched[other])
        shared = {there.index(here[i]) for i in set(paths[:, other - 1].tolist()) if here[i] in there}
        if shared:
            through = [row for row in old.paths.tolist() if row[matched[other] - 1] in shared]
            return tuple(sorted({row[target] for row in through}))
    return tuple(range(old.num_classes[target]))


def no_rows(new: Taxonomy, levels: Sequence[int]) -> tuple[ClassRows, ...]:
    """Say that the classes of all levels start at random."""
    return tuple(
        ClassRows(new.level_names[level - 1], (), dict.fromkeys(new.class_names(level), ()), (), None)
        for level in levels
    )
