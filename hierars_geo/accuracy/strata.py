"""Strata of a map, and pixels drawn from them at random, in two passes and bounded memory."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..vector import PathMap, row_pixel_areas_m2

#: Called with (rows done, rows in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Strata:
    """The classes of one level of a map as strata.

    Attributes:
        level: From 1.
        classes: (S,) class index of each stratum, ascending; only classes that the map shows.
        row_pixels: (height, S) pixels of each stratum in each row.
        row_area_m2: (height,) area of a pixel of each row.
    """

    level: int
    classes: NDArray[np.int64]
    row_pixels: NDArray[np.int64]
    row_area_m2: NDArray[np.float64]

    @property
    def pixels(self) -> NDArray[np.int64]:
        """(S,) pixels."""
        count: NDArray[np.int64] = self.row_pixels.sum(axis=0)
        return count

    @property
    def area_m2(self) -> NDArray[np.float64]:
        """(S,) area on the ellipsoid."""
        area: NDArray[np.float64] = self.row_area_m2 @ self.row_pixels
        return area


@dataclass(frozen=True)
class DrawnPixels:
    """Pixels of a sample.

    Attributes:
        stratum: (n,) position of the stratum in :attr:`Strata.classes`.
        row: (n,) row.
        col: (n,) column.
    """

    stratum: NDArray[np.int64]
    row: NDArray[np.int64]
    col: NDArray[np.int64]


@dataclass(frozen=True)
class PathCounts:
    """How many pixels of every legal path there are, row by row.

    Attributes:
        paths: (P, D) class index of each path at each level.
        row_pixels: (height, P) pixels of each path in each row.
        row_area_m2: (height,) area of a pixel of each row.
    """

    paths: NDArray[np.int64]
    row_pixels: NDArray[np.int64]
    row_area_m2: NDArray[np.float64]

    def strata(self, level: int) -> Strata:
        """Return the classes of a level, from 1, as strata."""
        index = self.paths[:, level - 1]
        by_class = np.zeros((len(self.row_pixels), int(index.max()) + 1), dtype=np.int64)
        np.add.at(by_class.T, index, self.row_pixels.T)
        present = np.flatnonzero(by_class.any(axis=0))
        return Strata(level, present, by_class[:, present], self.row_area_m2)


def count_paths(maps: PathMap, progress: Progress | None = None) -> PathCounts:
    """Count the pixels of every path in one pass.

    Args:
        maps: The maps.
        progress: Called with (rows done, rows in all).

    Returns:
        The counts.

    Raises:
        DataError: No pixel has a class, or levels contradict each other.
        RasterError: The map is damaged, or not on the Earth.
    """
    symbols = maps.decoder.nodata + 1  # nodata counts in a column of its own
    counts = np.zeros((maps.grid.height, symbols), dtype=np.int64)
    for window, path, _ in maps.strips():
        code = path + np.arange(window.height, dtype=np.int64)[:, None] * symbols
        counts[window.row : window.row_stop] = np.bincount(
            code.ravel(), minlength=window.height * symbols
        ).reshape(window.height, symbols)
        if progress is not None:
            progress(window.row_stop, maps.grid.height)
    if not counts[:, :-1].any():
        raise DataError("Expected a map with classes, but all of it is nodata.")
    return PathCounts(maps.decoder.paths, counts[:, :-1], row_pixel_areas_m2(maps.grid))


def draw_pixels(
    maps: PathMap, strata: Strata, points: NDArray[np.int64], seed: int, progress: Progress | None = None
) -> DrawnPixels:
    """Draw pixels at random, every piece of ground of a stratum alike, none twice.

    Args:
        maps: The maps that the strata were counted on.
        strata: The strata.
        points: (S,) pixels to draw from each; a stratum that has fewer gives all of them.
        seed: Decides the draw.
        progress: Called with (rows done, rows in all).

    Returns:
        The pixels in random order, so that the strata cannot be told from the order.

    Raises:
        DataError: Levels contradict each other.
        RasterError: The map is damaged.
    """
    generator = np.random.default_rng(seed)
    stratum, row, rank = _draw_ranks(strata, points, generator)
    col = np.zeros(len(row), dtype=np.int64)
    index = np.append(maps.decoder.paths[:, strata.level - 1], -1)
    order = np.argsort(row, kind="stable")
    for window, path, _ in maps.strips():
        first, last = np.searchsorted(row[order], (window.row, window.row_stop))
        for nth in order[first:last]:
            of_class = np.flatnonzero(index[path[row[nth] - window.row]] == strata.classes[stratum[nth]])
            col[nth] = of_class[rank[nth]]
        if progress is not None:
            progress(window.row_stop, maps.grid.height)
    shuffled = generator.permutation(len(row))
    return DrawnPixels(stratum[shuffled], row[shuffled], col[shuffled])


def _draw_ranks(
    strata: Strata, points: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Stratum, row and position among the pixels of the stratum in that row, (n,) each."""
    drawn = []
    for stratum, count in enumerate(np.minimum(points, strata.pixels).tolist()):
        in_row = strata.row_pixels[:, stratum]
        if count == strata.pixels[stratum]:
            rows = np.repeat(np.arange(len(in_row)), in_row)
            ranks = np.arange(len(rows)) - np.repeat(np.cumsum(in_row) - in_row, in_row)
        else:
            rows, ranks = _draw_distinct(in_row, strata.row_area_m2, count, generator)
        drawn.append((np.full(len(rows), stratum), rows, ranks))
    strata_drawn, rows_drawn, ranks_drawn = zip(*drawn, strict=True)
    return np.concatenate(strata_drawn), np.concatenate(rows_drawn), np.concatenate(ranks_drawn)


def _draw_distinct(
    in_row: NDArray[np.int64],
    row_area_m2: NDArray[np.float64],
    count: int,
    generator: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw pixels by area, again until there are enough that differ."""
    share = in_row * row_area_m2
    share = share / share.sum()
    found: dict[tuple[int, int], None] = {}
    while len(found) < count:
        rows = generator.choice(len(in_row), size=count - len(found), p=share)
        ranks = generator.integers(0, in_row[rows])
        found |= dict.fromkeys(zip(rows.tolist(), ranks.tolist(), strict=True))
    pixels = np.array(list(found), dtype=np.int64).reshape(-1, 2)
    return pixels[:, 0], pixels[:, 1]


__all__ = ("DrawnPixels", "PathCounts", "Progress", "Strata", "count_paths", "draw_pixels")
