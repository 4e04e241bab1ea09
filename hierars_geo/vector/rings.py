"""From pieces of border to the rings of polygons, some regions at a time, and on to the ground."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from .borders import CornerLinks, leaving_corners
from .regions import OUTSIDE

Polygons = NDArray[np.object_]


@dataclass(frozen=True)
class Outlines:
    """Rings of some polygons; the first of each is its shell, others are holes.

    Attributes:
        col: (s,) lattice column of each vertex, ring after ring, not closed; whole numbers unless smoothed.
        row: (s,) lattice row.
        starts: (r + 1,) int64 position of each ring's first vertex, and the end.
        polygon_starts: (p + 1,) int64 each polygon's first ring, and the end.
    """

    col: NDArray[np.number]
    row: NDArray[np.number]
    starts: NDArray[np.int64]
    polygon_starts: NDArray[np.int64]

    def following(self) -> NDArray[np.int64]:
        """(s,) position of the vertex after each one on its ring."""
        after = np.arange(1, len(self.col) + 1)
        after[self.starts[1:] - 1] = self.starts[:-1]
        return after

    def polygons(self, transform: Affine) -> Polygons:
        """Build the polygons in the CRS that a geotransform leads to: (p,), shells anticlockwise."""
        lengths = np.diff(self.starts)
        closed_starts = self.starts + np.arange(len(self.starts))
        sequence = np.empty(len(self.col) + len(lengths), dtype=np.int64)
        last = closed_starts[1:] - 1
        inner = np.ones(len(sequence), dtype=np.bool_)
        inner[last] = False
        sequence[inner] = np.arange(len(self.col))
        sequence[last] = self.starts[:-1]
        col, row, t = self.col[sequence], self.row[sequence], transform
        coordinates = np.empty((len(sequence), 2))
        coordinates[:, 0] = t.a * col + t.b * row + t.c
        coordinates[:, 1] = t.d * col + t.e * row + t.f
        built: Polygons = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, coordinates, (closed_starts, self.polygon_starts)
        )
        # where rows run north the outlines are mirrored
        return built if t.determinant < 0 else shapely.orient_polygons(built, exterior_cw=False)


#: Pieces of border that are walked in one go, except where one region alone has more.
PIECES_AT_ONCE = 1 << 19


@dataclass(frozen=True)
class Rings:
    """Rings of the polygons of some regions; the first of each polygon is its shell, others are holes.

    Attributes:
        first_region: Number of the first region; those of the others follow without a gap.
        corners: (s,) int32 corner at each vertex, ring after ring, not closed; shells run anticlockwise as
            seen on a north-up map, holes clockwise.
        starts: (r + 1,) int64 position of each ring's first vertex, and the end.
        polygon_starts: (p + 1,) int64 each polygon's first ring, and the end.
    """

    first_region: int
    corners: NDArray[np.int32]
    starts: NDArray[np.int64]
    polygon_starts: NDArray[np.int64]

    def keep_corners(self, kept: NDArray[np.bool_]) -> "Rings":
        """Return the rings without the corners that are not kept, (k,) bool."""
        used = kept[self.corners]
        position = np.concatenate([[0], np.cumsum(used)])
        return Rings(self.first_region, self.corners[used], position[self.starts], self.polygon_starts)

    def outlines(self, row: NDArray[np.int32], col: NDArray[np.int32]) -> Outlines:
        """Look up where the vertices lie on the lattice."""
        return Outlines(col[self.corners], row[self.corners], self.starts, self.polygon_starts)


def trace_rings(
    row: NDArray[np.int32],
    col: NDArray[np.int32],
    quadrants: NDArray[np.int32],
    links: CornerLinks,
    pieces_at_once: int = PIECES_AT_ONCE,
) -> Iterator[Rings]:
    """Walk around every region.

    At a corner where two pixels of the region touch by their tips only, the walk goes over from one to the
    other: as the region hangs together elsewhere, this yields a shell and a hole that touch in a point, which
    is a valid polygon, and never a ring that touches itself.

    Args:
        row: (k,) lattice row of each corner, in row-major order.
        col: (k,) lattice column.
        quadrants: (4, k) region around each corner: north-east, north-west, south-west, south-east; 0 is
            outside, all numbers up to the largest occur.
        links: The next corners.
        pieces_at_once: Bounds the memory; the rings do not depend on it.

    Yields:
        The rings of regions 1, 2, ..., some at a time.
    """
    # (4, k) number in its batch of the piece that leaves each corner by each heading
    leaving = np.empty(quadrants.shape, dtype=np.int32)
    for heading, start in _batches(quadrants, pieces_at_once):
        yield _trace(row, col, quadrants, links, heading, start, leaving)


def _batches(
    quadrants: NDArray[np.int32], pieces_at_once: int
) -> Iterator[tuple[NDArray[np.int8], NDArray[np.int32]]]:
    """Yield heading and start of the pieces around some regions, sorted by heading and start."""
    most = int(quadrants.max(initial=0)) + 1
    counts = np.zeros(most, dtype=np.int64)
    for nth in range(4):
        counts += np.bincount(quadrants[nth, _starts(quadrants, nth)], minlength=most)
    total = np.cumsum(counts)
    if total[-1] == 0:
        return
    last = int(total[-1] - 1) // pieces_at_once
    # a stable sort of small numbers takes time in proportion to how many they are
    batch_of_region = ((total - 1) // pieces_at_once).astype(np.min_scalar_type(last))
    starts: list[NDArray[np.int32]] = []
    stops: list[NDArray[np.int64]] = []
    for nth in range(4):
        start = _starts(quadrants, nth)
        batch = batch_of_region[quadrants[nth, start]]
        starts.append(start[np.argsort(batch, kind="stable")])
        stops.append(np.append(0, np.cumsum(np.bincount(batch, minlength=last + 1))))
    for number in range(last + 1):
        parts = [start[stop[number] : stop[number + 1]] for start, stop in zip(starts, stops, strict=True)]
        if any(map(len, parts)):
            heading = np.repeat(np.arange(4, dtype=np.int8), [len(part) for part in parts])
            yield heading, np.concatenate(parts)


def _starts(quadrants: NDArray[np.int32], heading: int) -> NDArray[np.int32]:
    """Corners that a piece of border leaves by a heading, with a region on its left."""
    present = leaving_corners(quadrants, heading) & (quadrants[heading] != OUTSIDE)
    return np.flatnonzero(present).astype(np.int32)


def _trace(
    row: NDArray[np.int32],
    col: NDArray[np.int32],
    quadrants: NDArray[np.int32],
    links: CornerLinks,
    heading: NDArray[np.int8],
    start: NDArray[np.int32],
    leaving: NDArray[np.int32],
) -> Rings:
    """Trace the rings of some regions from all their pieces; writes to ``leaving`` as it likes."""
    region_of_piece = quadrants[heading, start]
    leaving[heading, start] = np.arange(len(start), dtype=np.int32)
    bounds = np.searchsorted(heading, range(5)).tolist()
    ends = [links.ends(d, start[bounds[d] : bounds[d + 1]]) for d in range(4)]
    following = _next_piece(heading, np.concatenate(ends), region_of_piece, quadrants, leaving)
    order, starts = _order_cycles(following)
    corners = start[order]
    region = region_of_piece[order[starts[:-1]]]
    is_hole = _twice_area(row[corners], col[corners], starts) < 0
    by_region = np.lexsort((is_hole, region))
    lengths = np.diff(starts)[by_region]
    new_starts = np.concatenate([[0], np.cumsum(lengths)])
    source = np.repeat(starts[:-1][by_region] - new_starts[:-1], lengths) + np.arange(len(corners))
    polygon_starts = np.concatenate([np.flatnonzero(~is_hole[by_region]), [len(lengths)]])
    return Rings(int(region.min()), corners[source], new_starts, polygon_starts)


def _next_piece(
    heading: NDArray[np.int8],
    end: NDArray[np.int32],
    region: NDArray[np.int32],
    quadrants: NDArray[np.int32],
    leaving: NDArray[np.int32],
) -> NDArray[np.int32]:
    """(e,) piece that follows each one around its region: right if it can, else straight on, else left."""
    ahead_left = quadrants[heading, end]
    ahead_right = quadrants[heading - 1, end]
    straight_or_left = (heading + (ahead_left != region)) % 4
    onwards = np.where(ahead_right == region, (heading - 1) % 4, straight_or_left)
    return leaving[onwards, end]


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
