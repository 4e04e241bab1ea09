"""Move polygons between coordinate reference systems, across the 180th meridian and over the poles, too."""

import math

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ..types import Bounds
from .geogrid import GeoGrid
from .longitudes import (
    POLE_DEG,
    Points,
    degrees_of,
    image_of,
    natural_origin,
    polygonal,
    ring_on_earth,
    short_way,
    turned,
    within_a_turn,
)

#: Where nobody says how exact an edge has to be: metres on the ground, and share of the extent.
_TOLERANCE_M, _TOLERANCE_OF_EXTENT = 1.0, 1e-5
_EARTH_RADIUS_M = 6_371_000.0
#: An edge is halved so many times at most: one that still does not fit then has a jump in it.
_MOST_HALVINGS = 14
_MOST_PIECES = 4_000_000
#: Degrees that the two sides of a seam are drawn apart, so that each is projected to its own end.
_OFF_THE_SEAM_DEG = 1e-9
#: What polygons that cannot be moved whole are cut to: the map, and this share of its extent around it.
_AROUND_MAP = 0.25


def same_crs(a: CRS, b: CRS) -> bool:
    """Tell whether two CRSs mean the same ground, axis order aside (rasters are always x, y)."""
    if a is b or a.equals(b, ignore_axis_order=True):
        return True
    code = a.to_epsg()
    return code is not None and code == b.to_epsg()


def outline(grid: GeoGrid, crs: CRS) -> BaseGeometry:
    """Return the outline of a raster in a CRS.

    It is exact in the raster's own CRS; in another one, edges follow their curve, see :func:`move`.
    """
    t, (height, width) = grid.transform, grid.shape
    corners = [t @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height))]
    return move(shapely.normalize(shapely.Polygon(corners)), grid.crs, crs)


def move(geometry: BaseGeometry, source: CRS, target: CRS, tolerance: float | None = None) -> BaseGeometry:
    """Move one geometry; see :func:`move_polygons`. In the same CRS it stays as it is."""
    if same_crs(source, target):
        return geometry
    moved: BaseGeometry = move_polygons(np.array([geometry], dtype=object), source, target, tolerance)[0]
    return moved


def move_polygons(
    geometries: NDArray[np.object_],
    source: CRS,
    target: CRS,
    tolerance: float | None = None,
    onto: Bounds | None = None,
) -> NDArray[np.object_]:
    """Move polygons into another CRS, as the ground that they are.

    Edges are straight in ``source`` and follow their curve in ``target``; an edge gets the same points
    whichever polygon it is of and whichever way it runs, so that neighbours stay neighbours. What crosses the
    seam of ``target`` (in longitudes the 180th meridian) is cut there; a polygon over a pole reaches to the
    pole along that cut.

    Args:
        geometries: (P,) polygons and multipolygons; parts of collections that have no area are left out.
        source: Their CRS.
        target: CRS to move them into.
        tolerance: Most that an edge may leave its curve by, in units of ``target``; default 1 m, or 1e-5 of
            the extent where that is less.
        onto: (left, bottom, right, top) of a map in ``target``. Polygons are turned by whole turns of the
            Earth to where the map is (``170..190`` and ``-190..-170`` are one place), and what ``target``
            cannot express whole is cut to the ground around the map.

    Returns:
        (P,) valid polygons and multipolygons; empty where ``target`` cannot express them.
    """
    moved = geometries
    if not same_crs(source, target):
        moved = _Move(source, target, tolerance, onto).polygons(geometries)
    return moved if onto is None else turned(moved, target, onto)


def to_lonlat(
    geometries: NDArray[np.object_], crs: CRS, tolerance: float | None = None
) -> NDArray[np.object_]:
    """Move polygons to longitude and latitude as GeoJSON wants them (RFC 7946, 3.1.6 and 3.1.9).

    Args:
        geometries: (P,) polygons and multipolygons.
        crs: Their CRS.
        tolerance: As in :func:`move_polygons`, in degrees of latitude.

    Returns:
        (P,) polygons and multipolygons within -180..180, cut at the 180th meridian, shells anticlockwise.
    """
    moved = move_polygons(geometries, crs, CRS.from_epsg(4326), tolerance).copy()
    west, _, east, _ = shapely.bounds(moved).T
    for at in np.flatnonzero((west < -180) | (east > 180)):
        moved[at] = polygonal(within_a_turn(moved[at]))
    return shapely.orient_polygons(moved, exterior_cw=False)


