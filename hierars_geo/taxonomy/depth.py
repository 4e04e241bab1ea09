"""Rasters and pictures that mix levels: their values, and colours that are the paler the coarser a class."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..errors import TaxonomyError
from .schema import RGB
from .tree import Taxonomy

#: Raster value of a pixel without data in the depth raster; 0 means not even level 1 is sure enough.
DEPTH_NODATA = 255
#: Colour of a pixel of which not even level 1 is sure enough.
_NO_LEVEL: RGB = (235, 235, 235)
#: Share of white in the colours of the coarsest level.
_PALEST = 0.66
#: Colours lighter than this (0..1) have no room towards white: they are drawn darker instead.
_LIGHT = 0.9
_WHITE, _DARK = np.full(3, 255.0), np.full(3, 70.0)
#: Rec. 709: how bright red, green and blue look.
_LUMA = np.array([0.2126, 0.7152, 0.0722])
#: Colours this far apart (Euclidean, 0..441) are told apart side by side.
_APART = 20.0
#: Largest values of a byte and of two.
_MOST_OF_BYTE, _MOST_OF_TWO_BYTES = 255, 65535


def depth_colors(taxonomy: Taxonomy, keep_off: tuple[RGB, ...] = ()) -> tuple[tuple[RGB, ...], ...]:
    """Derive the colours of classes of all levels in one picture.

    The classes of the finest level keep theirs. A coarser class is mixed with white, the more the coarser,
    so that "Vegetation, kind unknown" is not taken for "Forest" although the tree gives both one colour. No
    class gets the colour of one at another level, nor one of ``keep_off``.

    Args:
        taxonomy: The class tree.
        keep_off: Colours that mean something else in the picture.

    Returns:
        By level, from the coarsest, the colours in index order.
    """
    depth = taxonomy.num_levels
    found: list[tuple[RGB, ...]] = [taxonomy.colors(depth)]
    taken = np.array([*taxonomy.colors(depth), *keep_off], dtype=np.float64)
    for level in range(depth - 1, 0, -1):
        share = _PALEST * ((depth - level) / (depth - 1)) ** 0.75
        row: list[RGB] = []
        for color in taxonomy.colors(level):
            mixed = _apart(np.array(color, dtype=np.float64), share, taken)
            taken = np.vstack([taken, mixed])
            row.append((int(mixed[0]), int(mixed[1]), int(mixed[2])))
        found.insert(0, tuple(row))
    return tuple(found)


def _apart(color: NDArray[np.float64], share: float, taken: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mix a colour until it is far enough from those taken, or as far as it gets."""
    best, farthest = color, -1.0
    for mixed in _mixtures(color, share):
        distance = float(np.linalg.norm(taken - mixed, axis=1).min())
        if distance >= _APART:
            return mixed
        if distance > farthest:
            best, farthest = mixed, distance
    return best


def _mixtures(color: NDArray[np.float64], share: float) -> Iterator[NDArray[np.float64]]:
    light = float(color @ _LUMA) / 255 > _LIGHT
    for towards in (_DARK, _WHITE) if light else (_WHITE, _DARK):
        for step in (0.0, 0.05, -0.05, 0.1, -0.1, 0.15, -0.15, 0.2, -0.2, -0.25, -0.3, -0.35):
            yield np.rint(color + min(max(share + step, 0.1), 0.9) * (towards - color))


