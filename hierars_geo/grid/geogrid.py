"""GeoGrid: where the pixels of a raster lie on the ground."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from affine import Affine
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from ..errors import RasterError
from ..types import Bounds
from .windows import Window

#: Relative error of a projection's scale below which its nominal pixel size is taken as true.
_NEARLY_TRUE = 0.01


@dataclass(frozen=True)
class GeoGrid:
    """CRS, geotransform and shape of a raster; a value, never an open file.

    Attributes:
        crs: Coordinate reference system.
        transform: Maps (column, row) of pixel corners to (x, y) in units of the CRS.
        shape: (height, width) in pixels.
    """

    crs: CRS = field(hash=False)  # hashing one writes it out as text
    transform: Affine
    shape: tuple[int, int]

    @classmethod
    def from_bounds(cls, crs: CRS, bounds: Bounds, res: tuple[float, float]) -> "GeoGrid":
        """Build the north-up grid that covers bounds, anchored at their upper-left corner.

        Args:
            crs: Coordinate reference system.
            bounds: (left, bottom, right, top) in units of the CRS.
            res: (x, y) pixel size in units of the CRS, > 0.

        Returns:
            The grid; its size is rounded to whole pixels, at least one.

        Raises:
            RasterError: The bounds are empty or a pixel size is not positive.
        """
        left, bottom, right, top = bounds
        if not (right > left and top > bottom and res[0] > 0 and res[1] > 0):
            raise RasterError(
                f"Expected bounds with an area and a resolution > 0, but got {bounds} and {res}."
            )
        height = max(1, round((top - bottom) / res[1]))
        width = max(1, round((right - left) / res[0]))
        return cls(crs, Affine(res[0], 0.0, left, 0.0, -res[1], top), (height, width))

    @property
    def height(self) -> int:
        """Rows."""
        return self.shape[0]

    @property
    def width(self) -> int:
        """Columns."""
        return self.shape[1]

    @property
    def res(self) -> tuple[float, float]:
        """(x, y) pixel size in units of the CRS, > 0, also for rotated grids."""
        t = self.transform
        return math.hypot(t.a, t.d), math.hypot(t.b, t.e)

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """(x, y) of the four corners, in the order of a ring."""
        ring = ((0, 0), (self.width, 0), (self.width, self.height), (0, self.height))
        return tuple(self.transform @ corner for corner in ring)

    @property
    def bounds(self) -> Bounds:
        """(left, bottom, right, top) of the outline, also for rotated and south-up grids."""
        xs, ys = zip(*self.corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def is_north_up(self) -> bool:
        """True where rows run south and columns run east, without rotation."""
        t = self.transform
        return t.b == 0 and t.d == 0 and t.a > 0 and t.e < 0

    def crop(self, window: Window) -> "GeoGrid":
        """Return the grid of a window of this one (which may reach beyond it)."""
        transform = self.transform @ Affine.translation(window.col, window.row)
        return GeoGrid(self.crs, transform, (window.height, window.width))

    def moved(self, dx: float, dy: float) -> "GeoGrid":
        """Return the grid with its georeferencing moved by (dx, dy) in units of the CRS."""
        return GeoGrid(self.crs, Affine.translation(dx, dy) @ self.transform, self.shape)

    def window_around(self, points: Sequence[tuple[float, float]]) -> Window:
        """Return the pixels that the bounds of some points (x, y) touch; it may reach beyond the grid."""
        to_pixels = ~self.transform
        cols, rows = zip(*(to_pixels @ point for point in points), strict=True)
        # a thousandth of a pixel is rounding, and no wish for one pixel more
        row, col = math.floor(min(rows) + 1e-3), math.floor(min(cols) + 1e-3)
        height, width = math.ceil(max(rows) - 1e-3) - row, math.ceil(max(cols) - 1e-3) - col
        return Window(row, col, max(height, 1), max(width, 1))

    def gsd_m(self) -> float:
        """Ground sampling distance in metres: the square root of a pixel's area at the raster's centre.

        Pixels are measured on the ellipsoid, so that 10 m means 10 m on the ground in degrees and in Web
        Mercator, too. Where a projection is true to a few per mille (UTM), its nominal size is returned.

        Raises:
            RasterError: The CRS has no relation to the Earth (local or engineering), or the raster lies
                outside the area where it is defined.
        """
        measured_m = _ellipsoidal_gsd_m(self)
        if self.crs.is_projected:
            nominal_m = math.sqrt(self.res[0] * self.res[1]) * self.crs.axis_info[0].unit_conversion_factor
            if abs(measured_m / nominal_m - 1) < _NEARLY_TRUE:
                return nominal_m
        return measured_m


def same_grid(a: GeoGrid, b: GeoGrid, tolerance_px: float = 1e-6) -> bool:
    """Tell whether two grids have the same CRS, shape and corners, to a tolerance in pixels of ``b``."""
    if a.shape != b.shape or not a.crs.equals(b.crs, ignore_axis_order=True):
        return False
    to_b = ~b.transform @ a.transform
    for col, row in ((0, 0), (a.width, 0), (0, a.height), (a.width, a.height)):
        col_b, row_b = to_b @ (col, row)
        if abs(col_b - col) > tolerance_px or abs(row_b - row) > tolerance_px:
            return False
    return True


def _ellipsoidal_gsd_m(grid: GeoGrid) -> float:
    geodetic = grid.crs.geodetic_crs
    geod = grid.crs.get_geod()
    if geodetic is None or geod is None:
        raise RasterError(
            f"Expected a CRS on the Earth, but got '{grid.crs.name}'. Assign the raster its CRS."
        )
    col, row = grid.width / 2, grid.height / 2
    corners = [grid.transform @ (col + dc, row + dr) for dc, dr in ((0, 0), (1, 0), (1, 1), (0, 1))]
    try:
        to_lonlat = Transformer.from_crs(grid.crs, geodetic, always_xy=True)
        lon, lat = to_lonlat.transform([x for x, _ in corners], [y for _, y in corners], errcheck=True)
    except ProjError as error:
        raise RasterError(
            f"Expected the raster's centre to lie on the Earth, but {error}. Check its CRS."
        ) from error
    if not -90 <= sum(lat) / len(lat) <= 90:  # PROJ hands degrees on as they are
        raise RasterError(
            f"Expected the raster's centre to lie on the Earth, but got latitude {sum(lat) / len(lat):g}. "
            "Check its geotransform."
        )
    area_m2, _ = geod.polygon_area_perimeter(lon, lat)
    return math.sqrt(abs(area_m2))
