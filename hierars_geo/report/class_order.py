"""Classes in the order of the tree: legends group them under their parents, area tables indent them."""

from dataclasses import dataclass

import numpy as np

from ..maps import ClassAreas
from ..taxonomy import RGB, Taxonomy


@dataclass(frozen=True)
class LegendEntry:
    """One class of a legend.

    Attributes:
        name: Class name.
        color: (red, green, blue) 0..255, exactly that of the map.
        share: Share of the mapped area, 0..1.
        heading: Name of the parent where this class opens a group, else None.
        grouped: The class stands under a heading.
    """

    name: str
    color: RGB
    share: float
    heading: str | None = None
    grouped: bool = False


@dataclass(frozen=True)
class AreaRow:
    """One row of the tree of areas.

    Attributes:
        name: Class name.
        levels: Levels that the row stands for; several where a class is repeated downwards.
        depth: Indentation, from 0.
        color: (red, green, blue) 0..255 of the finest of these levels.
        area_m2: Area on the ellipsoid.
        index: Class index at the finest of these levels.
    """

    name: str
    levels: tuple[int, ...]
    depth: int
    color: RGB
    area_m2: float
    index: int


def tree_order(taxonomy: Taxonomy, level: int) -> dict[int, int | None]:
    """Classes of a level in the order in which one meets them going down the tree from its first class.

    A class with several parents comes once, under the first of them.

    Returns:
        Class index -> index of the parent under which it comes (None at level 1).
    """
    above = taxonomy.paths[:, :level]
    ordered = above[np.lexsort(above.T[::-1])].tolist()
    order: dict[int, int | None] = {}
    for chain in ordered:
        order.setdefault(chain[-1], chain[-2] if level > 1 else None)
    return order


def legend(taxonomy: Taxonomy, areas: ClassAreas, level: int) -> list[LegendEntry]:
    """Entries of the classes that occur at a level, grouped under their parents.

    A group has its parent's name as heading, unless it is one class of the same name.
    """
    measured = areas.class_area_m2(level)
    total = sum(measured.values())
    names, colors = taxonomy.class_names(level), taxonomy.colors(level)
    groups: dict[int | None, list[int]] = {}
    for index, parent in tree_order(taxonomy, level).items():
        if index in measured:
            groups.setdefault(parent, []).append(index)
    entries = []
    for parent, members in groups.items():
        heading = None if parent is None else taxonomy.class_names(level - 1)[parent]
        if [names[index] for index in members] == [heading]:
            heading = None
        for index in members:
            share = measured[index] / total
            entries.append(
                LegendEntry(
                    names[index],
                    colors[index],
                    share,
                    heading if index == members[0] else None,
                    heading is not None,
                )
            )
    return entries


def area_rows(taxonomy: Taxonomy, areas: ClassAreas) -> list[AreaRow]:
    """All classes that occur, as a tree over the levels counted; the rows of each level add up to its total.

    A class that its level below only repeats (the one child, of the same name) shares its row with it.
    """
    return [row for root in _children(areas, ()) for row in _subtree(taxonomy, areas, (root,), 0)]


def absent_classes(taxonomy: Taxonomy, areas: ClassAreas) -> tuple[str, ...]:
    """Classes of the finest level counted that have no ground, in the order of the tree."""
    finest = areas.levels[-1]
    there = areas.class_area_m2(finest)
    names = taxonomy.class_names(finest)
    return tuple(names[index] for index in tree_order(taxonomy, finest) if index not in there)


def _subtree(taxonomy: Taxonomy, areas: ClassAreas, prefix: tuple[int, ...], depth: int) -> list[AreaRow]:
    names = [taxonomy.class_names(level)[index] for level, index in zip(areas.levels, prefix, strict=False)]
    first = len(prefix)
    below = _children(areas, prefix)
    while len(below) == 1 and taxonomy.class_names(areas.levels[len(prefix)])[below[0]] == names[-1]:
        prefix = (*prefix, below[0])
        below = _children(areas, prefix)
    levels = areas.levels[first - 1 : len(prefix)]
    color = taxonomy.colors(levels[-1])[prefix[-1]]
    rows = [AreaRow(names[-1], levels, depth, color, areas.prefix_area_m2(prefix), prefix[-1])]
    for child in below:
        rows += _subtree(taxonomy, areas, (*prefix, child), depth + 1)
    return rows


def _children(areas: ClassAreas, prefix: tuple[int, ...]) -> list[int]:
    """Class indices that occur right below a chain of classes."""
    if len(prefix) == len(areas.levels):
        return []
    same = (areas.chains[:, : len(prefix)] == np.array(prefix, dtype=np.int64)).all(axis=1)
    below = areas.chains[same, len(prefix)]
    present: list[int] = np.unique(below[below >= 0]).tolist()
    return present
