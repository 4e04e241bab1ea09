"""The nested polygons of a class map: regions, their levels, and which vertices of shared borders stay."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from ..errors import DataError
from ..grid import GeoGrid, ground_frame
from .areas import equal_area_around, polygon_areas_m2, region_areas_m2
from .regions import OUTSIDE, LevelRegions, Regions, label_regions, nest_levels
from .rings import Outlines, Polygons, trace_rings
from .scan import RowScanner
from .sieving import sieve

#: Share of an edge that is cut off at each of its ends (Chaikin 1974), and the most of it in pixels. Corners
#: of the lattice lie a pixel apart or more, so what is cut off at one cannot meet another border.
_SHARE, _MOST_PX = 0.25, 0.5
_PASSES = 2


def fixed_corners(regions: Regions) -> NDArray[np.bool_]:
    """(k,) True for corners that smoothing leaves where they are.

    These are the ones where three or more borders meet, or where there is nodata or the edge of the raster:
    the levels stay nested, and the outer border and the total area stay as they are.
    """
    quadrants = regions.quadrants
    borders = np.zeros(quadrants.shape[1], dtype=np.int8)
    for nth in range(4):
        borders += quadrants[nth] != quadrants[nth - 1]
    fixed: NDArray[np.bool_] = (borders > 2) | (quadrants == OUTSIDE).any(axis=0)
    return fixed


def smooth(outlines: Outlines, fixed: NDArray[np.bool_]) -> Outlines:
    """Cut the corners of outlines by Chaikin's rule.

    A vertex p between its neighbours o and q becomes the two points p + t (o - p) and p + t (q - p). They
    depend on the three alone and come out equal to the bit whichever way round the ring runs, so neighbours
    share them without knowing of each other.

    Args:
        outlines: On the lattice.
        fixed: (s,) True for the vertices that stay.
    """
    for _ in range(_PASSES):
        outlines, fixed = _cut(outlines, fixed)
    return outlines


def _cut(outlines: Outlines, fixed: NDArray[np.bool_]) -> tuple[Outlines, NDArray[np.bool_]]:
    """Do one pass; vertices that were cut come out as two."""
    after = outlines.following()
    before = np.empty_like(after)
    before[after] = np.arange(len(after))
    here = np.stack([outlines.col, outlines.row]).astype(np.float64)
    counts = np.where(fixed, 1, 2)
    position = np.concatenate([[0], np.cumsum(counts)])
    points = np.repeat(here, counts, axis=1)
    cut = np.flatnonzero(~fixed)
    for neighbour, offset in ((before, 0), (after, 1)):
        step = here[:, neighbour[cut]] - here[:, cut]
        share = np.minimum(_SHARE, _MOST_PX / np.hypot(*step))
        points[:, position[cut] + offset] = here[:, cut] + share * step
    rounded = Outlines(points[0], points[1], position[outlines.starts], outlines.polygon_starts)
    return rounded, np.repeat(fixed, counts)


#: Pixels this close to square count as square, so that borders of equally many pixels are equally long.
_SQUARE = 1e-3


@dataclass(frozen=True)
class Coverage:
    """Polygons of all levels that share their vertices.

    Attributes:
        grid: Where the raster lies.
        paths: (P, D) class index of each legal path at each level.
        regions: Regions of the paths.
        levels: Regions of levels 1..D.
        area_m2: (R,) area on the ellipsoid of each region of the paths, 0 for the outside.
        survives: (k,) True for the corners that stay vertices; None for all.
        fixed: (k,) True for the corners that smoothing leaves where they are; None without smoothing.
    """

    grid: GeoGrid
    paths: NDArray[np.int64]
    regions: Regions
    levels: tuple[LevelRegions, ...]
    area_m2: NDArray[np.float64]
    survives: NDArray[np.bool_] | None = None
    fixed: NDArray[np.bool_] | None = None

    def outlines(self, level: int) -> Iterator[tuple[int, Outlines]]:
        """Trace the outlines of a level, 1..D, some regions at a time, with the number of the first."""
        quadrants = self.levels[level - 1].region[self.regions.quadrants]
        yield from _outlines(self.regions, quadrants, self.survives, self.fixed)

    def polygons(self, level: int) -> Polygons:
        """Build all polygons of a level, 1..D, in the order of its regions; shells anticlockwise."""
        parts = [outlines.polygons(self.grid.transform) for _, outlines in self.outlines(level)]
        return np.concatenate([np.empty(0, dtype=np.object_), *parts])


def build_coverage(
    regions: Regions,
    paths: NDArray[np.int64],
    grid: GeoGrid,
    min_area_m2: float = 0.0,
    simplify_m: float = 0.0,
    smooth_borders: bool = False,
) -> tuple[Coverage, NDArray[np.int32]]:
    """Sieve, simplify and nest the regions of a raster.

    Args:
        regions: Regions of legal paths.
        paths: (P, D) class index of each path at each level.
        grid: Where the raster lies.
        min_area_m2: Smaller regions join a neighbour; 0 keeps all.
        simplify_m: Tolerance of the simplification in metres on the ground; 0 keeps all vertices.
        smooth_borders: Round the corners of pixels off; not together with a simplification.

    Returns:
        The coverage, and (R,) int32 the region of it that each given region ended in.

    Raises:
        RasterError: The CRS is not of the Earth, or a pixel has no place on it.
        DataError: The simplification lost a region.
    """
    area_m2 = region_areas_m2(regions, grid)
    ended_in = np.arange(len(regions.path), dtype=np.int32)
    if min_area_m2 > 0:
        ground = ground_frame(grid)
        aspect = ground.row_m / ground.col_m if abs(ground.row_m / ground.col_m - 1) > _SQUARE else 1.0
        regions, ended_in = sieve(regions, paths, area_m2, min_area_m2, aspect)
        area_m2 = np.bincount(ended_in, weights=area_m2).astype(np.float64)
    survives = surviving_corners(regions, simplify_m, grid) if simplify_m > 0 else None
    fixed = fixed_corners(regions) if smooth_borders else None
    if survives is not None or fixed is not None:
        area_m2 = _measure(regions, grid, survives, fixed)
    levels = nest_levels(regions, paths)
    return Coverage(grid, paths, regions, levels, area_m2, survives, fixed), ended_in


def polygonize_paths(
    path_map: NDArray[np.unsignedinteger], nodata: int, transform: Affine
) -> tuple[Polygons, NDArray[np.int64]]:
    """Turn a map of path indices (or of any other whole numbers) into a valid coverage.

    Unlike GDAL's polygons these have a vertex wherever a border meets them, so neighbours share all vertices.

    Args:
        path_map: (H, W) unsigned integers.
        nodata: Value that gets no polygon.
        transform: Geotransform of the raster.

    Returns:
        (n,) polygons of the connected regions (by edges), in the order of their first pixels, and (n,) their
        values.
    """
    scanner = RowScanner(path_map.shape[1], nodata)
    scanner.feed(path_map)
    regions, _ = label_regions(scanner.finish())
    parts = [outlines.polygons(transform) for _, outlines in _outlines(regions, regions.quadrants)]
    return np.concatenate([np.empty(0, dtype=np.object_), *parts]), regions.path[1:]


def _outlines(
    regions: Regions,
    quadrants: NDArray[np.int32],
    survives: NDArray[np.bool_] | None = None,
    fixed: NDArray[np.bool_] | None = None,
) -> Iterator[tuple[int, Outlines]]:
    for rings in trace_rings(regions.row, regions.col, quadrants, regions.links):
        kept = rings if survives is None else rings.keep_corners(survives)
        outlines = kept.outlines(regions.row, regions.col)
        yield rings.first_region, outlines if fixed is None else smooth(outlines, fixed[kept.corners])


def _measure(
    regions: Regions,
    grid: GeoGrid,
    survives: NDArray[np.bool_] | None,
    fixed: NDArray[np.bool_] | None,
) -> NDArray[np.float64]:
    """(R,) areas in m2 of regions whose borders left the pixels'."""
    areas = np.zeros(len(regions.path))
    if regions.count == 0:
        return areas
    projection = equal_area_around(np.stack(regions.coordinates(grid.transform)), grid.crs)
    for first, outlines in _outlines(regions, regions.quadrants, survives, fixed):
        measured = polygon_areas_m2(outlines.polygons(grid.transform), grid.crs, projection)
        areas[first : first + len(measured)] = measured
    return areas


