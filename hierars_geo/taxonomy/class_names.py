"""From what people write for classes to sets of legal paths, and back to the shortest names of a set."""

from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import TaxonomyError

if TYPE_CHECKING:
    from .tree import Taxonomy

#: A set of legal paths of a tree: (T,) bool.
PathSet = NDArray[np.bool_]

#: Joins classes of several levels to what all of them have in common: ``cropland > other``.
CHAIN = " > "


def classes_named(tree: "Taxonomy", name: str, level: int | None = None) -> list[tuple[int, int]]:
    """Find the classes that a text may mean: a name, ``level/name``, or ``level/value``.

    Args:
        tree: The tree.
        name: What is written.
        level: 1..N to look at one level alone; None for all.

    Returns:
        (level, index) of each, coarsest first; empty where there is none.
    """
    return [
        (number, index)
        for number, level_name in enumerate(tree.level_names, start=1)
        if level in (None, number)
        for index, spec in enumerate(tree.levels[number - 1].classes)
        if name in (spec.name, f"{level_name}/{spec.name}", f"{level_name}/{spec.value}")
    ]


def paths_through(tree: "Taxonomy", *classes: tuple[int, int]) -> PathSet:
    """Return the legal paths (T,) that run through all of the classes, each (level from 1, index)."""
    through = np.ones(tree.num_paths, dtype=np.bool_)
    for level, index in classes:
        through &= tree.paths[:, level - 1] == index
    return through


def find_class(tree: "Taxonomy", name: str | int, level: int | None = None) -> tuple[int, int]:
    """Find the one class that is meant.

    Args:
        tree: The tree.
        name: A class name, ``level/name``, ``level/value``, or a number: the raster value at ``level``.
        level: 1..N to look at one level alone; None for all (and the leaves for a number).

    Returns:
        (level, index); of a class that is repeated downwards the finest one.

    Raises:
        TaxonomyError: There is none, or classes of several levels that do not mean the same ground.
    """
    if isinstance(name, int):
        at = level or tree.num_levels
        values = tree.class_values(at)
        if name not in values:
            raise TaxonomyError(
                f"Expected a raster value of level {tree.level_names[at - 1]} of {tree.name}, but got {name}."
            )
        return at, values.index(name)
    found = classes_named(tree, name, level)
    if not found:
        known = [spec.name for one in tree.levels for spec in one.classes]
        near = get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"Did you mean: {', '.join(dict.fromkeys(near))}?" if near else "Write a class or level/class."
        where = "" if level is None else f"level {tree.level_names[level - 1]} of "
        raise TaxonomyError(f"Expected a class of {where}{tree.name}, but '{name}' names no class. {hint}")
    if len({paths_through(tree, one).tobytes() for one in found}) > 1:
        levels = ", ".join(tree.level_names[at - 1] for at, _ in found)
        raise TaxonomyError(
            f"Expected one class of {tree.name}, but '{name}' names classes of several levels ({levels}) "
            f"that differ. Write it as level/class: {tree.level_names[found[0][0] - 1]}/{name}."
        )
    return found[-1]


def named_paths(tree: "Taxonomy", name: str | int) -> PathSet:
    """Return the legal paths that a text means: those through a class, or through all of ``a > b``.

    Raises:
        TaxonomyError: It names no class, or no legal path runs through all of them.
    """
    if isinstance(name, int):
        return paths_through(tree, find_class(tree, name))
    chosen = paths_through(tree, *(find_class(tree, part.strip()) for part in name.split(CHAIN)))
    if not chosen.any():
        raise TaxonomyError(f"Expected classes of one legal path of {tree.name}, but no path has '{name}'.")
    return chosen


def describe_paths(tree: "Taxonomy", chosen: PathSet) -> list[str]:
    """Name a set of legal paths by as few classes as make it up, each as :func:`named_paths` reads it.

    Examples:
        >>> from hierars_geo.taxonomy import Taxonomy
        >>> tree = Taxonomy.from_yaml("mm5b")
        >>> describe_paths(tree, named_paths(tree, "Cropland") | named_paths(tree, "Pond"))
        ['Cropland', 'Pond']
    """
    left = chosen.copy()
    names = []
    for level in range(1, tree.num_levels + 1):
        for index in np.unique(tree.paths[left, level - 1]).tolist():
            through = paths_through(tree, (level, index))
            if not (through & ~left).any():
                names.append(_unambiguous(tree, level, index))
                left &= ~through
    for path in tree.paths[left]:  # a leaf under several parents, of which not all are meant
        parts = [_unambiguous(tree, level, index) for level, index in enumerate(path.tolist(), start=1)]
        names.append(CHAIN.join(dict.fromkeys(parts)))
    return names


def _unambiguous(tree: "Taxonomy", level: int, index: int) -> str:
    name = tree.class_names(level)[index]
    try:
        find_class(tree, name)
    except TaxonomyError:
        return f"{tree.level_names[level - 1]}/{name}"
    return name
