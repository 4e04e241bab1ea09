"""Directed pieces of border between corners: the half-edges that rings and neighbours are read from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .regions import OUTSIDE

#: Headings in the order in which a left turn adds 1: heading d has quadrant d of its start on its left, d - 1
#: on its right.
EAST, NORTH, WEST, SOUTH = range(4)


@dataclass(frozen=True)
class Borders:
    """Straight pieces of border, each once per region that has it.

    The region is on the left as seen on a north-up map.

    Attributes:
        start: (e,) int32 corner that the piece starts at.
        end: (e,) int32 corner that it ends at.
        heading: (e,) int8 one of EAST, NORTH, WEST, SOUTH.
        region: (e,) int32 region on the left, never :data:`~.regions.OUTSIDE`.
        neighbour: (e,) int32 region on the right.
    """

    start: NDArray[np.int32]
    end: NDArray[np.int32]
    heading: NDArray[np.int8]
    region: NDArray[np.int32]
    neighbour: NDArray[np.int32]


def trace_borders(
    row: NDArray[np.int32], col: NDArray[np.int32], quadrants: NDArray[np.int32]
) -> tuple[Borders, NDArray[np.int32]]:
    """Find all pieces of border between corners.

    A border runs straight from corner to corner, so the piece that leaves a corner eastwards ends at the next
    corner of the row, and the one that leaves it southwards at the next corner of the column.

    Args:
        row: (k,) lattice row of each corner, in row-major order.
        col: (k,) lattice column.
        quadrants: (4, k) region around each corner: north-east, north-west, south-west, south-east.

    Returns:
        The pieces, and (4, k) int32 the piece that leaves a corner by each heading, -1 where there is none.
    """
    count = len(row)
    following = np.empty((4, count), dtype=np.int32)
    following[EAST] = np.arange(1, count + 1)
    following[WEST] = np.arange(-1, count - 1)
    by_column = np.argsort(col, kind="stable").astype(np.int32)
    following[SOUTH, by_column] = np.append(by_column[1:], -1)
    following[NORTH, by_column] = np.insert(by_column[:-1], 0, -1)

    right_of = np.roll(quadrants, 1, axis=0)
    present = (quadrants != right_of) & (quadrants != OUTSIDE)
    leaving = np.full((4, count), -1, dtype=np.int32)
    leaving[present] = np.arange(np.count_nonzero(present), dtype=np.int32)
    per_heading = np.count_nonzero(present, axis=1)
    borders = Borders(
        start=np.concatenate([np.flatnonzero(row) for row in present]).astype(np.int32),
        end=following[present],
        heading=np.repeat(np.arange(4, dtype=np.int8), per_heading),
        region=quadrants[present],
        neighbour=right_of[present],
    )
    return borders, leaving


__all__ = ("EAST", "NORTH", "SOUTH", "WEST", "Borders", "trace_borders")
