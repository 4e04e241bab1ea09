"""Outlines: where and when scenes lie, as arrays for a fast search and as TorchGeo's index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ..grid.longitudes import every_turn
from ..types import Bounds

if TYPE_CHECKING:
    from geopandas.geodataframe import GeoDataFrame

#: From this many outlines on, a tree finds them faster than comparing all of their bounds.
_TREE_FROM = 256


@dataclass(frozen=True)
class Outlines:
    """Outlines in one CRS.

    Attributes:
        polygons: (S,) shapely polygons.
        bounds: (S, 4) left, bottom, right, top.
        intervals: (S, 2) first and last nanosecond.
    """

    polygons: NDArray[np.object_]
    bounds: NDArray[np.float64]
    intervals: NDArray[np.int64]

    @classmethod
    def of(cls, polygons: Sequence[BaseGeometry], intervals: Sequence[tuple[int, int]]) -> "Outlines":
        """Collect outlines."""
        array = np.array(polygons, dtype=object)
        return cls(
            array, shapely.bounds(array).reshape(-1, 4), np.array(intervals, dtype=np.int64).reshape(-1, 2)
        )

    def every_turn(self, crs: CRS) -> "Outlines":
        """Return the outlines, and where places of their CRS come again, a turn west and east of them."""
        polygons = every_turn(self.polygons, crs)
        turns = len(polygons) // max(len(self.polygons), 1)
        return self if turns == 1 else Outlines.of(list(polygons), self.intervals.tolist() * turns)

    def hits(self, bounds: Bounds, interval: tuple[int, int] | None) -> NDArray[np.intp]:
        """Find the positions of outlines whose bounds share an area, and dates a moment, with a query.

        Args:
            bounds: (left, bottom, right, top).
            interval: (first, last) nanosecond, None for any time.
        """
        left, bottom, right, top = bounds
        near = np.sort(self._tree.query(shapely.box(*bounds))) if len(self.bounds) >= _TREE_FROM else None
        box = self.bounds if near is None else self.bounds[near]
        hit = (box[:, 0] < right) & (box[:, 2] > left) & (box[:, 1] < top) & (box[:, 3] > bottom)
        if interval is not None:
            when = self.intervals if near is None else self.intervals[near]
            hit &= (when[:, 0] <= interval[1]) & (when[:, 1] >= interval[0])
        return np.flatnonzero(hit) if near is None else near[hit]

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(list(self.polygons))

    def frame(self, crs: CRS, columns: Mapping[str, Sequence[object]]) -> "GeoDataFrame":
        """Return the index that TorchGeo's classes expect."""
        times = pd.to_datetime(self.intervals.ravel(), unit="ns").to_numpy().reshape(-1, 2)
        index = pd.IntervalIndex.from_arrays(times[:, 0], times[:, 1], closed="both", name="datetime")
        table: type[GeoDataFrame] = import_module("geopandas").GeoDataFrame  # not where one only predicts
        return table(dict(columns), index=index, geometry=list(self.polygons), crs=crs)
