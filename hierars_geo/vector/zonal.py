"""Areas of the classes inside polygons, counting the share of every pixel that a polygon covers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import pandas as pd
import shapely
from affine import Affine
from exactextract.exact_extract import exact_extract
from exactextract.feature import GeoPandasFeatureSource
from exactextract.raster import RasterSource
from geopandas.geodataframe import GeoDataFrame
from geopandas.geoseries import GeoSeries
from numpy.typing import NDArray

from ..errors import DataError
from ..grid import GeoGrid, PixelAreas, Window
from ..maps import CONFIDENCE_NODATA, PathMap
from ..types import Progress

#: Values that a confidence can have: 0..100 per cent, and none.
_STEPS = 102
_NO_CONFIDENCE = 101
_NODATA = -1
#: Pixels of a polygon that are in memory at once.
_MAX_CELLS = 4_000_000
#: Polygons between two reports of progress.
_BATCH = 256


#: Reads the pixels of a window.
_Reader: TypeAlias = Callable[[Window], NDArray[np.generic]]


@dataclass(frozen=True)
class ZonalAreas:
    """Areas of the classes of one level inside polygons.

    Attributes:
        level: From 1.
        area_m2: (P, C) area of each class in each polygon, on the ellipsoid.
        confidence: (P, C) mean confidence in per cent, weighted by area; NaN where there is none.
        outside_m2: (P,) mapped area outside the area of applicability, the same at every level; None where
            nobody knows.
    """

    level: int
    area_m2: NDArray[np.float64]
    confidence: NDArray[np.float64]
    outside_m2: NDArray[np.float64] | None = None


class _Source(RasterSource):
    """A raster for exactextract whose pixels are computed when they are asked for."""

    def __init__(self, name: str, grid: GeoGrid, wkt: str, read: _Reader) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.set_name(name)
        self._grid, self._wkt, self._read = grid, wkt, read

    def res(self) -> tuple[float, float]:
        return self._grid.res

    def extent(self) -> tuple[float, float, float, float]:
        return self._grid.bounds

    def nodata_value(self) -> int:
        return _NODATA

    def srs_wkt(self) -> str:
        return self._wkt

    def read_window(self, x0: int, y0: int, nx: int, ny: int) -> NDArray[np.generic]:
        if nx == 0 or ny == 0:  # asked once, to learn the data type
            return self._read(Window(0, 0, 1, 1))[:0, :0]
        return self._read(Window(y0, x0, ny, nx))


class _Windows:
    """The path indices of the window that was read last: every level asks for the same one."""

    def __init__(self, maps: PathMap) -> None:
        self._maps = maps
        self.paths = lru_cache(maxsize=1)(maps.read)

    def data(self, window: Window) -> NDArray[np.int32]:
        """1 where there is a class."""
        return np.where(self.paths(window) == self._maps.decoder.nodata, _NODATA, 1).astype(np.int32)

    def outside(self, window: Window) -> NDArray[np.int32]:
        """1 where there is a class outside the area of applicability."""
        outside = self._maps.read_outside(window)
        return np.where(outside is not None and outside, self.data(window), _NODATA).astype(np.int32)

    def codes(self, level: int) -> Callable[[Window], NDArray[np.int32]]:
        """Return a reader of class index and confidence in one number."""
        decoder = self._maps.decoder
        index = np.append(decoder.paths[:, level - 1] * _STEPS, _NODATA).astype(np.int32)

        def read(window: Window) -> NDArray[np.int32]:
            path = self.paths(window)
            step: NDArray[np.int32] | int = _NO_CONFIDENCE
            if level in self._maps.confidence_levels:
                values = self._maps.read_confidence(level, window)
                step = np.where(values == CONFIDENCE_NODATA, _NO_CONFIDENCE, values).astype(np.int32)
            return np.where(path == decoder.nodata, _NODATA, index[path] + step).astype(np.int32)

        return read


def zonal_areas(
    maps: PathMap,
    polygons: GeoDataFrame,
    levels: tuple[int, ...],
    progress: Progress | None = None,
) -> tuple[ZonalAreas, ...]:
    """Measure the classes inside polygons, level by level.

    A pixel on a polygon's edge counts with the share of it that lies inside (exactextract) of its area on the
    ellipsoid.

    Args:
        maps: The maps of a scene, on a grid of any direction.
        polygons: Polygons in the CRS of the maps; they may overlap.
        levels: Levels to measure.
        progress: Called with (polygons done, polygons in all).

    Raises:
        RasterError: The maps are not on the Earth, or damaged.
        DataError: Levels of the maps contradict each other.
    """
    windows = _Windows(maps)
    readers: dict[str, _Reader] = {f"L{level}": windows.codes(level) for level in levels}
    readers["data"] = windows.data
    outside_m2 = None if maps.applicability is None else np.zeros(len(polygons))
    if outside_m2 is not None:
        readers["outside"] = windows.outside
    counts = [int(maps.decoder.paths[:, level - 1].max()) + 1 for level in levels]
    results = [
        ZonalAreas(
            level, np.zeros((len(polygons), count)), np.full((len(polygons), count), np.nan), outside_m2
        )
        for level, count in zip(levels, counts, strict=True)
    ]
    operations = ("unique", "weighted_frac", "weighted_sum")
    for start, table in _measured(maps.grid, readers, polygons, operations, progress):
        for row in range(len(table)):
            total_m2 = float(np.nan_to_num(table["data_m2_weighted_sum"].iloc[row]))
            if outside_m2 is not None:
                outside_m2[start + row] = np.nan_to_num(table["outside_m2_weighted_sum"].iloc[row])
            for result in results:
                codes = np.asarray(table[f"L{result.level}_unique"].iloc[row], dtype=np.int64)
                shares = np.asarray(table[f"L{result.level}_m2_weighted_frac"].iloc[row], dtype=np.float64)
                _fill(result, start + row, codes, shares * total_m2)
    return tuple(results)


def zonal_sums(
    grid: GeoGrid,
    count: int,
    read: Callable[[Window], NDArray[np.unsignedinteger]],
    polygons: GeoDataFrame,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """Integrate the bands of a raster over polygons: values times square metres.

    A pixel on a polygon's edge counts with the share of it that lies inside.

    Args:
        grid: Of the raster.
        count: T, number of its bands.
        read: Reads a window, (T, h, w) uint8; ``CONFIDENCE_NODATA`` in pixels without data.
        polygons: In the CRS of the raster; they may overlap.
        progress: Called with (polygons done, polygons in all).

    Returns:
        (P, T).

    Raises:
        RasterError: The raster is not on the Earth, or damaged.
    """
    bands = lru_cache(maxsize=1)(read)  # every band asks for the same window

    def reader(band: int) -> "_Reader":
        def values(window: Window) -> NDArray[np.int32]:
            found: NDArray[np.int32] = bands(window)[band].astype(np.int32)
            found[found == CONFIDENCE_NODATA] = _NODATA
            return found

        return values

    readers = {f"T{band}": reader(band) for band in range(count)}
    sums = np.zeros((len(polygons), count))
    for start, table in _measured(grid, readers, polygons, ("weighted_sum",), progress):
        sums[start : start + len(table)] = np.nan_to_num(table.to_numpy(dtype=np.float64))
    return sums


def _measured(
    grid: GeoGrid,
    readers: Mapping[str, "_Reader"],
    polygons: GeoDataFrame,
    operations: tuple[str, ...],
    progress: Progress | None,
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield what exactextract finds, some polygons at a time: the first one's number, and a row for each."""
    wkt, areas = grid.crs.to_wkt(), PixelAreas(grid)

    def pixel_areas_m2(window: Window) -> NDArray[np.float64]:
        found = areas.read(window)
        return np.ascontiguousarray(np.broadcast_to(found, (window.height, window.width)))

    frame, shapes = _north_up(grid, polygons.geometry)
    weights = _Source("m2", frame, wkt, pixel_areas_m2)
    sources = [_Source(name, frame, wkt, read) for name, read in readers.items()]
    _, bottom, right, _ = frame.bounds
    beside = shapely.box(right + frame.res[0], bottom, right + 2 * frame.res[0], bottom + frame.res[1])
    shapes = shapes.where(~shapes.is_empty, beside)  # exactextract refuses empty ones
    for start in range(0, len(polygons), _BATCH):
        table: pd.DataFrame = exact_extract(
            sources,
            GeoPandasFeatureSource(GeoDataFrame(geometry=shapes.iloc[start : start + _BATCH])),  # type: ignore[no-untyped-call]
            list(operations),
            weights=weights,
            max_cells_in_memory=_MAX_CELLS,
            output="pandas",
        )
        yield start, table
        if progress is not None:
            progress(min(start + _BATCH, len(polygons)), len(polygons))


