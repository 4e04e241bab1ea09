"""Longitudes: where a turn of the Earth begins, rings over poles, and projections without end."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from shapely.geometry.base import BaseGeometry

from ..errors import RasterError
from ..types import Bounds
from .geogrid import GeoGrid

#: (n, 2) float64: x (longitude, easting) and y (latitude, northing) of points.
Points = NDArray[np.float64]
#: Turns points of one CRS into points of another; NaN where there is no answer.
Image = Callable[[Points], Points]

#: Latitudes this close to 90 degrees are the pole, which has no longitude.
POLE_DEG = 90 - 1e-9
#: Projections of which each 360 degrees look like the last.
_CYLINDRICAL = frozenset({"merc", "webmerc", "eqc", "cea", "mill"})


def image_of(source: CRS, target: CRS) -> Image:
    """Return the function that moves points, x (longitude, easting) first; NaN where PROJ has no answer.

    Raises:
        RasterError: One of the CRSs is not of the Earth.
    """
    try:
        transformer = Transformer.from_crs(source, target, always_xy=True)
    except ProjError as error:
        raise RasterError(
            f"Expected two CRSs of the Earth, but '{source.name}' cannot be moved into '{target.name}'. "
            "Assign the layer or the raster its CRS."
        ) from error

    def image(points: Points) -> Points:
        if not len(points):
            return points
        try:
            # of an array of one point pyproj makes a number, of which NumPy before 2.4 warns
            x, y = transformer.transform(*(points.T if len(points) > 1 else points.T.tolist()))
        except ProjError:  # PROJ refuses all where it has no answer for some
            pairs = [_lone(transformer, x, y) for x, y in points.tolist()]
            return np.array(pairs, dtype=np.float64)
        moved = np.stack([x, y], axis=1)
        moved[~np.isfinite(moved).all(axis=1)] = np.nan
        return moved

    return image


def _lone(transformer: Transformer, x: float, y: float) -> tuple[float, float]:
    try:
        moved: tuple[float, float] = transformer.transform(x, y)
    except ProjError:
        return math.nan, math.nan
    return moved


def degrees_of(crs: CRS) -> float:
    """Degrees in a unit of a geographic CRS; 1 exactly for those in degrees."""
    degrees = math.degrees(crs.axis_info[0].unit_conversion_factor)
    return 1.0 if abs(degrees - 1) < 1e-12 else degrees


def natural_origin(crs: CRS) -> tuple[str, float] | None:
    """PROJ's name of a projection and the meridian in its middle, in degrees; None where it has none."""
    operation = crs.coordinate_operation
    if operation is None:
        return None
    terms = dict(
        term.partition("=")[::2] for term in operation.to_proj4().replace("+", "").split() if "=" in term
    )
    if terms.get("proj") == "utm":
        return "tmerc", 6.0 * int(terms["zone"]) - 183.0
    if "lon_0" not in terms and terms.get("proj") not in _CYLINDRICAL:
        return None
    return terms.get("proj", ""), float(terms.get("lon_0", 0))


def turn_of(crs: CRS) -> float | None:
    """Return how far apart two places that are one lie along x, in units of the CRS; None where none are."""
    if crs.is_geographic:
        return 2 * math.pi / crs.axis_info[0].unit_conversion_factor
    found = natural_origin(crs)
    if found is None or found[0] not in _CYLINDRICAL or crs.geodetic_crs is None:
        return None
    forth = image_of(crs.geodetic_crs, crs)
    half = forth(np.array([[found[1] + 90.0, 0.0]]) / degrees_of(crs.geodetic_crs))
    centre = forth(np.array([[found[1], 0.0]]) / degrees_of(crs.geodetic_crs))
    return abs(float(half[0, 0] - centre[0, 0])) * 4


def shifted(geometry: Any, x: float) -> Any:  # noqa: ANN401 (a geometry or an array of them)
    """Move geometries along x."""
    return geometry if x == 0 else shapely.transform(geometry, lambda xy: xy + np.array([x, 0.0]))


def every_turn(geometries: NDArray[np.object_], crs: CRS) -> NDArray[np.object_]:
    """Return geometries (P,), and where places of a CRS come again, a turn west and east of them: (3 P,)."""
    turn = turn_of(crs)
    turns = () if turn is None else (shifted(geometries, -turn), shifted(geometries, turn))
    return np.concatenate([geometries, *turns])


