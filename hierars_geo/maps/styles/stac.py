"""What STAC items say alike, whoever writes them: classes, places on the Earth, and references to files."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pystac
import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ...grid.longitudes import polygonal
from ...grid.reprojection import to_lonlat
from ...taxonomy import Taxonomy

#: Degrees are written to these decimals: a centimetre.
_DECIMALS = 7
METRES_PER_DEGREE = 111_195.0
_WORLD = (-180.0, -90.0, 180.0, 90.0)


def classification_classes(taxonomy: Taxonomy, level: int) -> list[dict[str, Any]]:
    """Return ``classification:classes`` of a level's raster.

    Returns:
        One entry per class, in index order: value, name (letters, digits, hyphen and underscore), title and
        colour (hexadecimal).

    Raises:
        TaxonomyError: There is no such level.
    """
    entries = zip(
        taxonomy.class_values(level), taxonomy.class_names(level), taxonomy.colors(level), strict=True
    )
    return [
        {
            "value": value,
            "name": re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "class",
            "title": name,
            "color_hint": "{:02X}{:02X}{:02X}".format(*color),
        }
        for value, name, color in entries
    ]


def lonlat_outline(geometry: BaseGeometry, crs: CRS, tolerance_m: float) -> BaseGeometry:
    """Move an outline to longitude and latitude as RFC 7946 wants it.

    Args:
        geometry: Polygon or MultiPolygon.
        crs: Its CRS.
        tolerance_m: Most that an edge may leave its curve by, in metres.

    Returns:
        Polygon or MultiPolygon to 7 decimals, cut at the 180th meridian, shells anticlockwise; over a pole it
        reaches to the pole. The whole Earth where the outline lies around it.
    """
    (moved,) = to_lonlat(np.array([geometry], dtype=object), crs, tolerance_m / METRES_PER_DEGREE)
    snapped = polygonal(shapely.set_precision(moved, 10.0**-_DECIMALS))
    tidy = shapely.transform(snapped, lambda xy: np.round(xy, _DECIMALS))
    parts = shapely.get_parts(shapely.orient_polygons(tidy, exterior_cw=False))
    if snapped.is_empty:
        return shapely.box(*_WORLD)
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts.tolist())


def geojson_place(lonlat: BaseGeometry) -> tuple[dict[str, Any], list[float]]:
    """Return ``geometry`` and ``bbox`` of an item from outlines that :func:`lonlat_outline` gave."""
    oriented = shapely.orient_polygons(lonlat, exterior_cw=False)
    content: dict[str, Any] = json.loads(shapely.to_geojson(oriented))
    return content, joint_bbox([part.bounds for part in shapely.get_parts(lonlat)])


def joint_bbox(boxes: Iterable[Sequence[float]]) -> list[float]:
    """Return the bounding box around others, west > east where it crosses the 180th meridian (RFC 7946, 5.2).

    Args:
        boxes: (west, south, east, north) each, at least one; some of them may cross themselves.

    Examples:
        >>> joint_bbox([(179.5, -17, 180, -16), (-180, -17, -179, -16)])
        [179.5, -17.0, -179.0, -16.0]
    """
    west, south, east, north = np.array(list(boxes), dtype=np.float64).T
    crossing = west > east
    starts = np.concatenate([west, np.full(int(crossing.sum()), -180.0)])
    stops = np.concatenate([np.where(crossing, 180.0, east), east[crossing]])
    left, right = float(starts.min()), float(stops.max())
    order = np.argsort(starts)
    reached = np.maximum.accumulate(stops[order])[:-1]
    gaps = starts[order][1:] - reached
    if left <= -180 and right >= 180 and gaps.max(initial=0) > 0:
        widest = int(gaps.argmax())
        left, right = float(starts[order][1:][widest]), float(reached[widest])
    return [round(value, _DECIMALS) for value in (left, float(south.min()), right, float(north.max()))]


def extent_of(items: Sequence[pystac.Item]) -> pystac.Extent:
    """Return the ground and the time of items, of which at least one says when it was."""
    boxes = [item.bbox for item in items if item.bbox is not None] or [list(_WORLD)]
    moments = [
        moment
        for item in items
        for common in (item.common_metadata,)
        for moment in (item.datetime, common.start_datetime, common.end_datetime)
        if moment is not None
    ]
    interval = pystac.TemporalExtent([[min(moments), max(moments)]])
    return pystac.Extent(pystac.SpatialExtent([joint_bbox(boxes)]), interval)


def href_of(path: PurePath | str) -> str:
    """Write a path as a reference: ``#`` and ``?`` would end it, and ``%`` begin an escape."""
    text = path.as_posix() if isinstance(path, PurePath) else path
    return "".join(quote(character) if character in "%#?" else character for character in text)


def path_of(href: str) -> str:
    """Read the path in a reference that is none to the web."""
    return unquote(href)