def _north_up(grid: GeoGrid, shapes: GeoSeries) -> tuple[GeoGrid, GeoSeries]:
    """Turn a grid that is rotated or south-up, and polygons on it, until its rows run north to south.

    Shares of pixels do not change: (x, y) becomes (column, -row).
    """
    if grid.is_north_up:
        return grid, shapes
    t: Affine = ~grid.transform
    turned = shapes.affine_transform([t.a, t.b, -t.d, -t.e, t.c, -t.f])  # type: ignore[no-untyped-call]
    return GeoGrid(grid.crs, Affine(1, 0, 0, 0, -1, 0), grid.shape), turned


def _fill(result: ZonalAreas, row: int, codes: NDArray[np.int64], area_m2: NDArray[np.float64]) -> None:
    """Sum the areas of one polygon by class, and their confidences."""
    count = result.area_m2.shape[1]
    index, step = codes // _STEPS, codes % _STEPS
    result.area_m2[row] = np.bincount(index, weights=area_m2, minlength=count)
    known = step != _NO_CONFIDENCE
    weight = np.bincount(index[known], weights=area_m2[known], minlength=count)
    total = np.bincount(index[known], weights=(area_m2 * step)[known], minlength=count)
    np.divide(total, weight, out=result.confidence[row], where=weight > 0)


def check_measurable(polygons: GeoDataFrame, grid: GeoGrid, origin: str) -> None:
    """Refuse maps that cannot be measured, and polygons none of which touches them.

    Raises:
        DataError: No polygon touches them; both extents are named.
    """
    if not bool(shapely.intersects(polygons.geometry.to_numpy(), shapely.box(*grid.bounds)).any()):
        found = ", ".join(f"{edge:g}" for edge in polygons.total_bounds)
        expected = ", ".join(f"{edge:g}" for edge in grid.bounds)
        raise DataError(
            f"Expected polygons that touch the maps ({expected}), but those of {origin} lie at {found} in "
            f"the maps' CRS ({grid.crs.name}). Check the layer's CRS."
        )
