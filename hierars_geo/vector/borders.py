"""Straight pieces of border between corners: what rings, neighbours, areas and levels are read from."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Headings in the order in which a left turn adds 1: heading d has quadrant d of its start on its left, d - 1
#: on its right.
EAST, NORTH, WEST, SOUTH = range(4)

#: Corners whose pieces are looked at in one go: bounds the memory of what comes and goes.
_BATCH = 1 << 20


@dataclass(frozen=True)
class CornerLinks:
    """The next corner in every direction.

    A border runs straight from corner to corner, so the piece that leaves a corner eastwards ends at the next
    corner of the row, and the one that leaves it southwards at the next corner of the column. Where no border
    leaves a corner, its link means nothing.

    Attributes:
        north: (k,) int32 corner above each one.
        south: (k,) int32 corner below each one.
    """

    north: NDArray[np.int32]
    south: NDArray[np.int32]

    def ends(self, heading: int, start: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the corner (n,) that the piece with a heading ends at, by the corner (n,) it starts at."""
        if heading == EAST:
            return start + np.int32(1)
        if heading == WEST:
            return start - np.int32(1)
        return (self.north if heading == NORTH else self.south)[start]


def link_corners(col: NDArray[np.int32]) -> CornerLinks:
    """Link corners along columns.

    Args:
        col: (k,) lattice column of each corner, corners in row-major order.
    """
    by_column = np.argsort(col, kind="stable").astype(np.int32)
    north, south = np.full((2, len(col)), -1, dtype=np.int32)
    south[by_column[:-1]] = by_column[1:]
    north[by_column[1:]] = by_column[:-1]
    return CornerLinks(north, south)


def leaving_corners(quadrants: NDArray[np.int32], heading: int) -> NDArray[np.bool_]:
    """(k,) True for corners that a piece of border leaves by a heading, with whatever on its two sides."""
    present: NDArray[np.bool_] = quadrants[heading] != quadrants[heading - 1]
    return present


@dataclass(frozen=True)
class Pieces:
    """Pieces of border with one heading.

    Attributes:
        heading: EAST or SOUTH.
        start: (n,) int32 corner that each piece starts at.
        left: (n,) int32 region on its left, :data:`~.regions.OUTSIDE` included.
        right: (n,) int32 region on its right.
    """

    heading: int
    start: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]


def border_pieces(quadrants: NDArray[np.int32]) -> Iterator[Pieces]:
    """List every piece of border once, in batches: all that run east, then all that run south.

    Args:
        quadrants: (4, k) region around each corner: north-east, north-west, south-west, south-east.
    """
    for heading in (EAST, SOUTH):
        for first in range(0, max(1, quadrants.shape[1]), _BATCH):
            around = quadrants[:, first : first + _BATCH]
            present = np.flatnonzero(leaving_corners(around, heading))
            left, right = around[heading, present], around[heading - 1, present]
            yield Pieces(heading, (present + first).astype(np.int32), left, right)