def depth_taxonomy(taxonomy: Taxonomy) -> Taxonomy:
    """Describe the values of a depth raster as a tree of one level: it then gets a legend like any map."""
    count = taxonomy.num_levels
    names = ["no level sure"] + [
        f"{number} {name}" for number, name in enumerate(taxonomy.level_names, start=1)
    ]
    shades = [[235 - 200 * value // count] * 2 + [235 - 100 * value // count] for value in range(count + 1)]
    return _one_level(taxonomy, "depth", DEPTH_NODATA, list(zip(names, shades, strict=True)))


def _one_level(
    taxonomy: Taxonomy, name: str, nodata: int, classes: Sequence[tuple[str, Sequence[int]]]
) -> Taxonomy:
    """Make a tree of one level, whose classes (name, colour) have the values 0, 1, ..."""
    listed = [
        {"name": text, "value": value, "color": [*color]} for value, (text, color) in enumerate(classes)
    ]
    levels = [{"name": name, "classes": listed}]
    return Taxonomy.from_dict({"name": f"{taxonomy.name}-{name}", "nodata": nodata, "levels": levels})


def most_siblings(taxonomy: Taxonomy) -> int:
    """Most classes of a set of siblings in an adaptive layer: three, two where three would not fit a byte."""
    values = sum(taxonomy.num_classes) + len(_sets(taxonomy, 3))
    return 3 if values < _MOST_OF_BYTE else 2


def sibling_sets(taxonomy: Taxonomy) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """List the sets of siblings that an adaptive layer may show: level 1..N and class indices, rising.

    All siblings together are their parent, and no set.
    """
    return _sets(taxonomy, most_siblings(taxonomy))


def _sets(taxonomy: Taxonomy, most: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
    found = set()
    for level in range(1, taxonomy.num_levels + 1):
        children: dict[tuple[int, ...], set[int]] = {}
        for path in taxonomy.paths.tolist():
            children.setdefault(tuple(path[: level - 1]), set()).add(path[level - 1])
        for siblings in children.values():
            for size in range(2, min(most, len(siblings) - 1) + 1):
                found |= {(level, each) for each in combinations(sorted(siblings), size)}
    return tuple(sorted(found, key=lambda each: (each[0], len(each[1]), each[1])))


def adaptive_classes(taxonomy: Taxonomy, sets: bool = False) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """List what the values 1, 2, ... of an adaptive layer stand for: level 1..N and class indices there.

    The classes of all levels come first, then the sets of siblings, if the layer shows them.
    """
    counts = enumerate(taxonomy.num_classes, start=1)
    alone = tuple((level, (index,)) for level, count in counts for index in range(count))
    return alone + (sibling_sets(taxonomy) if sets else ())


def adaptive_nodata(taxonomy: Taxonomy, sets: bool = False) -> int:
    """Raster value of a pixel without data in the adaptive layer, with or without sets of siblings.

    Raises:
        TaxonomyError: There are more sets than a raster can tell apart.
    """
    values = len(adaptive_classes(taxonomy, sets))
    if values >= _MOST_OF_TWO_BYTES:
        raise TaxonomyError(
            f"Expected a tree with fewer sets of two siblings than a raster can tell apart "
            f"({_MOST_OF_TWO_BYTES}), but {taxonomy.name} has {values}. Predict without sets."
        )
    return _MOST_OF_BYTE if values < _MOST_OF_BYTE else _MOST_OF_TWO_BYTES


def adaptive_taxonomy(taxonomy: Taxonomy, sets: bool = False, unsure: RGB = _NO_LEVEL) -> Taxonomy:
    """Describe the values of an adaptive layer as a tree of one level, so that it gets a legend.

    Coarser classes are paler, see :func:`depth_colors`. Sets of siblings come after all classes, in colours
    between those of their members.

    Args:
        taxonomy: The class tree.
        sets: Whether the layer shows sets of siblings, too.
        unsure: Colour of a pixel of which not even level 1 is sure enough.
    """
    classes: list[tuple[str, RGB]] = [("no level sure", unsure)]
    palette = depth_colors(taxonomy, (unsure,))
    for level, members in adaptive_classes(taxonomy, sets):
        colors = [palette[level - 1][index] for index in members]
        if len(members) > 1:
            taken = np.array([color for _, color in classes], dtype=np.float64)
            mixed = _apart(np.mean(colors, axis=0), 0.1, taken)
            colors = [(int(mixed[0]), int(mixed[1]), int(mixed[2]))]
        classes.append((f"{taxonomy.level_names[level - 1]} {either(taxonomy, level, members)}", colors[0]))
    return _one_level(taxonomy, "adaptive", adaptive_nodata(taxonomy, sets), classes)


def either(taxonomy: Taxonomy, level: int, members: Sequence[int]) -> str:
    """Name a set of classes of a level: ``Forest, Meadow or Scrub``."""
    *names, last = (taxonomy.class_names(level)[index] for index in members)
    return f"{', '.join(names)} or {last}" if names else last
