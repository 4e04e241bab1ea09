"""How much of each class there is, counted block by block for all levels together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..grid import PixelAreas, Window
from ..types import IGNORE_INDEX
from ..types import Progress as Progress
from .path_map import PathMap


@dataclass(frozen=True)
class ClassAreas:
    """Areas of the classes of a map.

    Attributes:
        levels: Levels counted, coarsest first; K of them.
        chains: (n, K) int64, combinations of class indices that occur, sorted; ``IGNORE_INDEX`` where a
            level has no class.
        pixels: (n,) int64, pixels of each combination.
        area_m2: (n,) float64, area of each combination on the ellipsoid.
        outside_m2: (n,) float64, the part of it outside the area of applicability; None where nobody knows.
    """

    levels: tuple[int, ...]
    chains: NDArray[np.int64]
    pixels: NDArray[np.int64]
    area_m2: NDArray[np.float64]
    outside_m2: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls,
        levels: tuple[int, ...],
        chains: NDArray[np.int64],
        pixels: NDArray[np.int64],
        area_m2: NDArray[np.float64],
        outside_m2: NDArray[np.float64] | None = None,
    ) -> "ClassAreas":
        """Keep the combinations that occur, each once.

        Args:
            levels: K levels.
            chains: (s, K) class index of every symbol at every level.
            pixels: (s,) pixels of every symbol.
            area_m2: (s,) their area.
            outside_m2: (s,) the part of it outside the area of applicability, if that is known.
        """
        there = pixels > 0
        distinct, symbol = np.unique(chains[there], axis=0, return_inverse=True)
        counts = np.zeros(len(distinct), dtype=np.int64)
        np.add.at(counts, symbol.ravel(), pixels[there])

        def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
            sums = np.bincount(symbol.ravel(), weights=values[there], minlength=len(distinct))
            return sums.astype(np.float64)

        outside = None if outside_m2 is None else summed(outside_m2)
        return cls(levels, distinct.reshape(-1, len(levels)), counts, summed(area_m2), outside)

    def class_area_m2(self, level: int) -> dict[int, float]:
        """Area of every class of a level that occurs, by class index in ascending order."""
        return {index: float(self.area_m2[rows].sum()) for index, rows in self._rows(level)}

    def class_pixels(self, level: int) -> dict[int, int]:
        """Pixels of every class of a level that occurs, by class index in ascending order."""
        return {index: int(self.pixels[rows].sum()) for index, rows in self._rows(level)}

    def _rows(self, level: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        column = self.chains[:, self.levels.index(level)]
        for index in np.unique(column[column != IGNORE_INDEX]).tolist():
            yield index, column == index

    def prefix_area_m2(self, prefix: tuple[int, ...]) -> float:
        """Area of all combinations that begin with these class indices."""
        same = (self.chains[:, : len(prefix)] == np.array(prefix)).all(axis=1)
        return float(self.area_m2[same].sum())

    def outside_share(self, level: int | None = None, index: int = 0) -> float:
        """Share of the mapped ground, or of a class of a level, outside the area of applicability.

        Returns:
            0..1; NaN where nobody knows, or there is no such ground.
        """
        column = self.chains[:, 0 if level is None else self.levels.index(level)]
        chosen = column != IGNORE_INDEX if level is None else column == index
        whole = self.area_m2[chosen].sum()
        if self.outside_m2 is None or not whole:
            return float("nan")
        return float(self.outside_m2[chosen].sum() / whole)

    @property
    def mapped_area_m2(self) -> float:
        """Area that has a class at the first level counted."""
        return float(self.area_m2[self.chains[:, 0] != IGNORE_INDEX].sum())

    @property
    def mapped_share(self) -> float:
        """Share of the pixels that have a class at the first level counted, 0..1."""
        return float(self.pixels[self.chains[:, 0] != IGNORE_INDEX].sum() / self.pixels.sum())


class AreaCounter:
    """Count pixels and their areas by symbol: paths, labels, classes of several levels numbered through.

    Attributes:
        pixels: (symbols,) int64 so far.
        area_m2: (symbols,) float64 so far.
    """

    def __init__(self, areas: PixelAreas, symbols: int) -> None:
        self._areas = areas
        self.pixels = np.zeros(symbols, dtype=np.int64)
        self.area_m2 = np.zeros(symbols)

    def add(self, window: Window, symbol: NDArray[np.integer]) -> None:
        """Count a block (h, w) of symbols 0..symbols-1."""
        self.pixels += np.bincount(symbol.ravel(), minlength=len(self.pixels))
        self.area_m2 += self._areas.sum_by(symbol, window, len(self.area_m2))


def count_areas(maps: PathMap, progress: Progress | None = None) -> ClassAreas:
    """Count the classes of all levels, and pixels without one, in one pass and bounded memory.

    Raises:
        RasterError: A file is damaged, or the grid is not on the Earth.
        TaxonomyError: A raster holds a value that is no class of its level.
        DataError: Levels contradict each other.
    """
    counter = PathCounter(maps)
    for window, path in maps.strips():
        counter.add(window, path)
        if progress is not None:
            progress(window.row_stop, maps.grid.height)
    return counter.areas()


class PathCounter:
    """Count the paths of maps strip by strip, and how much of each lies outside the area of applicability."""

    def __init__(self, maps: PathMap) -> None:
        self._maps = maps
        self._symbols = maps.decoder.nodata + 1
        self._known = maps.applicability is not None
        self._counter = AreaCounter(PixelAreas(maps.grid), self._symbols * (1 + self._known))

    def add(self, window: Window, path: NDArray[np.integer]) -> None:
        """Count a block (h, w) of path indices."""
        outside = self._maps.read_outside(window)
        self._counter.add(window, path if outside is None else np.where(outside, path + self._symbols, path))

    def areas(self) -> ClassAreas:
        """Return what was counted."""
        pixels = self._counter.pixels.reshape(-1, self._symbols).sum(axis=0)
        area_m2 = self._counter.area_m2.reshape(-1, self._symbols)
        outside = area_m2[1] if self._known else None
        return ClassAreas.of(self._maps.levels, self._maps.chains, pixels, area_m2.sum(axis=0), outside)


#: Number of every pixel (h, w) of a window, from 0, or -1; it is given the window and the paths there.
PixelNumbers = Callable[[Window, NDArray[np.unsignedinteger]], NDArray[np.integer]]


def count_rows(
    maps: PathMap, areas: PixelAreas, numbers: PixelNumbers, count: int, progress: Progress | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count pixels by their number, row by row, in one pass.

    Args:
        maps: Open maps.
        areas: Of their pixels.
        numbers: Number of each pixel, below ``count``; -1 or ``count`` for none.
        count: K.
        progress: Called with (rows done, rows in all).

    Returns:
        (height, K) pixels and (height, K) square metres.

    Raises:
        DataError: No pixel has a number, or levels contradict each other.
        RasterError: The map is damaged.
    """
    # what has no number is counted in the first and the last column
    pixels = np.zeros((maps.grid.height, count + 2), dtype=np.int64)
    area_m2 = np.zeros((maps.grid.height, count + 2))
    for window, path in maps.strips():
        rows = slice(window.row, window.row_stop)
        pixels[rows], area_m2[rows] = areas.sum_by_row(numbers(window, path), window, count + 2, first=-1)
        if progress is not None:
            progress(window.row_stop, maps.grid.height)
    if not pixels[:, 1:-1].any():
        raise DataError("Expected a map with classes, but all of it is nodata.")
    return pixels[:, 1:-1], area_m2[:, 1:-1]
