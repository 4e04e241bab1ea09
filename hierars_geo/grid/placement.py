"""Placement: how the pixels of a lattice lie on those of a file."""

import math
from dataclasses import dataclass

from .geogrid import GeoGrid
from .lattice import SAME_PX, Lattice
from .reprojection import same_crs
from .windows import Window


@dataclass(frozen=True)
class AxisMap:
    """Map one axis of a lattice onto one axis of a file: file edge = scale * lattice edge + offset.

    File pixels count in the lattice's direction (southwards, eastwards), whichever way the file stores them.

    Attributes:
        scale: File pixels per lattice pixel, > 0; above 1 where reading coarsens.
        offset: File edge of the lattice's edge 0.
        length: File pixels along the axis.
        flipped: True where the file stores the axis the other way (south-up, or east to west).
    """

    scale: float
    offset: float
    length: int
    flipped: bool

    @property
    def shift(self) -> int | None:
        """File pixel of the lattice's pixel 0 where both have the same pixels, else None."""
        ends = (-self.offset / self.scale, (self.length - self.offset) / self.scale)
        first = round(ends[0])
        same = abs(ends[0] - first) < SAME_PX and abs(ends[1] - first - self.length) < SAME_PX
        return -first if same else None

    def span(self, start: int, count: int, margin_px: int) -> tuple[int, int]:
        """File pixels [first, stop) under lattice pixels [start, start + count), widened, cut to the file."""
        low = math.floor(self.scale * start + self.offset) - margin_px
        high = math.ceil(self.scale * (start + count) + self.offset) + margin_px
        return max(low, 0), min(high, self.length)

    def stored(self, first: int, stop: int) -> tuple[int, int]:
        """Turn a range of file pixels in the lattice's direction into the range as stored."""
        return (self.length - stop, self.length - first) if self.flipped else (first, stop)


@dataclass(frozen=True)
class Placement:
    """Both axes of a file without rotation, in the lattice's own CRS."""

    rows: AxisMap
    cols: AxisMap

    @property
    def shift(self) -> tuple[int, int] | None:
        """(rows, columns) from lattice to file pixels where the pixels are the same, else None."""
        rows, cols = self.rows.shift, self.cols.shift
        return None if rows is None or cols is None else (rows, cols)

    @property
    def coarsening(self) -> float:
        """File pixels per lattice pixel along the axis where there are more of them."""
        return max(self.rows.scale, self.cols.scale)


def place(grid: GeoGrid, lattice: Lattice) -> Placement | None:
    """Say how a lattice lies on a file.

    Args:
        grid: Grid of the file.
        lattice: Pixels to read.

    Returns:
        The placement, None where the file is rotated or in another CRS, and must be warped.
    """
    t = grid.transform
    if t.b or t.d or not same_crs(grid.crs, lattice.crs):
        return None
    (x, y), (x_res, y_res) = lattice.origin, lattice.res
    cols = _axis(x_res / t.a, (x - t.c) / t.a, grid.width)
    rows = _axis(-y_res / t.e, (y - t.f) / t.e, grid.height)
    return Placement(rows, cols)


def _axis(scale: float, offset: float, length: int) -> AxisMap:
    if scale > 0:
        return AxisMap(scale, offset, length, flipped=False)
    return AxisMap(-scale, length - offset, length, flipped=True)


def stored_window(placement: Placement, rows: tuple[int, int], cols: tuple[int, int]) -> Window:
    """Turn ranges of file pixels in the lattice's direction into a window of the file."""
    row, row_stop = placement.rows.stored(*rows)
    col, col_stop = placement.cols.stored(*cols)
    return Window(row, col, row_stop - row, col_stop - col)


__all__ = ("AxisMap", "Placement", "place", "stored_window")
