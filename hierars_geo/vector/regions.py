"""Connected regions of a class raster, known by their borders; of every level, each in one parent."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .borders import CornerLinks, Pieces, border_pieces, link_corners
from .scan import Scan

#: Region of everything without a class: nodata and the world outside the raster.
OUTSIDE = 0


@dataclass(frozen=True)
class Regions:
    """Regions of pixels that hang together by their edges (4-connected), in the order of their first pixels.

    Attributes:
        shape: (H, W) of the raster.
        path: (R,) int64 index of the legal path of each region, -1 for :data:`OUTSIDE`.
        pixels: (R,) int64 pixels of each region, 0 for :data:`OUTSIDE`.
        row: (k,) int32 lattice row of each corner, 0..H; corners are in row-major order.
        col: (k,) int32 lattice column of each corner, 0..W.
        quadrants: (4, k) int32 region north-east, north-west, south-west and south-east of each corner.
    """

    shape: tuple[int, int]
    path: NDArray[np.int64]
    pixels: NDArray[np.int64]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    quadrants: NDArray[np.int32]

    @property
    def count(self) -> int:
        """R - 1: regions that have a class."""
        return len(self.path) - 1

    @cached_property
    def links(self) -> CornerLinks:
        """The next corner of each corner."""
        return link_corners(self.col)

    def coordinates(self, transform: Affine) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return x and y (k,) of the corners in the CRS that a geotransform leads to."""
        t = transform
        return t.a * self.col + t.b * self.row + t.c, t.d * self.col + t.e * self.row + t.f

    def merge(self, target: NDArray[np.int32], path: NDArray[np.int64]) -> "Regions":
        """Return the regions that are left when some are joined.

        Args:
            target: (R,) new number of each region, 0 for :data:`OUTSIDE` only.
            path: (R',) path of each new region.

        Returns:
            The new regions; corners that no longer turn or join borders are gone.
        """
        quadrants = target[self.quadrants]
        kept = np.flatnonzero(_is_corner(quadrants))
        pixels = np.bincount(target, weights=self.pixels, minlength=len(path)).astype(np.int64)
        return Regions(self.shape, path, pixels, self.row[kept], self.col[kept], quadrants[:, kept])


def label_regions(scan: Scan) -> tuple[Regions, NDArray[np.int32]]:
    """Join runs that touch into regions, and say the region (n,) int32 of each run."""
    component = connect(len(scan.run_value), scan.run_links)
    value = scan.run_value.astype(np.int64)
    # one number for all that has no class: it is nobody's polygon
    component = np.where(value == scan.nodata, -1, component)
    region_of_run, first = number_by_first(component)
    path = value[first]
    path[OUTSIDE] = -1
    pixels = np.bincount(region_of_run, weights=scan.run_pixels, minlength=len(first)).astype(np.int64)
    pixels[OUTSIDE] = 0
    quadrants = region_of_run[scan.quadrant_runs]
    return Regions(scan.shape, path, pixels, scan.row, scan.col, quadrants), region_of_run


def connect(count: int, links: NDArray[np.integer]) -> NDArray[np.int32]:
    """Number the connected components (count,) int32 of a graph by its pairs (2, m) of linked nodes."""
    ones = np.ones(links.shape[1], dtype=np.bool_)
    graph = coo_array((ones, (links[0], links[1])), shape=(count, count))  # type: ignore[no-untyped-call]
    component: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return component


def number_by_first(component: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number components in the order of their first members.

    Args:
        component: (n,) any numbers >= -1.

    Returns:
        (n,) int32 new number 0..m-1 of each member, and (m,) the first member of each number.

    Examples:
        >>> number, first = number_by_first(np.array([5, 5, 2, 5, 3], dtype=np.int32))
        >>> number.tolist(), first.tolist()
        ([0, 0, 1, 0, 2], [0, 2, 4])
    """
    size = int(component.max()) + 2
    first_of = np.full(size, -1, dtype=np.int64)
    # where an index comes several times, the last assignment stays: hence backwards
    first_of[component[::-1] + 1] = np.arange(len(component) - 1, -1, -1)
    first = np.sort(first_of[first_of >= 0])
    number_of = np.zeros(size, dtype=np.int32)
    number_of[component[first] + 1] = np.arange(len(first), dtype=np.int32)
    return number_of[component + 1], first


def _is_corner(quadrants: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(k,) True where borders turn or meet; see the scan, which decides the same by values."""
    east_of_north, west_of_north, west_of_south, east_of_south = quadrants
    north, south = east_of_north != west_of_north, east_of_south != west_of_south
    west, east = west_of_north != west_of_south, east_of_north != east_of_south
    corner: NDArray[np.bool_] = (north != south) | (west != east) | (north & west)
    return corner


@dataclass(frozen=True)
class LevelRegions:
    """Connected regions of one level, numbered by their first pixel in row order.

    Attributes:
        level: 1..N.
        region: (R,) int32 region of this level that each region of the paths lies in, 0 for
            :data:`~.regions.OUTSIDE`.
        path: (Q,) int64 one of the legal paths through each region, -1 for :data:`~.regions.OUTSIDE`; their
            classes at levels 1..level are the same.
        parent: (Q,) int32 region of the level above that each region lies in; all 0 at level 1.
    """

    level: int
    region: NDArray[np.int32]
    path: NDArray[np.int64]
    parent: NDArray[np.int32]

    @property
    def count(self) -> int:
        """Regions that have a class."""
        return len(self.path) - 1


def nest_levels(regions: Regions, paths: NDArray[np.int64]) -> tuple[LevelRegions, ...]:
    """Dissolve the regions of the paths upwards.

    Pixels are in one region of a level when they hang together and agree at that level and all above it. A
    class with several parents (crop10m: "other") thus has a border where its parents have one.

    Args:
        regions: Regions of legal paths.
        paths: (T, N) class index of each path at each level.

    Returns:
        Level 1 first; the regions of level N are those of the paths, in the same order.
    """
    pairs = np.concatenate([_pairs(pieces) for pieces in border_pieces(regions.quadrants)], axis=1)
    levels: list[LevelRegions] = []
    for level in range(1, paths.shape[1] + 1):
        prefix = np.append(np.unique(paths[:, :level], axis=0, return_inverse=True)[1].reshape(-1), -1)
        alike = prefix[regions.path[pairs[0]]] == prefix[regions.path[pairs[1]]]
        region, first = number_by_first(connect(len(regions.path), pairs[:, alike]))
        parent = levels[-1].region[first] if levels else np.zeros(len(first), dtype=np.int32)
        levels.append(LevelRegions(level, region, regions.path[first], parent))
    return tuple(levels)


def _pairs(pieces: Pieces) -> NDArray[np.int32]:
    """(2, m) regions on both sides of pieces of border, without the outside."""
    inner = (pieces.left != OUTSIDE) & (pieces.right != OUTSIDE)
    return np.stack([pieces.left[inner], pieces.right[inner]])
