"""From names of parents to legal paths, every fault of a tree found and named; anchors between two trees."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import TaxonomyError
from .schema import MAX_VALUE, ClassSpec, LevelSpec, TaxonomySpec

#: Per class of one level, the indices of its parents at the level above.
Parents = tuple[tuple[int, ...], ...]

#: Decoding keeps one score per path and pixel.
MAX_PATHS = 65_534


def complete_levels(spec: TaxonomySpec, origin: str) -> tuple[LevelSpec, ...]:
    """Repeat classes that stop early downwards, so that every class above the last level has a child.

    The repeated class is appended after the classes listed at the lower level, with the same name, colour and
    raster value.

    Raises:
        TaxonomyError: The value or the name of a class to repeat is taken at the lower level.
    """
    levels = list(spec.levels)
    for depth in range(1, len(levels)):
        above, here = levels[depth - 1], levels[depth]
        named = {parent for cls in here.classes for parent in cls.parent}
        names = {cls.name for cls in here.classes}
        used = {cls.value for cls in here.classes}
        repeated: list[ClassSpec] = []
        for cls in above.classes:
            if cls.name in named:
                continue
            if cls.name in names or cls.value in used:
                taken = f"name '{cls.name}'" if cls.name in names else f"value {cls.value}"
                raise TaxonomyError(
                    f"Expected class '{cls.name}' of level {above.name} to have a child at level {here.name} "
                    f"(in {origin}), and its {taken} is taken there. "
                    f"List it at {here.name} with parent: {cls.name} and a value of its own."
                )
            repeated.append(cls.model_copy(update={"parent": (cls.name,)}))
        levels[depth] = here.model_copy(update={"classes": here.classes + tuple(repeated)})
    return tuple(levels)


def check_levels(levels: tuple[LevelSpec, ...], spec: TaxonomySpec, origin: str) -> None:
    """Find duplicate level names, class names and raster values, and a class on a value without a class.

    Raises:
        TaxonomyError: One of these was found; level and class are named.
    """
    without_class = {spec.nodata: "nodata", **dict.fromkeys(spec.ignore_values, "ignore_values")}
    _refuse_duplicates([level.name for level in levels], "level name", "levels", origin)
    for number, level in enumerate(levels, start=1):
        key = f"levels[{number - 1}].classes"
        _refuse_duplicates([cls.name for cls in level.classes], "class name", key, origin)
        _refuse_duplicates([cls.value for cls in level.classes], "raster value", key, origin)
        for cls in level.classes:
            if cls.value in without_class:
                reserved = without_class[cls.value]
                raise TaxonomyError(
                    f"Expected {reserved} {cls.value} to be no class, but '{cls.name}' of level {level.name} "
                    f"has that value (in {origin}, {key}). Set '{reserved}' to free values up to {MAX_VALUE}."
                )


def _refuse_duplicates(items: list[str] | list[int], what: str, key: str, origin: str) -> None:
    double = [item for item, count in Counter(items).items() if count > 1]
    if double:
        raise TaxonomyError(
            f"Expected every {what} to be unique, but got {double[0]!r} twice (in {origin}, {key})."
        )


def link_parents(levels: tuple[LevelSpec, ...], origin: str) -> tuple[Parents, ...]:
    """Resolve the names of parents to indices.

    Returns:
        One entry per level; for every class the indices of its parents at the level above (empty at level 1).

    Raises:
        TaxonomyError: A class has no parent, an unknown one, one at a wrong level, or is its own ancestor.
    """
    return tuple(_link_level(levels, depth, origin) for depth in range(len(levels)))


def _link_level(levels: tuple[LevelSpec, ...], depth: int, origin: str) -> Parents:
    level = levels[depth]
    above = {cls.name: index for index, cls in enumerate(levels[depth - 1].classes)} if depth else {}
    rows: list[tuple[int, ...]] = []
    for position, cls in enumerate(level.classes):
        key = f"levels[{depth}].classes[{position}].parent"
        if depth == 0 and cls.parent:
            raise TaxonomyError(
                f"Expected class '{cls.name}' of the first level to have no parent, but got "
                f"'{cls.parent[0]}'{_cycle_hint(levels, cls)} (in {origin}, {key}). Remove the key."
            )
        if depth and not cls.parent:
            raise TaxonomyError(
                f"Expected class '{cls.name}' of level {level.name} to have a parent, but it is an orphan "
                f"(in {origin}, {key}). Name a class of level {levels[depth - 1].name}."
            )
        for parent in cls.parent:
            if parent not in above:
                raise TaxonomyError(
                    f"Expected the parent of '{cls.name}' to be a class of level {levels[depth - 1].name}, "
                    f"but got '{parent}'{_cycle_hint(levels, cls)} (in {origin}, {key}). "
                    f"Name a class of level {levels[depth - 1].name}."
                )
        _refuse_duplicates(list(cls.parent), "parent", key, origin)
        rows.append(tuple(above[parent] for parent in cls.parent))
    return tuple(rows)


def _cycle_hint(levels: tuple[LevelSpec, ...], start: ClassSpec) -> str:
    """Say so where following the names of parents from a class comes back to it."""
    parents: dict[str, set[str]] = {}
    for level in levels:
        for cls in level.classes:
            parents.setdefault(cls.name, set()).update(cls.parent)
    seen: set[str] = set()
    front = set(start.parent)
    while front - seen:
        seen |= front
        front = {up for name in front for up in parents.get(name, set())}
    return ", which makes a cycle" if start.name in seen else ""


def enumerate_paths(linked: tuple[Parents, ...], origin: str) -> NDArray[np.int64]:
    """List all legal root-to-leaf paths by the parents that :func:`link_parents` found.

    Returns:
        (T, N) int64, sorted by leaf index first, then by the classes above it, coarsest first.

    Raises:
        TaxonomyError: Classes with several parents multiply to more than ``MAX_PATHS`` paths.
    """
    counts = [1] * len(linked[0])
    for depth, level in enumerate(linked[1:], start=1):
        counts = [sum(counts[up] for up in parents) for parents in level]
        if sum(counts) > MAX_PATHS:
            raise TaxonomyError(
                f"Expected at most {MAX_PATHS} legal paths, but got {sum(counts)} down to level {depth + 1} "
                f"(in {origin}, levels[{depth}].classes). Give fewer classes several parents."
            )
    partial: list[list[tuple[int, ...]]] = [[(index,)] for index in range(len(linked[0]))]
    for level in linked[1:]:
        partial = [
            sorted((*path, index) for up in parents for path in partial[up])
            for index, parents in enumerate(level)
        ]
    return np.array([path for paths in partial for path in paths], dtype=np.int64)


@dataclass(frozen=True)
class Anchor:
    """One anchored class.

    Attributes:
        level: Level of the target tree, from 1.
        index: Class index at that level.
        source_taxonomy: Name of the source tree.
        source_level: Name of the level there.
        source_class: Name of the class there.
    """

    level: int
    index: int
    source_taxonomy: str
    source_level: str
    source_class: str

    @property
    def target(self) -> str:
        """``taxonomy/level/class``, as in the file."""
        return f"{self.source_taxonomy}/{self.source_level}/{self.source_class}"

    def key(self, levels: tuple[LevelSpec, ...]) -> str:
        """``level/class`` of the target tree, as in the file."""
        level = levels[self.level - 1]
        return f"{level.name}/{level.classes[self.index].name}"


def parse_anchors(anchors: dict[str, str], levels: tuple[LevelSpec, ...], origin: str) -> tuple[Anchor, ...]:
    """Resolve ``{class or level/class: taxonomy/level/class}``, coarsest level first.

    Raises:
        TaxonomyError: A key is no class or one of several levels, a class has two anchors, or a target has
            another form.
    """
    parsed: dict[tuple[int, int], Anchor] = {}
    for key, target in anchors.items():
        anchor = _parse_anchor(key, target, levels, origin)
        if (anchor.level, anchor.index) in parsed:
            raise TaxonomyError(
                f"Expected one anchor per class, but '{anchor.key(levels)}' has two (in {origin}, anchors)."
            )
        parsed[anchor.level, anchor.index] = anchor
    return tuple(parsed[place] for place in sorted(parsed))


def _parse_anchor(key: str, target: str, levels: tuple[LevelSpec, ...], origin: str) -> Anchor:
    matches = [
        (number, index)
        for number, level in enumerate(levels, start=1)
        for index, spec in enumerate(level.classes)
        if key in (spec.name, f"{level.name}/{spec.name}")
    ]
    if len(matches) != 1:
        found = "no such class" if not matches else f"a class of {len(matches)} levels"
        raise TaxonomyError(
            f"Expected the anchor to name one class, but '{key}' is {found} (in {origin}, anchors). "
            "Write it as level/class."
        )
    parts = target.split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise TaxonomyError(
            f"Expected the anchor of '{key}' to be taxonomy/level/class, but got '{target}' "
            f"(in {origin}, anchors)."
        )
    level, index = matches[0]
    return Anchor(level, index, *parts)
