"""From pixels to the ellipsoid in any CRS: what scale bars, north arrows and areas need."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import ProjError

from ..errors import RasterError
from .geogrid import GeoGrid

#: (2, n) float64: x (longitude, easting) and y (latitude, northing) of points.
Points = NDArray[np.float64]


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
    """Measure a grid in any CRS on the Earth, a rotated or south-up one too, at its centre.

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


def pixel_steps_m(
    grid: GeoGrid, points: NDArray[np.float64], step_px: tuple[float, float] = (1.0, 1.0)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Earth-centred positions of points and the vectors of one column and one row there.

    Geocentric coordinates have neither a date line nor poles, and hold a metre to 1e-9.

    Args:
        grid: The grid.
        points: (n, 2) as (column, row).
        step_px: Columns and rows over which a vector is measured around its point. The inverse of a
            projection may be a millimetre off, which is much of a small pixel.

    Returns:
        Positions (n, 3), steps (n, 2, 3), metres; not finite where a point is outside the CRS's domain.

    Raises:
        RasterError: The CRS has no relation to the Earth.
    """
    geod = geod_of(grid.crs)
    offsets = np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]]) * step_px  # columns, rows
    cols, rows = np.moveaxis(points[:, None] + offsets, -1, 0)
    x, y = grid.transform @ (cols, rows)
    lonlat = to_radians(np.stack([x.ravel(), y.ravel()]), grid.crs, strict=False).reshape(2, *cols.shape)
    outside = ~np.isfinite(lonlat).all(axis=0) | (np.abs(lonlat[1]) > math.pi / 2)
    lam, phi = np.where(outside, 0, lonlat)
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
    steps /= np.array(step_px)[:, None]
    return position.mean(axis=1), steps


def to_radians(points: Points, crs: CRS, strict: bool = True) -> Points:
    """Turn points (2, n) of a CRS of the Earth into longitude and latitude on its own datum, in radians.

    Points without a place on the Earth are refused, or become infinite where that is not ``strict``.

    Raises:
        RasterError: The CRS is not of the Earth, or a point has no place on it.
    """
    rotated = crs.is_geographic and crs.is_derived
    if crs.is_geographic and not rotated:
        return points * crs.axis_info[0].unit_conversion_factor
    base = crs.source_crs if rotated else crs.geodetic_crs
    if base is None:
        raise _not_on_earth(crs)
    # pyproj takes arrays of one for numbers, of which NumPy warns or which it refuses, by its version.
    x, y = points[:, 0].tolist() if points.shape[1] == 1 else points
    try:
        lonlat = Transformer.from_crs(crs, base, always_xy=True).transform(x, y, errcheck=strict)
    except ProjError as error:
        raise RasterError(
            f"Expected every pixel to lie on the Earth, but {error} (CRS {crs.name}). Check the raster's CRS."
        ) from error
    return np.reshape(lonlat, points.shape) * base.axis_info[0].unit_conversion_factor


def geod_of(crs: CRS) -> Geod:
    """Return the ellipsoid of a CRS.

    Raises:
        RasterError: The CRS is not of the Earth (local or engineering).
    """
    geod = crs.get_geod()
    if geod is None:
        raise _not_on_earth(crs)
    return geod


def _not_on_earth(crs: CRS) -> RasterError:
    return RasterError(f"Expected a CRS on the Earth, but got '{crs.name}'. Assign the raster its CRS.")


def _north(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector to true north in the plane that touches the Earth at a position (its axis at a pole)."""
    up = position / np.linalg.norm(position)
    axis = np.array([0.0, 0.0, 1.0])
    north = axis - (axis @ up) * up
    length = np.linalg.norm(north)
    return north / length if length > 1e-9 else axis
