"""Styles for servers and web maps: Styled Layer Descriptors (OGC SLD 1.0.0) and MapLibre GL (JSON).

Rasters get one colour map entry per class, of type ``values``: a value that is no class is not drawn.
Polygons get one rule per class; its title is what legends show. A MapLibre style has one fill layer
per level, coloured by ``class_value``.
"""

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

from ...taxonomy import Taxonomy, hex_color
from .table import class_entries

_SLD = "http://www.opengis.net/sld"
_OGC = "http://www.opengis.net/ogc"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
#: Width of the outline in pixels: closes the gaps that smoothing leaves between neighbours.
_OUTLINE_PX = "0.3"


def raster_sld(taxonomy: Taxonomy, level: int) -> str:
    """Style of a level's class raster.

    Raises:
        TaxonomyError: There is no such level.
    """
    classes = class_entries(taxonomy, level)
    root, style = _root(taxonomy, level)
    symbolizer = _sub(_sub(style, "Rule"), "RasterSymbolizer")
    _sub(symbolizer, "Opacity", "1.0")
    entries = _sub(symbolizer, "ColorMap")
    entries.set("type", "values")
    for value, name, color in classes:
        _sub(entries, "ColorMapEntry").attrib |= {
            "color": hex_color(color),
            "quantity": str(value),
            "label": name,
            "opacity": "1",
        }
    return _text(root)


def vector_sld(taxonomy: Taxonomy, level: int) -> str:
    """Style of a level's polygons by their column ``class_value``.

    Raises:
        TaxonomyError: There is no such level.
    """
    classes = class_entries(taxonomy, level)
    root, style = _root(taxonomy, level)
    for value, name, color in classes:
        rule = _sub(style, "Rule")
        _sub(rule, "Name", str(value))
        _sub(rule, "Title", name)
        condition = _sub(_sub(rule, "ogc:Filter"), "ogc:PropertyIsEqualTo")
        _sub(condition, "ogc:PropertyName", "class_value")
        _sub(condition, "ogc:Literal", str(value))
        symbolizer = _sub(rule, "PolygonSymbolizer")
        _parameters(_sub(symbolizer, "Fill"), {"fill": hex_color(color)})
        outline = {"stroke": hex_color(color), "stroke-width": _OUTLINE_PX, "stroke-linejoin": "bevel"}
        _parameters(_sub(symbolizer, "Stroke"), outline)
    return _text(root)


def _root(taxonomy: Taxonomy, level: int) -> tuple[ET.Element, ET.Element]:
    """Return the document and the element that holds its rules."""
    name = f"L{level}"
    root = ET.Element("StyledLayerDescriptor", {"version": "1.0.0", "xmlns": _SLD, "xmlns:ogc": _OGC})
    layer = _sub(root, "NamedLayer")
    _sub(layer, "Name", name)
    user_style = _sub(layer, "UserStyle")
    _sub(user_style, "Name", name)
    _sub(user_style, "Title", f"{taxonomy.title or taxonomy.name}, {taxonomy.level_names[level - 1]}")
    return root, _sub(user_style, "FeatureTypeStyle")


def _sub(parent: ET.Element, tag: str, text: str | None = None) -> ET.Element:
    element = ET.SubElement(parent, tag)
    element.text = text
    return element


def _parameters(parent: ET.Element, values: dict[str, str]) -> None:
    for name, text in values.items():
        _sub(parent, "CssParameter", text).set("name", name)


def _text(root: ET.Element) -> str:
    ET.indent(root)
    return _DECLARATION + ET.tostring(root, encoding="unicode") + "\n"


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
    """Style (version 8, plain values) for GeoJSON polygons as ``vectorize`` writes them, one file per level.

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
    classes = [
        {"value": value, "name": name, "color": hex_color(color)}
        for value, name, color in class_entries(taxonomy, level)
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
