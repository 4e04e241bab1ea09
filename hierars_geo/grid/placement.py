"""Placement: how the pixels that are asked for lie on those of a file."""

import math
from dataclasses import dataclass

from .geogrid import GeoGrid
from .lattice import SAME_PX, Lattice
from .reprojection import same_crs
from .windows import Window

#: Axes that turn by less against each other are parallel over any raster.
_ROTATED = 1e-9


@dataclass(frozen=True)
class AxisMap:
    """Map one axis of a grid onto one axis of a file: file edge = scale * grid edge + offset.

    File pixels count in the grid's direction, whichever way the file stores them.

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
    """Both axes of a file that lie along those of the grid."""

    rows: AxisMap
    cols: AxisMap

    @property
    def shift(self) -> tuple[int, int] | None:
        """(rows, columns) from grid to file pixels where the pixels are the same, else None."""
        rows, cols = self.rows.shift, self.cols.shift
        return None if rows is None or cols is None else (rows, cols)

    @property
    def coarsening(self) -> float:
        """File pixels per grid pixel along the axis where there are more of them."""
        return max(self.rows.scale, self.cols.scale)


def place(file: GeoGrid, target: GeoGrid | Lattice) -> Placement | None:
    """Say how a grid lies on a file.

    Args:
        file: Grid of the file.
        target: Pixels to read; only where they begin and how large they are counts, not where they end.

    Returns:
        The placement, None where one is rotated against the other or in another CRS, and must be warped.
    """
    if not same_crs(file.crs, target.crs):
        return None
    f, t = file.transform, target.transform
    if not (f.b or f.d or t.b or t.d):  # to the bit the same for every origin on the grid
        cols = _axis(t.a / f.a, (t.c - f.c) / f.a, file.width)
        rows = _axis(t.e / f.e, (t.f - f.f) / f.e, file.height)
        return Placement(rows, cols)
    to_file = ~f @ t
    if max(abs(to_file.b), abs(to_file.d)) > _ROTATED:
        return None
    return Placement(
        _axis(to_file.e, to_file.f, file.height),
        _axis(to_file.a, to_file.c, file.width),
    )


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
