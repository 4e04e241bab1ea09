"""From pieces of border to the rings of polygons."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from .borders import Borders, trace_borders

Polygons = NDArray[np.object_]


@dataclass(frozen=True)
class Rings:
    """Rings of the polygons of regions 1, 2, ...; the first of each polygon is its shell, others are holes.

    Attributes:
        corners: (s,) int32 corner at each vertex, ring after ring, not closed; shells run anticlockwise as
            seen on a north-up map, holes clockwise.
        starts: (r + 1,) int64 position of each ring's first vertex, and the end.
        polygon_starts: (p + 1,) int64 each polygon's first ring, and the end.
    """

    corners: NDArray[np.int32]
    starts: NDArray[np.int64]
    polygon_starts: NDArray[np.int64]

    def keep_corners(self, kept: NDArray[np.bool_]) -> "Rings":
        """Return the rings without the corners that are not kept, (k,) bool."""
        used = kept[self.corners]
        position = np.concatenate([[0], np.cumsum(used)])
        return Rings(self.corners[used], position[self.starts], self.polygon_starts)

    def polygons(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Polygons:
        """Build the polygons.

        Args:
            x: (k,) easting of each corner.
            y: (k,) northing.

        Returns:
            (p,) shapely polygons.
        """
        lengths = np.diff(self.starts)
        closed_starts = self.starts + np.arange(len(self.starts))
        sequence = np.empty(len(self.corners) + len(lengths), dtype=np.int64)
        last = closed_starts[1:] - 1
        inner = np.ones(len(sequence), dtype=np.bool_)
        inner[last] = False
        sequence[inner] = self.corners
        sequence[last] = self.corners[self.starts[:-1]]
        coordinates = np.column_stack([x[sequence], y[sequence]])
        built: Polygons = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, coordinates, (closed_starts, self.polygon_starts)
        )
        return built


def trace_rings(row: NDArray[np.int32], col: NDArray[np.int32], quadrants: NDArray[np.int32]) -> Rings:
    """Walk around every region.

    At a corner where two pixels of the region touch by their tips only, the walk goes over from one to the
    other: as the region hangs together elsewhere, this yields a shell and a hole that touch in a point, which
    is a valid polygon, and never a ring that touches itself.

    Args:
        row: (k,) lattice row of each corner, in row-major order.
        col: (k,) lattice column.
        quadrants: (4, k) region around each corner: north-east, north-west, south-west, south-east; 0 is
            outside, all numbers up to the largest occur.

    Returns:
        The rings of regions 1, 2, ...
    """
    borders, leaving = trace_borders(row, col, quadrants)
    if len(borders.start) == 0:
        return Rings(borders.start, np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))
    order, starts = _order_cycles(_next_piece(borders, leaving, quadrants))
    corners = borders.start[order]
    region = borders.region[order[starts[:-1]]]
    is_hole = _twice_area(row[corners], col[corners], starts) < 0
    by_region = np.lexsort((is_hole, region))
    lengths = np.diff(starts)[by_region]
    new_starts = np.concatenate([[0], np.cumsum(lengths)])
    source = np.repeat(starts[:-1][by_region] - new_starts[:-1], lengths) + np.arange(len(corners))
    polygon_starts = np.concatenate([np.flatnonzero(~is_hole[by_region]), [len(lengths)]])
    return Rings(corners[source], new_starts, polygon_starts)


def _next_piece(
    borders: Borders, leaving: NDArray[np.int32], quadrants: NDArray[np.int32]
) -> NDArray[np.int32]:
    """(e,) piece that follows each one around its region: right if it can, else straight on, else left."""
    heading = borders.heading
    ahead_left = quadrants[heading, borders.end]
    ahead_right = quadrants[heading - 1, borders.end]
    straight_or_left = (heading + (ahead_left != borders.region)) % 4
    onwards = np.where(ahead_right == borders.region, (heading - 1) % 4, straight_or_left)
    return leaving[onwards, borders.end]


def _order_cycles(following: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """List the members of every cycle of a permutation in order.

    Args:
        following: (e,) the member after each one.

    Returns:
        (e,) members, cycle after cycle, each from its smallest member on, and (r + 1,) where each cycle
        starts.
    """
    count = len(following)
    pointers = np.arange(count + 1, dtype=np.int32)
    ones = np.ones(count)
    cycles = _successors(ones, following, pointers)
    num_cycles, cycle = connected_components(cycles, directed=True, connection="weak")
    head = np.empty(num_cycles, dtype=np.int32)
    head[cycle[::-1]] = np.arange(count - 1, -1, -1, dtype=np.int32)
    by_head = np.argsort(head)
    head = head[by_head]
    # cut before each head and hang the next cycle there: one chain, which a graph search walks in compiled
    # code
    tail = np.empty(count, dtype=np.int32)
    tail[following] = np.arange(count, dtype=np.int32)
    chain = following.copy()
    chain[tail[head]] = np.append(head[1:], head[-1])
    order = breadth_first_order(_successors(ones, chain, pointers), head[0], return_predecessors=False)
    starts = np.concatenate([[0], np.cumsum(np.bincount(cycle)[by_head])])
    return order, starts


def _successors(
    ones: NDArray[np.float64], following: NDArray[np.int32], pointers: NDArray[np.int32]
) -> csr_array:
    """Graph with one edge per node, to the node that follows."""
    size = len(following)
    return csr_array((ones, following, pointers), shape=(size, size))  # type: ignore[no-untyped-call]


def _twice_area(
    row: NDArray[np.int32], col: NDArray[np.int32], starts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(r,) twice the area of each ring in pixels, positive where it runs anticlockwise on a north-up map."""
    # rows count southwards
    x, y = col.astype(np.int64), -row.astype(np.int64)
    after = np.arange(1, len(x) + 1)
    after[starts[1:] - 1] = starts[:-1]
    return np.add.reduceat(x * y[after] - x[after] * y, starts[:-1])


__all__ = ("Polygons", "Rings", "trace_rings")