def short_way(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring differences of longitude to -180..180."""
    turned: NDArray[np.float64] = degrees - 360 * np.rint(degrees / 360)
    return turned


def ring_on_earth(lonlat: Points) -> BaseGeometry:
    """Fill a ring that runs anticlockwise in a plane; one that goes round the Earth has a pole inside."""
    lonlat = lonlat[np.isfinite(lonlat).all(axis=1)]
    if len(lonlat) < 4:
        return shapely.Polygon()
    lon, lat = lonlat.T
    at_pole = np.abs(lat) > POLE_DEG
    if at_pole.any() and not at_pole.all():
        # along the pole from the longitude that the ring arrives by to the one that it leaves by
        first = int(np.flatnonzero(~at_pole)[0])
        lon, lat = (np.append(np.roll(axis[:-1], -first), axis[first]) for axis in (lon, lat))
        known = np.flatnonzero(np.abs(lat) <= POLE_DEG)
        every = np.arange(len(lat))
        before = known[np.searchsorted(known, every, side="right") - 1]
        after = known[np.minimum(np.searchsorted(known, every), len(known) - 1)]
        twice = np.repeat(every, np.where(np.abs(lat) > POLE_DEG, 2, 1))
        second = np.append(False, twice[1:] == twice[:-1])
        lon = np.where(second, lon[after[twice]], lon[before[twice]])
        lat = lat[twice]
    steps = short_way(np.diff(lon))
    lon = np.append(lon[0], lon[0] + np.cumsum(steps))
    around = round(float(lon[-1] - lon[0]) / 360)
    if around:
        pole = math.copysign(90.0, around)
        lon = np.concatenate([lon, [lon[-1], lon[0], lon[0]]])
        lat = np.concatenate([lat, [pole, pole, lat[0]]])
    ring = shapely.Polygon(np.stack([lon, lat], axis=1))
    return within_a_turn(shapely.make_valid(ring, method="structure", keep_collapsed=False))


def within_a_turn(geometry: BaseGeometry, west: float = -180.0, turn: float = 360.0) -> BaseGeometry:
    """Cut a geometry where whole turns begin and put its parts into one, west..west + turn."""
    if geometry.is_empty:
        return geometry
    left, bottom, right, top = geometry.bounds
    if left >= west and right <= west + turn:
        return geometry
    parts = []
    for number in range(math.floor((left - west) / turn), math.ceil((right - west) / turn)):
        begin = west + number * turn
        part = polygonal(shapely.intersection(geometry, shapely.box(begin, bottom, begin + turn, top)))
        parts.append(shifted(part, -number * turn))
    return polygonal(shapely.union_all(parts))


def turned(geometries: NDArray[np.object_], crs: CRS, onto: Bounds) -> NDArray[np.object_]:
    """Turn polygons by whole turns of the Earth to where a map is, if another turn of them touches it."""
    turn = turn_of(crs)
    if turn is None:
        return geometries
    left, bottom, right, top = onto
    west, south, east, north = shapely.bounds(geometries).T
    level = (south < top) & (north > bottom)
    elsewhere = np.zeros(len(geometries), dtype=np.bool_)
    for number in (-2, -1, 1, 2):
        elsewhere |= level & (west + number * turn < right) & (east + number * turn > left)
    if not elsewhere.any():
        return geometries
    turned = geometries.copy()
    begin = (left + right - turn) / 2
    for at in np.flatnonzero(elsewhere):
        turned[at] = polygonal(within_a_turn(geometries[at], begin, turn))
    return turned


def on_turn(x: NDArray[np.float64], grid: GeoGrid) -> NDArray[np.float64]:
    """Turn the longitudes of points by whole turns to where a map is: -170 is 190 on a map of 170..195."""
    turn = turn_of(grid.crs)
    if turn is None:
        return x
    left, _, right, _ = grid.bounds
    shifted: NDArray[np.float64] = x + turn * np.rint(((left + right) / 2 - x) / turn)
    return shifted


def polygonal(geometry: BaseGeometry) -> BaseGeometry:
    """Return the polygons of a geometry, without the lines and points that cutting may leave."""
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    parts = shapely.get_parts(shapely.get_parts(geometry))  # a collection may hold multipolygons
    kept = [part for part in parts if part.geom_type == "Polygon"]
    return kept[0] if len(kept) == 1 else shapely.MultiPolygon(kept)
