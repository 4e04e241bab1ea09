"""From any CRS of the Earth to metres: equal-area coordinates, and the size of a pixel on the ground."""

import numpy as np
from pyproj import CRS, Proj

from ..grid import GeoGrid
from ..grid.ground import Points, geod_of, to_radians

#: Draws the two ends of a map of the whole Earth off the meridian that both lie on.
_OFF_THE_SEAM = 1 - 1e-9


class EqualArea:
    """Project coordinates so that planar areas are areas on the ellipsoid.

    Geographic coordinates, and any that reach round half the Earth, go to the cylindrical equal-area
    projection; all others to the azimuthal one around the middle of the data, where straight lines bend
    least.

    Args:
        crs: A CRS of the Earth, in any unit.
        bounds: (left, bottom, right, top) of the data in ``crs``.

    Raises:
        RasterError: The CRS is not of the Earth, or the middle has no place on it.
    """

    def __init__(self, crs: CRS, bounds: tuple[float, float, float, float]) -> None:
        left, bottom, right, top = bounds
        self._crs = crs
        self._centre_x = (left + right) / 2
        self._middle = to_radians(np.array([[left + right], [bottom + top]]) / 2, crs)[:, 0]
        geod = geod_of(crs)
        self._ellipsoid = (geod.a, geod.b)
        outline = np.array([[left, left, right, right], [bottom, top, bottom, top]])
        self._azimuthal = None if crs.is_geographic else self._azimuthal_for(outline)

    @property
    def units_per_m(self) -> float:
        """Units of the CRS in a metre (along a meridian, where they are angles)."""
        unit = self._crs.axis_info[0].unit_conversion_factor
        return float(1 / (unit * self._ellipsoid[0] if self._crs.is_geographic else unit))

    def project(self, points: Points) -> Points:
        """Turn points in the CRS into metres of the equal-area projection.

        Raises:
            RasterError: A point has no place on the Earth.
        """
        if self._crs.is_geographic:
            return self._cylindrical(to_radians(points, self._crs))
        if self._azimuthal is None:
            return self._cylindrical(self._unrolled(points))
        lon, lat = to_radians(points, self._crs)
        return np.stack(self._azimuthal(lon, lat, radians=True))

    def _unrolled(self, points: Points) -> Points:
        """Return longitude and latitude, longitudes without a jump at the 180th meridian."""
        x = self._centre_x + (points[0] - self._centre_x) * _OFF_THE_SEAM
        lon, lat = to_radians(np.stack([x, points[1]]), self._crs)
        turns = np.rint((lon - self._middle[0]) / (2 * np.pi))
        return np.stack([lon - 2 * np.pi * turns, lat])

    def _azimuthal_for(self, outline: Points) -> Proj | None:
        """Return the azimuthal projection, None where the data reach further than 60 degrees."""
        a, b = self._ellipsoid
        lon, lat = np.degrees(self._middle)
        azimuthal = Proj(proj="laea", lon_0=lon, lat_0=lat, a=a, b=b)
        lonlat = to_radians(outline, self._crs, strict=False)
        distance = np.hypot(*azimuthal(lonlat[0], lonlat[1], radians=True))
        return azimuthal if bool((distance < a).all()) else None

    def _cylindrical(self, radians: Points) -> Points:
        """Equal-area cylindrical projection (Snyder 1987, p. 76); keeps meridians and parallels straight."""
        a, b = self._ellipsoid
        e = np.sqrt(1 - (b / a) ** 2)
        y = np.sin(radians[1])
        if e > 0:
            y = (1 - e**2) / 2 * (y / (1 - (e * y) ** 2) + np.arctanh(e * y) / e)
        return a * np.stack([radians[0], y])


def pixel_size_m(grid: GeoGrid) -> tuple[float, float]:
    """Return (width, height) in metres on the ground of the pixel in the middle of a raster.

    Raises:
        RasterError: The CRS is not of the Earth, or the middle has no place on it.
    """
    col, row = grid.width / 2, grid.height / 2
    ends = [grid.transform @ (col + dc, row + dr) for dc, dr in ((-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5))]
    lon, lat = np.degrees(to_radians(np.array(ends).T, grid.crs))
    _, _, metres = geod_of(grid.crs).inv(lon[::2], lat[::2], lon[1::2], lat[1::2])
    return float(metres[0]), float(metres[1])


__all__ = ("EqualArea", "Points", "geod_of", "pixel_size_m", "to_radians")
