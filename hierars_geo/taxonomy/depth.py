"""Rasters and pictures that mix levels: their values, and colours that are the paler the coarser a class."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

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


def adaptive_nodata(taxonomy: Taxonomy) -> int:
    """Raster value of a pixel without data in the adaptive layer."""
    return 255 if sum(taxonomy.num_classes) < 255 else 65535


def adaptive_taxonomy(taxonomy: Taxonomy) -> Taxonomy:
    """Describe the values of an adaptive layer as a tree of one level, so that it gets a legend.

    Coarser classes are paler, see :func:`depth_colors`.
    """
    classes: list[tuple[str, RGB]] = [("no level sure", _NO_LEVEL)]
    palette = depth_colors(taxonomy, (_NO_LEVEL,))
    for level, (level_name, colors) in enumerate(zip(taxonomy.level_names, palette, strict=True), start=1):
        named = zip(taxonomy.class_names(level), colors, strict=True)
        classes += [(f"{level_name} {name}", color) for name, color in named]
    return _one_level(taxonomy, "adaptive", adaptive_nodata(taxonomy), classes)
