"""Map styles (JSON) of MapLibre GL and Mapbox GL: one fill layer per level, coloured by ``class_value``."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...taxonomy import Taxonomy

#: Fill of a polygon whose value is no class.
_TRANSPARENT = "rgba(0,0,0,0)"
#: Side of a tile of zoom 0, and of the smallest map that shall show all.
_TILE_PX, _SCREEN_PX = 512, 600


def maplibre_style(
    taxonomy: Taxonomy,
    sources: Mapping[int, str],
    name: str = "",
    bounds: Sequence[float] | None = None,
    attribution: str = "",
) -> dict[str, Any]:
    """Style for GeoJSON polygons as ``vectorize`` writes them, one file per level.

    The finest level is visible, the others are there to be switched on. The legend is part of the style:
    ``metadata`` of every layer lists value, name and colour of its classes. For vector tiles replace
    ``sources`` and give every layer its ``source-layer``.

    Args:
        taxonomy: The class tree.
        sources: Level (1..N) -> URL of its GeoJSON, relative to the style.
        name: Of the style; default the title of the tree.
        bounds: (west, south, east, north) in degrees, west > east across the 180th meridian: where a map with
            this style opens.
        attribution: What the map says of its source.

    Returns:
        A style of version 8 as plain values.

    Raises:
        TaxonomyError: There is no such level.
    """
    levels = sorted(sources)
    credit = {"attribution": attribution} if attribution else {}
    metadata: dict[str, Any] = {"hierars:taxonomy": taxonomy.name}
    camera: dict[str, Any] = {}
    if bounds is not None:
        camera, metadata["hierars:bounds"] = _camera(*bounds), list(bounds)
    return {
        "version": 8,
        "name": name or taxonomy.title or taxonomy.name,
        **camera,
        "metadata": metadata,
        "sources": {f"L{level}": {"type": "geojson", "data": sources[level], **credit} for level in levels},
        "layers": [_fill(taxonomy, level, visible=level == levels[-1]) for level in levels],
    }


def _camera(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """Return centre and zoom at which bounds fill a map of :data:`_SCREEN_PX` pixels a side."""
    width = (east - west) % 360 or 360.0
    y = [math.asinh(math.tan(math.radians(min(max(lat, -85.0), 85.0)))) for lat in (south, north)]
    turns = max(width / 360, (y[1] - y[0]) / (2 * math.pi), 1e-9)  # share of the world in Web Mercator
    zoom = min(max(math.log2(_SCREEN_PX / (_TILE_PX * turns)), 0.0), 22.0)
    lon = (west + width / 2 + 180) % 360 - 180
    lat = math.degrees(math.atan(math.sinh((y[0] + y[1]) / 2)))
    return {"center": [round(lon, 6), round(lat, 6)], "zoom": round(zoom, 2)}


def _fill(taxonomy: Taxonomy, level: int, visible: bool) -> dict[str, Any]:
    entries = sorted(
        zip(taxonomy.class_values(level), taxonomy.class_names(level), taxonomy.colors(level), strict=True)
    )
    classes = [
        {"value": value, "name": name, "color": "#{:02x}{:02x}{:02x}".format(*color)}
        for value, name, color in entries
    ]
    match: list[Any] = ["match", ["get", "class_value"]]
    for entry in classes:
        match += [entry["value"], entry["color"]]
    return {
        "id": f"L{level}",
        "type": "fill",
        "source": f"L{level}",
        "metadata": {"hierars:level": taxonomy.level_names[level - 1], "hierars:classes": classes},
        "layout": {"visibility": "visible" if visible else "none"},
        "paint": {"fill-color": [*match, _TRANSPARENT], "fill-opacity": 1},
    }


__all__ = ("maplibre_style",)
