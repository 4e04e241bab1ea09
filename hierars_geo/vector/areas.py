"""Areas in m2 on the ellipsoid, for any CRS of the Earth.

The area of a polygon is that of its outline as drawn in its CRS, measured on the ellipsoid of that CRS: what
an equal-area projection gives. Planar areas would be off by up to 0.2 % in UTM, by a factor of 2 in Web
Mercator at 45 degrees, and mean nothing in degrees. An edge that is straight in the CRS is bent in the
equal-area projection: where it is longer than a few pixels it is taken as the parabola through its two ends
and its middle. The result is right to 1e-6 at worst (Mercator and conic maps far from their standard
parallels) and to 1e-8 in UTM. The area of a parent is the sum of its children's.
"""

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Proj

from ..grid import GeoGrid
from ..grid.ground import Points, geod_of, to_radians
from .borders import border_pieces
from .regions import OUTSIDE, Regions

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


#: Shorter edges stay straight when they are projected.
SHORT_EDGE_M = 50.0
#: Longer edges are cut before they are projected.
MAX_EDGE_M = 10_000.0
#: Points that are projected at once: bounds the memory.
_BATCH = 1 << 20


def polygon_areas_m2(
    polygons: NDArray[np.object_], crs: CRS, projection: EqualArea | None = None
) -> NDArray[np.float64]:
    """Measure polygons on the ellipsoid.

    Args:
        polygons: (n,) shapely polygons or multipolygons in ``crs``, x (longitude, easting) first.
        crs: A CRS of the Earth, in any unit.
        projection: Where to measure; default around the polygons. Parts of a coverage that are measured
            apart add up exactly in one and the same.

    Returns:
        (n,) m2; 0 for an empty geometry.

    Raises:
        RasterError: The CRS is not of the Earth, or a point has no place on it.
    """
    parts, polygon_of_part = shapely.get_parts(polygons, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    points, ring_of_point = shapely.get_coordinates(rings, return_index=True)
    if len(points) == 0:
        return np.zeros(len(polygons))
    points = np.ascontiguousarray(points.T)
    projection = equal_area_around(points, crs) if projection is None else projection
    projected = _project(points, projection)
    start = np.flatnonzero(ring_of_point[1:] == ring_of_point[:-1])
    strips = _edge_areas_m2(points, projected, start, start + 1, projection)
    areas = np.abs(_sum_by(ring_of_point[start], strips, len(rings)))
    is_hole = np.diff(part_of_ring, prepend=-1) == 0
    signed = np.where(is_hole, -areas, areas)
    return _sum_by(polygon_of_part[part_of_ring], signed, len(polygons))


def region_areas_m2(regions: Regions, grid: GeoGrid) -> NDArray[np.float64]:
    """Measure regions on the ellipsoid by their borders: the same areas as those of their polygons.

    Returns:
        (R,) m2; 0 for :data:`~.regions.OUTSIDE`.

    Raises:
        RasterError: The CRS is not of the Earth, or a point has no place on it.
    """
    areas = np.zeros(len(regions.path))
    if regions.count == 0:
        return areas
    corners = np.stack(regions.coordinates(grid.transform))
    projection = equal_area_around(corners, grid.crs)
    projected = _project(corners, projection)
    for pieces in border_pieces(regions.quadrants):
        end = regions.links.ends(pieces.heading, pieces.start)
        strips = _edge_areas_m2(corners, projected, pieces.start, end, projection)
        areas += _sum_by(pieces.left, strips, len(areas)) - _sum_by(pieces.right, strips, len(areas))
    areas = np.abs(areas)
    areas[OUTSIDE] = 0
    return areas


def equal_area_around(points: Points, crs: CRS) -> EqualArea:
    """Return the projection to measure in, by the points (2, k) of what is measured.

    Raises:
        RasterError: The CRS is not of the Earth, or the middle of the points has no place on it.
    """
    (left, bottom), (right, top) = points.min(axis=1).tolist(), points.max(axis=1).tolist()
    return EqualArea(crs, (left, bottom, right, top))


def _project(points: Points, projection: EqualArea) -> Points:
    """Project (2, k) points, some at a time."""
    projected = np.empty(points.shape)
    for at in range(0, points.shape[1], _BATCH):
        projected[:, at : at + _BATCH] = projection.project(points[:, at : at + _BATCH])
    return projected


def _edge_areas_m2(
    points: Points,
    projected: Points,
    start: NDArray[np.integer],
    end: NDArray[np.integer],
    projection: EqualArea,
) -> NDArray[np.float64]:
    """Measure between each edge and an axis: over a ring this adds up to its area, > 0 where anticlockwise.

    Args:
        points: (2, k) x and y in the CRS.
        projected: (2, k) the same points in the projection.
        start: (n,) point that each edge starts at.
        end: (n,) point that it ends at.
        projection: Of the CRS to equal areas.

    Returns:
        (n,) m2, of any sign.
    """
    x, y = projected
    areas: NDArray[np.float64] = (x[start] + x[end]) * (y[end] - y[start]) / 2
    length_m = np.hypot(*(points[:, end] - points[:, start])) / projection.units_per_m
    long = np.flatnonzero(length_m > SHORT_EDGE_M)
    for at in range(0, len(long), _BATCH):
        some = long[at : at + _BATCH]
        areas[some] = _measure_bent(points[:, start[some]], points[:, end[some]], length_m[some], projection)
    return areas


def _measure_bent(
    start: Points, end: Points, length_m: NDArray[np.float64], projection: EqualArea
) -> NDArray[np.float64]:
    """(n,) area between edges and an axis, from their ends in the CRS, (2, n) each."""
    count = start.shape[1]
    pieces = np.maximum(1, np.ceil(length_m / MAX_EDGE_M)).astype(np.int64)
    edge = np.repeat(np.arange(count), pieces)
    nth = np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    step = (end - start)[:, edge] / pieces[edge]
    first = start[:, edge] + step * nth
    last = np.where(nth + 1 == pieces[edge], end[:, edge], first + step)
    points = np.concatenate([first, (first + last) / 2, last], axis=1)
    (x0, x1, x2), (y0, y1, y2) = projection.project(points).reshape(2, 3, -1)
    chord = (x0 + x2) * (y2 - y0) / 2
    # 4/3 of the triangle over the chord (Archimedes' quadrature of the parabola)
    bend = ((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) * (2 / 3)
    return _sum_by(edge, chord + bend, count)


def _sum_by(group: NDArray[np.integer], values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(count,) sums of values by group; float also where there is none."""
    return np.bincount(group, weights=values, minlength=count).astype(np.float64)
