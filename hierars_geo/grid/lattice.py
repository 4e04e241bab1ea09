"""Lattice: an endless pixel grid to snap queries to, and how its pixels lie on those of a file."""

import math
from dataclasses import dataclass, field

from affine import Affine
from pyproj import CRS

from ..errors import OptionError
from ..types import Bounds
from .geogrid import GeoGrid
from .reprojection import outline, same_crs
from .windows import Window

#: Pixel corners that agree to this share of a pixel are one.
SAME_PX = 0.01


@dataclass(frozen=True)
class Lattice:
    """Where pixel corners lie: a CRS, a pixel size and one corner; north-up and without end.

    Rows count southwards and columns eastwards from the origin; both may be negative.

    Attributes:
        crs: Coordinate reference system.
        res: (x, y) pixel size in units of the CRS, > 0.
        origin: (x, y) of the upper-left corner of pixel (0, 0).
        wkt: The CRS as text, by which lattices are compared; made from the CRS where it is not given.
    """

    crs: CRS = field(compare=False)
    res: tuple[float, float]
    origin: tuple[float, float]
    wkt: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not all(size > 0 and math.isfinite(size) for size in self.res):
            raise OptionError(f"Expected a resolution > 0, but got {self.res}.")
        if not self.wkt:
            object.__setattr__(self, "wkt", self.crs.to_wkt())

    @classmethod
    def of_grid(cls, grid: GeoGrid, crs: CRS) -> "Lattice":
        """Return the lattice that a raster lies on, or the one nearest to it in another CRS.

        Args:
            grid: Grid of a raster; where it is rotated or south-up, the north-up lattice at its upper-left
                corner.
            crs: CRS of the lattice; where it is another than the raster's, pixels are
                square and as many as in the raster.
        """
        left, _, _, top = grid.bounds
        if same_crs(crs, grid.crs):
            return cls(crs, grid.res, (left, top))
        moved = outline(grid, crs)
        side = math.sqrt(moved.area / (grid.height * grid.width))
        return cls(crs, (side, side), (moved.bounds[0], moved.bounds[3]))

    @property
    def transform(self) -> Affine:
        """Maps (column, row) of pixel corners to (x, y)."""
        return Affine(self.res[0], 0.0, self.origin[0], 0.0, -self.res[1], self.origin[1])

    def at_res(self, res: tuple[float, float]) -> "Lattice":
        """Return the lattice of another pixel size with the same origin."""
        return self if res == self.res else Lattice(self.crs, res, self.origin, self.wkt)

    def fitted(self, bounds: Bounds) -> tuple["Lattice", Window]:
        """Return a lattice, and its window, whose edges are exactly these bounds.

        Args:
            bounds: (left, bottom, right, top) with an area.

        Returns:
            This lattice where the bounds lie on its pixel corners; otherwise one that begins at their
            upper-left corner and whose pixels are stretched or squeezed to divide them evenly.

        Examples:
            1000 m on 16 m pixels are 62 pixels of 16.13 m.
        """
        window = self.window(bounds)
        met = self.bounds(window)
        off = max(abs(a - b) / self.res[i % 2] for i, (a, b) in enumerate(zip(met, bounds, strict=True)))
        if off < SAME_PX:
            return self, window
        left, bottom, right, top = bounds
        res = ((right - left) / window.width, (top - bottom) / window.height)
        return Lattice(self.crs, res, (left, top), self.wkt), Window(0, 0, window.height, window.width)

    def window(self, bounds: Bounds) -> Window:
        """Snap bounds (left, bottom, right, top) with an area to whole pixels, at least one.

        The size is the extent divided by the pixel size, rounded, so equal extents give equal sizes wherever
        they lie; the upper-left corner goes to the nearest pixel corner.

        Examples:
            With 10 m pixels and origin (0, 100), the bounds (12, 58, 32, 88) give row 1, column 1, 3 x 2
            pixels.
        """
        left, bottom, right, top = bounds
        height = max(1, _nearest((top - bottom) / self.res[1]))
        width = max(1, _nearest((right - left) / self.res[0]))
        row = _nearest((self.origin[1] - top) / self.res[1])
        col = _nearest((left - self.origin[0]) / self.res[0])
        return Window(row, col, height, width)

    def bounds(self, window: Window) -> Bounds:
        """Return (left, bottom, right, top) of a window."""
        (x, y), (x_res, y_res) = self.origin, self.res
        return (
            x + window.col * x_res,
            y - window.row_stop * y_res,
            x + window.col_stop * x_res,
            y - window.row * y_res,
        )

    def crop(self, window: Window) -> GeoGrid:
        """Return the grid of a window."""
        left, _, _, top = self.bounds(window)
        transform = Affine(self.res[0], 0.0, left, 0.0, -self.res[1], top)
        return GeoGrid(self.crs, transform, (window.height, window.width))


def _nearest(value: float) -> int:
    """Round half up, so that equal fractions go the same way (Python's round goes to the even neighbour)."""
    return math.floor(value + 0.5)


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