def surviving_corners(regions: Regions, tolerance_m: float, grid: GeoGrid) -> NDArray[np.bool_]:
    """Say which corners (k,) stay when borders are simplified (Visvalingam-Whyatt on a coverage).

    Simplification only leaves corners out, the same ones on both sides of a border; so the levels above are
    simplified by leaving them out of their rings too, and stay nested. It works in metres on the ground,
    whatever the CRS. Borders with nodata and the edge of the raster stay as they are, and with them the total
    area.

    Args:
        regions: Regions of legal paths.
        tolerance_m: Corners that change the outline by less than a triangle of about this size, squared, go;
        > 0.
        grid: Where the raster lies.

    Raises:
        DataError: A region vanished.
    """
    ground = ground_frame(grid)
    width, height = ground.col_m, ground.row_m
    polygons = np.concatenate(
        [
            rings.outlines(regions.row, regions.col).polygons(Affine.scale(width, -height))
            for rings in trace_rings(regions.row, regions.col, regions.quadrants, regions.links)
        ]
    )
    simplified = shapely.coverage_simplify(polygons, tolerance_m, simplify_boundary=False)
    if shapely.is_empty(simplified).any() or len(shapely.get_rings(simplified)) != len(
        shapely.get_rings(polygons)
    ):
        raise DataError(
            f"Expected all regions to outlast a simplification by {tolerance_m:g} m, but some vanished. "
            "Give a smaller --simplify-m, or a --min-area-m2 that removes small regions first."
        )
    x, y = np.rint(shapely.get_coordinates(simplified).T / [[width], [-height]]).astype(np.int64)
    columns = regions.shape[1] + 1
    key = regions.row.astype(np.int64) * columns + regions.col
    survives = np.zeros(len(key), dtype=np.bool_)
    survives[np.searchsorted(key, y * columns + x)] = True
    return survives
