"""Strata of a map, and pixels drawn from them at random, in two passes and bounded memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..grid import PixelAreas, Window
from ..maps import PathMap, Progress, RowAreas


@dataclass(frozen=True)
class Strata:
    """The classes of one level of a map as strata.

    Attributes:
        level: From 1.
        classes: (S,) class index of each stratum, ascending; only classes that the map shows.
        row_pixels: (height, S) pixels of each stratum in each row.
        row_area_m2: (height, S) their area on the ellipsoid.
    """

    level: int
    classes: NDArray[np.int64]
    row_pixels: NDArray[np.int64]
    row_area_m2: NDArray[np.float64]

    @classmethod
    def of_level(cls, counted: RowAreas, level: int) -> "Strata":
        """Return the classes of a level, from 1, as strata."""
        index = counted.paths[:, level - 1]
        shape = (int(index.max()) + 1, len(counted.pixels))
        pixels, area_m2 = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        np.add.at(pixels, index, counted.pixels.T)
        np.add.at(area_m2, index, counted.area_m2.T)
        present = np.flatnonzero(pixels.any(axis=1))
        return cls(level, present, pixels[present].T, area_m2[present].T)

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


def draw_pixels(
    maps: PathMap,
    areas: PixelAreas,
    strata: Strata,
    points: NDArray[np.int64],
    seed: int,
    progress: Progress | None = None,
) -> DrawnPixels:
    """Draw pixels at random, every piece of ground of a stratum alike, none twice.

    Args:
        maps: The maps that the strata were counted on.
        areas: Of their pixels.
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
    order = np.lexsort((stratum, row))
    for window, path, _ in maps.strips():
        first, last = np.searchsorted(row[order], (window.row, window.row_stop))
        drawn = order[first:last]
        # points of one row and stratum are drawn together
        changes = np.flatnonzero(np.diff(row[drawn]) | np.diff(stratum[drawn])) + 1
        for group in np.split(drawn, changes) if len(drawn) else ():
            at = int(row[group[0]])
            of_class = np.flatnonzero(index[path[at - window.row]] == strata.classes[stratum[group[0]]])
            if areas.vary_along_rows and len(group) < len(of_class):
                ground = areas.read(Window(at, 0, 1, maps.grid.width))[0][of_class]
                share = ground / ground.sum()
                col[group] = generator.choice(of_class, size=len(group), replace=False, p=share)
            else:
                col[group] = of_class[rank[group]]
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
            rows, ranks = _draw_distinct(in_row, strata.row_area_m2[:, stratum], count, generator)
        drawn.append((np.full(len(rows), stratum), rows, ranks))
    strata_drawn, rows_drawn, ranks_drawn = zip(*drawn, strict=True)
    return np.concatenate(strata_drawn), np.concatenate(rows_drawn), np.concatenate(ranks_drawn)


def _draw_distinct(
    in_row: NDArray[np.int64],
    area_m2: NDArray[np.float64],
    count: int,
    generator: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw pixels by area, again until there are enough that differ."""
    share = area_m2 / area_m2.sum()
    found: dict[tuple[int, int], None] = {}
    while len(found) < count:
        rows = generator.choice(len(in_row), size=count - len(found), p=share)
        ranks = generator.integers(0, in_row[rows])
        found |= dict.fromkeys(zip(rows.tolist(), ranks.tolist(), strict=True))
    pixels = np.array(list(found), dtype=np.int64).reshape(-1, 2)
    return pixels[:, 0], pixels[:, 1]


__all__ = ("DrawnPixels", "Strata", "draw_pixels")
