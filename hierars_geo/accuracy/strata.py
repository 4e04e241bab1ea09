"""Strata of a map: its classes, bands of its confidence, or its area of applicability and the rest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..grid import PixelAreas, Window
from ..maps import PathMap, PixelNumbers, count_rows
from ..maps.cog import CONFIDENCE_NODATA
from ..maps.outside import INSIDE, OUTSIDE
from ..taxonomy import Taxonomy
from ..types import Progress

#: What a map is divided by.
Division = Literal["class", "uncertainty", "applicability", "random"]

#: Bands of confidence, per cent: from, and up to but without.
_BANDS = ((0, 50), (50, 70), (70, 85), (85, 95), (95, 101))


@dataclass(frozen=True)
class Strata:
    """Parts of a map that points are drawn from.

    Attributes:
        level: Level whose classes or confidence they follow, from 1.
        values: (S,) what names each in a column.
        names: (S,) for people.
        expected: (S,) user's accuracy to expect, 0..1.
        wanted: (S,) how much ground counts when points are dealt, relative to each other.
        row_pixels: (height, S) pixels of each stratum in each row.
        row_area_m2: (height, S) their area on the ellipsoid.
        numbers: Position 0..S-1 of every pixel of a window; -1 where it is in none.
    """

    level: int
    values: NDArray[np.int64]
    names: NDArray[np.object_]
    expected: NDArray[np.float64]
    wanted: NDArray[np.float64]
    row_pixels: NDArray[np.int64]
    row_area_m2: NDArray[np.float64]
    numbers: PixelNumbers

    @property
    def pixels(self) -> NDArray[np.int64]:
        """(S,) pixels."""
        count: NDArray[np.int64] = self.row_pixels.sum(axis=0)
        return count

    @property
    def area_m2(self) -> NDArray[np.float64]:
        """(S,) area on the ellipsoid."""
        area: NDArray[np.float64] = self.row_area_m2.sum(axis=0)
        return area


def divide(
    maps: PathMap,
    areas: PixelAreas,
    by: Division,
    level: int,
    expected: NDArray[np.float64],
    tree: Taxonomy,
    progress: Progress | None = None,
) -> Strata:
    """Divide a map into strata and count those that have pixels, row by row.

    Args:
        maps: Open maps.
        areas: Of their pixels.
        by: ``class``; ``uncertainty``, five bands of confidence, of which each gets points by the ground that
            is expected to be wrong; ``applicability``, in and outside, as many points each; ``random``, all
            as one.
        level: From 1.
        expected: (C,) user's accuracy to expect of every class of the level, 0..1.
        tree: The class tree.
        progress: Called with (rows done, rows in all).

    Raises:
        OptionError: The maps do not tell what they are to be divided by.
        HieraRSError: A raster is damaged, or all is nodata.
    """
    values, names, expected, numbers = _DIVISIONS[by](maps, level, expected, tree)
    if by == "class":  # paths are counted as they are read, and added up by class: no lookup per pixel
        index = maps.decoder.paths[:, level - 1]
        counted = count_rows(maps, areas, lambda _, path: path, len(index), progress)
        pixels, area_m2 = (_added(rows, index, len(values)) for rows in counted)
    else:
        pixels, area_m2 = count_rows(maps, areas, numbers, len(values), progress)
    there = pixels.any(axis=0)
    position = np.where(there, np.cumsum(there) - 1, -1)
    position = np.append(position, -1)
    area = area_m2[:, there].sum(axis=0)
    wanted = {"uncertainty": area * (1 - expected[there]), "applicability": np.ones(len(area))}.get(by, area)
    return Strata(
        level,
        values[there],
        names[there],
        expected[there],
        wanted,
        pixels[:, there],
        area_m2[:, there],
        lambda window, path: position[numbers(window, path)],
    )


def _added(rows: NDArray[Any], index: NDArray[np.int64], count: int) -> NDArray[Any]:
    """Add up the columns of (height, T) rows that share an index below ``count``."""
    total = np.zeros((len(rows), count), dtype=rows.dtype)
    np.add.at(total.T, index, rows.T)
    return total


_Parts = tuple[NDArray[np.int64], NDArray[np.object_], NDArray[np.float64], PixelNumbers]


def _by_class(maps: PathMap, level: int, expected: NDArray[np.float64], tree: Taxonomy) -> _Parts:
    index = np.append(maps.decoder.paths[:, level - 1], -1)
    names = np.array(tree.class_names(level), dtype=object)
    return np.array(tree.class_values(level)), names, expected, lambda _, path: index[path]


def _by_uncertainty(maps: PathMap, level: int, _: NDArray[np.float64], tree: Taxonomy) -> _Parts:
    if level not in maps.confidence_levels:
        raise OptionError(
            f"Expected a map of the confidence of level {tree.level_labels[level - 1]}, but got none. "
            "Predict with --confidence."
        )
    band = np.full(CONFIDENCE_NODATA + 1, -1)
    for number, (low, high) in enumerate(_BANDS):
        band[low:high] = number
    names = np.array([f"confidence {low} to {min(high, 100)} %" for low, high in _BANDS], dtype=object)
    middle = np.array([(low + min(high, 100)) / 200 for low, high in _BANDS])
    return (
        np.arange(1, len(_BANDS) + 1),
        names,
        middle,
        lambda window, _: band[maps.read_confidence(level, window)],
    )


def _by_applicability(maps: PathMap, _: int, expected: NDArray[np.float64], tree: Taxonomy) -> _Parts:
    if maps.applicability is None:
        raise OptionError(
            "Expected a map of the area of applicability, but got none. Predict with --applicability."
        )
    names = np.array(["outside the area of applicability", "inside the area of applicability"], dtype=object)

    def numbers(window: Window, path: NDArray[np.unsignedinteger]) -> NDArray[np.int64]:
        where = np.where(np.asarray(maps.read_outside(window)), OUTSIDE, INSIDE)
        return np.where(path == maps.decoder.nodata, -1, where)

    return np.array([OUTSIDE, INSIDE]), names, np.full(2, expected.mean()), numbers


def _as_one(maps: PathMap, _: int, expected: NDArray[np.float64], tree: Taxonomy) -> _Parts:
    names = np.array(["all"], dtype=object)
    nodata = maps.decoder.nodata
    return np.array([1]), names, expected[:1], lambda _, path: np.where(path == nodata, -1, 0)


_DIVISIONS: dict[Division, Callable[[PathMap, int, NDArray[np.float64], Taxonomy], _Parts]] = {
    "class": _by_class,
    "uncertainty": _by_uncertainty,
    "applicability": _by_applicability,
    "random": _as_one,
}
