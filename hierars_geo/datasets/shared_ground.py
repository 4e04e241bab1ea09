"""SharedGround: windows of several lattices that cover exactly the same ground."""

from collections.abc import Sequence

import numpy as np

from ..grid import Window
from ..grid.lattice import SAME_PX, Lattice

#: Corners that several lattices share are looked for this many pixels of the first one ahead.
_FARTHEST_PX = 256


class SharedGround:
    """Cuts one piece of ground out of several lattices, at the pixel size of each.

    Windows begin at the nearest corner that all lattices share, so that every source is read as it is; with
    pixels of 4 m and 10 m that is one corner in 20 m. Lattices without a shared corner, and sizes that are no
    whole number of a source's pixels, are served by stretching that source's pixels to divide the ground
    evenly (by less than half a pixel over the whole window).

    Args:
        lattice: The lattice of queries.
        others: Lattices of the sources, in the CRS of the first.
    """

    def __init__(self, lattice: Lattice, others: Sequence[Lattice]) -> None:
        self.others = tuple(others)
        self.row_step, self.first_row = _shared_corners(
            lattice.res[1],
            [((lattice.origin[1] - other.origin[1]), other.res[1]) for other in others],
            downwards=True,
        )
        self.col_step, self.first_col = _shared_corners(
            lattice.res[0],
            [((lattice.origin[0] - other.origin[0]), other.res[0]) for other in others],
            downwards=False,
        )

    def snap(self, window: Window) -> Window:
        """Move a window to the nearest corner that all lattices share."""
        row = round((window.row - self.first_row) / self.row_step) * self.row_step + self.first_row
        col = round((window.col - self.first_col) / self.col_step) * self.col_step + self.first_col
        return Window(row, col, window.height, window.width)

    def cut(self, lattice: Lattice, window: Window) -> list[tuple[Lattice, Window]]:
        """Return the lattice and window of every source under a window of a lattice."""
        bounds = lattice.bounds(window)
        return [other.fitted(bounds) for other in self.others]


def _shared_corners(res: float, others: Sequence[tuple[float, float]], downwards: bool) -> tuple[int, int]:
    """Return (step, first) of the pixel edges along an axis that lie on edges of the others, where they do.

    Args:
        res: Pixel size.
        others: (distance from their origin to ours, pixel size) of each.
        downwards: True where edges count against the coordinate.
    """
    edges = np.arange(2 * _FARTHEST_PX) * res * (-1 if downwards else 1)
    shared = np.ones(len(edges), dtype=np.bool_)
    for offset, size in others:
        at = (edges + offset) / size
        both = shared & (np.abs(at - np.round(at)) < SAME_PX)
        shared = both if both.sum() > 1 else shared  # a lattice that shares no corner is stretched instead
    found = np.flatnonzero(shared)
    return (int(found[1] - found[0]), int(found[0])) if len(found) > 1 else (1, 0)


__all__ = ("SharedGround",)
