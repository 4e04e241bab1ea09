"""From pixels to metres on the ellipsoid: what scale bars, north arrows and areas need, in any CRS."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from ..errors import RasterError
from ..grid import GeoGrid

#: Rows and columns at which the pixel area is computed; between them it is interpolated.
_AREA_ROWS = 257
_AREA_COLS = 9


@dataclass(frozen=True)
class GroundFrame:
    """How a map lies on the ground, to first order around its centre.

    Attributes:
        col_m: Metres from one column to the next.
        row_m: Metres from one row to the next.
        north_deg: Direction of true north, degrees clockwise from the map's upper edge, in (-180, 180].
    """

    col_m: float
    row_m: float
    north_deg: float


def ground_frame(grid: GeoGrid) -> GroundFrame:
    """Measure a grid at its centre.

    Args:
        grid: Any CRS on the Earth, rotated and south-up grids included.

    Returns:
        Pixel steps in metres and the direction of true north.

    Raises:
        RasterError: The CRS has no relation to the Earth, or the centre lies outside it.
    """
    centre = np.array([[grid.width / 2, grid.height / 2]])
    position, steps = pixel_steps_m(grid, centre)
    if not np.isfinite(steps).all():
        raise RasterError(
            f"Expected the raster's centre to lie on the Earth, but got bounds {grid.bounds} in "
            f"'{grid.crs.name}'. Check its CRS."
        )
    axis, step = position[0], steps[0]
    along, *_ = np.linalg.lstsq(step.T, _north(axis), rcond=None)
    col_m, row_m = np.linalg.norm(step, axis=1)
    north_deg = math.degrees(math.atan2(along[0] * col_m, -along[1] * row_m))
    return GroundFrame(float(col_m), float(row_m), north_deg)


def row_pixel_areas_m2(grid: GeoGrid) -> NDArray[np.float64]:
    """Area of one pixel on the ellipsoid, row by row.

    In a geographic grid or Web Mercator it changes from row to row; where it changes along a row too (a wide
    transverse Mercator grid: at most 1 in 1000 within a zone) the mean over the row is taken.

    Args:
        grid: Any CRS on the Earth.

    Returns:
        (height,) square metres.

    Raises:
        RasterError: No pixel lies on the Earth.
    """
    rows = np.linspace(0.5, grid.height - 0.5, min(grid.height, _AREA_ROWS))
    cols = (np.arange(_AREA_COLS) + 0.5) / _AREA_COLS * grid.width
    points = np.stack(np.meshgrid(cols, rows), axis=-1).reshape(-1, 2)
    _, steps = pixel_steps_m(grid, points)
    areas = np.linalg.norm(np.cross(steps[:, 0], steps[:, 1]), axis=1).reshape(len(rows), len(cols))
    finite = np.isfinite(areas)
    usable = finite.any(axis=1)
    if not usable.any():
        raise RasterError(
            f"Expected a raster on the Earth, but got bounds {grid.bounds} in '{grid.crs.name}'. "
            "Check its CRS."
        )
    means = np.where(finite, areas, 0).sum(axis=1)[usable] / finite.sum(axis=1)[usable]
    areas_m2: NDArray[np.float64] = np.interp(np.arange(grid.height) + 0.5, rows[usable], means)
    return areas_m2


def pixel_steps_m(
    grid: GeoGrid, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Earth-centred positions of points and the vectors of one column and one row there.

    Geocentric coordinates have neither a date line nor poles, and hold a metre to 1e-9.

    Args:
        grid: The grid.
        points: (n, 2) as (column, row).

    Returns:
        Positions (n, 3), steps (n, 2, 3), metres; not finite where a point is outside the CRS's domain.
    """
    geodetic, geod = grid.crs.geodetic_crs, grid.crs.get_geod()
    if geodetic is None or geod is None:
        raise RasterError(
            f"Expected a CRS on the Earth, but got '{grid.crs.name}'. Assign the raster its CRS."
        )
    offsets = np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]])
    cols, rows = np.moveaxis(points[:, None] + offsets, -1, 0)
    t = grid.transform
    to_lonlat = Transformer.from_crs(grid.crs, geodetic, always_xy=True)
    lon, lat = to_lonlat.transform(t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f)
    outside = ~(np.isfinite(lon) & np.isfinite(lat)) | (np.abs(lat) > 90)
    lam, phi = np.radians(np.where(outside, 0, lon)), np.radians(np.where(outside, 0, lat))
    normal = geod.a / np.sqrt(1 - geod.es * np.sin(phi) ** 2)
    position = np.stack(
        (
            normal * np.cos(phi) * np.cos(lam),
            normal * np.cos(phi) * np.sin(lam),
            normal * (1 - geod.es) * np.sin(phi),
        ),
        axis=-1,
    )
    position[outside] = np.nan
    steps = np.stack((position[:, 1] - position[:, 0], position[:, 3] - position[:, 2]), axis=1)
    return position.mean(axis=1), steps


def _north(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector to true north in the plane that touches the Earth at a position (its axis at a pole)."""
    up = position / np.linalg.norm(position)
    axis = np.array([0.0, 0.0, 1.0])
    north = axis - (axis @ up) * up
    length = np.linalg.norm(north)
    return north / length if length > 1e-9 else axis


__all__ = ("GroundFrame", "ground_frame", "pixel_steps_m", "row_pixel_areas_m2")