class _Move:
    """Moves polygons from one CRS to another."""

    def __init__(self, source: CRS, target: CRS, tolerance: float | None, onto: Bounds | None) -> None:
        self._source, self._target = source, target
        self._tolerance, self._onto = tolerance, onto
        self._image = image_of(source, target)
        self._degrees = degrees_of(target) if target.is_geographic else None

    def polygons(self, geometries: NDArray[np.object_]) -> NDArray[np.object_]:
        """Move them: all at once, then one by one those with a seam or a pole in them."""
        parts, owners = shapely.get_parts(geometries, return_index=True)
        if any(kind not in (3, -1) for kind in np.unique(shapely.get_type_id(parts))):
            cleaned = np.array([polygonal(geometry) for geometry in geometries], dtype=object)
            parts, owners = shapely.get_parts(cleaned, return_index=True)
        filled = ~shapely.is_empty(parts)
        parts, owners = parts[filled], owners[filled]
        moved = np.full(len(geometries), shapely.Polygon(), dtype=object)
        if not len(parts):
            return moved
        _, points, (rings, shells) = shapely.to_ragged_array(parts)
        dense, dense_rings = self._dense(points[:, :2], rings)
        image = self._image(dense)
        placed = self._unbroken(image, dense_rings)
        whole = np.logical_and.reduceat(placed, shells[:-1])
        built = np.full(len(parts), shapely.Polygon(), dtype=object)
        image[~np.isfinite(image)] = 0  # of polygons that are not whole
        straight = shapely.from_ragged_array(shapely.GeometryType.POLYGON, image, (dense_rings, shells))
        built[whole] = straight[whole]
        broken = np.unique(owners[~whole])
        lone = np.bincount(owners, minlength=len(geometries)) == 1
        single = lone[owners]
        moved[owners[single]] = built[single]
        if not single.all():
            several, index = np.unique(owners[~single], return_inverse=True)
            moved[several] = shapely.multipolygons(built[~single], indices=index)
        for at in broken:
            moved[at] = self._cut(geometries[at])
        invalid = ~shapely.is_valid(moved)
        moved[invalid] = [
            polygonal(shapely.make_valid(geometry, method="structure", keep_collapsed=False))
            for geometry in moved[invalid]
        ]
        return moved

    def _dense(self, points: Points, rings: NDArray[np.integer]) -> tuple[Points, NDArray[np.integer]]:
        """Add points to rings where their edges bend; return points and where each ring starts."""
        first = np.ones(len(points), dtype=np.bool_)
        first[rings[1:-1] - 1] = False
        first[-1] = False
        start = np.flatnonzero(first)
        owner, share = self._bends(points[start], points[start + 1])
        if not len(owner):
            return points, rings
        edge = start[owner]
        position = np.concatenate([np.arange(len(points)), edge + share])
        order = np.argsort(position, kind="stable")
        added = points[edge] + share[:, None] * (points[edge + 1] - points[edge])
        # written from the same end whichever way the edge runs, so that both sides get the same numbers
        back = _runs_back(points[edge], points[edge + 1])
        added[back] = (
            points[edge + 1][back] + (1 - share[back])[:, None] * (points[edge] - points[edge + 1])[back]
        )
        before = np.concatenate([[0], np.cumsum(np.bincount(edge, minlength=len(points)))])
        return np.concatenate([points, added])[order], rings + before[rings]

    def _bends(self, a: Points, b: Points) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Halve edges until each piece is as straight as asked for: (edge, share of its length) of points."""
        back = _runs_back(a, b)
        a, b = np.where(back[:, None], b, a), np.where(back[:, None], a, b)
        start, end = self._image(a), self._image(b)
        tolerance = self._tolerance_of(start)
        owner, low, high = np.arange(len(a)), np.zeros(len(a)), np.ones(len(a))
        owners, shares = [], []
        for _ in range(_MOST_HALVINGS):
            p, q = a[owner], b[owner] - a[owner]
            thirds = [self._image(p + (low + third * (high - low))[:, None] * q) for third in (1 / 3, 2 / 3)]
            (x1, y1), (x2, y2), (x, y) = (self._steps(point, start).T for point in (*thirds, end))
            # where longitudes shrink towards a pole, they count as what they are on the ground
            shrink = 1.0 if self._degrees is None else np.cos(np.radians(end[:, 1] * self._degrees))
            off = np.maximum(
                np.hypot((x1 - x / 3) * shrink, y1 - y / 3),
                np.hypot((x2 - x * 2 / 3) * shrink, y2 - y * 2 / 3),
            )
            bent = ~(off <= 0.7 * tolerance)  # the largest of a cubic lies between the thirds
            bent &= np.any([np.isfinite(point).all(axis=1) for point in (start, end, *thirds)], axis=0)
            if not bent.any() or len(owner) > _MOST_PIECES:
                break
            owner, low, high, start, end = owner[bent], low[bent], high[bent], start[bent], end[bent]
            half = (low + high) / 2
            middle = self._image(a[owner] + half[:, None] * (b[owner] - a[owner]))
            owners.append(owner)
            shares.append(np.where(back[owner], 1 - half, half))
            low, high = np.concatenate([low, half]), np.concatenate([half, high])
            start, end = np.concatenate([start, middle]), np.concatenate([middle, end])
            owner = np.concatenate([owner, owner])
        if not owners:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        return np.concatenate(owners), np.concatenate(shares)

    def _tolerance_of(self, image: Points) -> float:
        if self._tolerance is not None:
            return self._tolerance * (self._degrees or 1.0)
        finite = image[np.isfinite(image).all(axis=1)]
        extent = float(np.ptp(finite, axis=0).max()) if len(finite) else 0.0
        if self._degrees is not None:
            metre = math.degrees(1 / _EARTH_RADIUS_M)
        else:
            metre = 1 / (self._target.axis_info[0].unit_conversion_factor or 1.0)
        share = extent * (self._degrees or 1.0) * _TOLERANCE_OF_EXTENT
        return min(_TOLERANCE_M * metre, share) if share > 0 else _TOLERANCE_M * metre

    def _steps(self, there: Points, here: Points) -> Points:
        """Steps between points; in longitude and latitude degrees, and the short way round."""
        steps = there - here
        if self._degrees is None:
            return steps
        steps = steps * self._degrees
        return np.stack([short_way(steps[:, 0]), steps[:, 1]], axis=1)

    def _unbroken(self, image: Points, rings: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Tell which rings have no jump in them and lie where the CRS is defined."""
        bad = ~np.isfinite(image).all(axis=1)
        step = np.abs(np.diff(image, axis=0, append=image[-1:]))
        step[rings[1:] - 1] = 0
        if self._degrees is not None:
            bad |= np.abs(image[:, 1]) * self._degrees > POLE_DEG
            bad |= ~(step[:, 0] * self._degrees < 180)
        else:
            # pieces of an edge are short; only a seam makes one as long as half the Earth's radius
            unit = self._target.axis_info[0].unit_conversion_factor or 1.0
            bad |= ~(step.max(axis=1) * unit < _EARTH_RADIUS_M / 2)
        return ~np.logical_or.reduceat(bad, rings[:-1])

    def _cut(self, geometry: BaseGeometry) -> BaseGeometry:
        """Move a geometry with a seam or a pole in it by way of longitudes and latitudes."""
        base = self._target if self._degrees is not None else self._target.geodetic_crs
        if base is None or base.get_geod() is None:
            return shapely.Polygon()
        degrees = degrees_of(base)
        lonlat = self._in_degrees(geometry, base)
        if self._degrees is not None:
            return shapely.transform(lonlat, lambda xy: xy / degrees)
        found = natural_origin(self._target)
        piece = _off_the_seam(lonlat, 180.0 if found is None else found[1] + 180.0)
        if self._onto is not None:
            left, bottom, right, top = self._onto
            margin = _AROUND_MAP * max(right - left, top - bottom)
            near = shapely.box(left - margin, bottom - margin, right + margin, top + margin)
            ground = _Move(self._target, base, None, None)._in_degrees(near, base)
            piece = polygonal(shapely.intersection(piece, ground))
        back = _Move(base, self._target, self._tolerance, None)
        return back._straight(shapely.transform(piece, lambda xy: xy / degrees))

    def _in_degrees(self, geometry: BaseGeometry, base: CRS) -> BaseGeometry:
        """Return a geometry as longitudes and latitudes within -180..180 on a geographic CRS."""
        degrees = degrees_of(base)
        if same_crs(self._source, base):
            return within_a_turn(shapely.transform(geometry, lambda xy: xy * degrees))
        if self._source.is_geographic and not self._source.is_derived:  # straight in longitude and latitude
            image, own = image_of(self._source, base), degrees_of(self._source)
            cut = within_a_turn(shapely.transform(geometry, lambda xy: xy * own))
            moved = shapely.transform(cut, lambda xy: _beside(image(xy / own) * degrees, xy))
            return within_a_turn(shapely.make_valid(moved, method="structure", keep_collapsed=False))
        through = self if base is self._target else _Move(self._source, base, None, None)
        return shapely.union_all([through._filled(part, degrees) for part in shapely.get_parts(geometry)])

    def _filled(self, polygon: shapely.Polygon, degrees: float) -> BaseGeometry:
        """Fill the rings of a polygon on the Earth, holes taken out."""
        rings = []
        for ring in (polygon.exterior, *polygon.interiors):
            anticlockwise = shapely.orient_polygons(shapely.Polygon(ring), exterior_cw=False)
            points = shapely.get_coordinates(anticlockwise)
            dense, _ = self._dense(points, np.array([0, len(points)]))
            rings.append(ring_on_earth(self._image(dense) * degrees))
        return shapely.difference(rings[0], shapely.union_all(rings[1:])) if len(rings) > 1 else rings[0]

    def _straight(self, geometry: BaseGeometry) -> BaseGeometry:
        """Move a geometry that has no seam in it; empty where it cannot be moved."""
        parts = shapely.get_parts(geometry)
        if geometry.is_empty:
            return geometry
        _, points, (rings, shells) = shapely.to_ragged_array(parts)
        dense, dense_rings = self._dense(points, rings)
        image = self._image(dense)
        if not np.isfinite(image).all():
            return shapely.Polygon()
        built = shapely.from_ragged_array(shapely.GeometryType.POLYGON, image, (dense_rings, shells))
        return polygonal(
            shapely.union_all(shapely.make_valid(built, method="structure", keep_collapsed=False))
        )


def _runs_back(a: Points, b: Points) -> NDArray[np.bool_]:
    """Tell which edges end before they start, in the order of x, then y."""
    back: NDArray[np.bool_] = (b[:, 0] < a[:, 0]) | ((b[:, 0] == a[:, 0]) & (b[:, 1] < a[:, 1]))
    return back


def _beside(lonlat: Points, near: Points) -> Points:
    """Turn longitudes to those that they were before a change of datum."""
    return np.stack([near[:, 0] + short_way(lonlat[:, 0] - near[:, 0]), lonlat[:, 1]], axis=1)


def _off_the_seam(lonlat: BaseGeometry, seam: float) -> BaseGeometry:
    """Cut a geometry at a meridian; longitudes of its parts stay off it by a hair."""
    low, high = seam - 360.0 + _OFF_THE_SEAM_DEG, seam - _OFF_THE_SEAM_DEG
    whole = within_a_turn(lonlat, seam - 360.0)
    return shapely.transform(whole, lambda xy: np.stack([np.clip(xy[:, 0], low, high), xy[:, 1]], axis=1))
