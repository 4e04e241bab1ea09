"""How much of each class there is, counted block by block for all levels together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..grid import Window
from ..types import IGNORE_INDEX

#: Up to this many combinations of classes are counted in a table, more by sorting.
_TABLE_SIZE = 1 << 22


@dataclass(frozen=True)
class Census:
    """Areas of the classes of one map set.

    Attributes:
        levels: Levels counted, coarsest first; K of them.
        chains: (n, K) int64, combinations of class indices that occur, sorted; ``IGNORE_INDEX`` where a
            level has no class.
        pixels: (n,) int64, pixels of each combination.
        area_m2: (n,) float64, area of each combination on the ellipsoid.
    """

    levels: tuple[int, ...]
    chains: NDArray[np.int64]
    pixels: NDArray[np.int64]
    area_m2: NDArray[np.float64]

    def class_area_m2(self, level: int) -> dict[int, float]:
        """Area of every class of a level that occurs, by class index in ascending order."""
        column = self.chains[:, self.levels.index(level)]
        present = np.unique(column[column != IGNORE_INDEX]).tolist()
        return {index: float(self.area_m2[column == index].sum()) for index in present}

    def prefix_area_m2(self, prefix: tuple[int, ...]) -> float:
        """Area of all combinations that begin with these class indices."""
        same = (self.chains[:, : len(prefix)] == np.array(prefix)).all(axis=1)
        return float(self.area_m2[same].sum())

    def level_area_m2(self, level: int) -> float:
        """Area that has a class at a level."""
        return float(self.area_m2[self.chains[:, self.levels.index(level)] != IGNORE_INDEX].sum())

    @property
    def mapped_area_m2(self) -> float:
        """Area that has a class at the first level counted."""
        return self.level_area_m2(self.levels[0])

    @property
    def mapped_share(self) -> float:
        """Share of the pixels that have a class at the first level counted, 0..1."""
        return float(self.pixels[self.chains[:, 0] != IGNORE_INDEX].sum() / self.pixels.sum())


class CensusTaker:
    """Accumulate a :class:`Census` from blocks.

    Args:
        levels: Levels, coarsest first.
        num_classes: Classes of each.
        row_area_m2: (height,) area of a pixel of every row.
    """

    def __init__(
        self, levels: tuple[int, ...], num_classes: tuple[int, ...], row_area_m2: NDArray[np.float64]
    ) -> None:
        self._levels = levels
        self._sizes = tuple(count + 1 for count in num_classes)  # the last symbol is "no class"
        self._row_area_m2 = row_area_m2
        self._counts: dict[tuple[int, ...], tuple[int, float]] = {}

    def add(self, window: Window, indices: list[NDArray[np.int64]]) -> None:
        """Count a block: class indices (h, w) per level, ``IGNORE_INDEX`` where there is no class."""
        symbols = [
            np.where(index == IGNORE_INDEX, size - 1, index).ravel()
            for index, size in zip(indices, self._sizes, strict=True)
        ]
        weights = np.repeat(self._row_area_m2[window.row : window.row_stop], window.width)
        if np.prod(np.array(self._sizes, dtype=np.float64)) <= _TABLE_SIZE:
            code = np.ravel_multi_index(symbols, self._sizes)
            counts = np.bincount(code)
            areas = np.bincount(code, weights=weights)
            present = np.flatnonzero(counts)
            chains = np.stack(np.unravel_index(present, self._sizes), axis=1)
            counts, areas = counts[present], areas[present]
        else:
            chains, inverse, counts = np.unique(
                np.stack(symbols, axis=1), axis=0, return_inverse=True, return_counts=True
            )
            areas = np.bincount(inverse.ravel(), weights=weights)
        for chain, count, area in zip(chains.tolist(), counts.tolist(), areas.tolist(), strict=True):
            before = self._counts.get(tuple(chain), (0, 0.0))
            self._counts[tuple(chain)] = (before[0] + count, before[1] + area)

    def result(self) -> Census:
        """Return what was counted so far."""
        keys = sorted(self._counts)
        chains = np.array(keys, dtype=np.int64).reshape(len(keys), len(self._levels))
        none = np.array(self._sizes) - 1
        return Census(
            levels=self._levels,
            chains=np.where(chains == none, IGNORE_INDEX, chains),
            pixels=np.array([self._counts[key][0] for key in keys], dtype=np.int64),
            area_m2=np.array([self._counts[key][1] for key in keys], dtype=np.float64),
        )


__all__ = ("Census", "CensusTaker")
