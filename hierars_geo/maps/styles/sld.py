"""Styled Layer Descriptors (OGC SLD 1.0.0) of class rasters and class polygons, for GeoServer and its like.

Rasters get one colour map entry per class, of type ``values``: a value that is no class is not drawn.
Polygons get one rule per class; its title is what legends show.
"""

import xml.etree.ElementTree as ET

from ...taxonomy import RGB, Taxonomy

_SLD = "http://www.opengis.net/sld"
_OGC = "http://www.opengis.net/ogc"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
#: Width of the outline in pixels: closes the gaps that smoothing leaves between neighbours.
_OUTLINE_PX = "0.3"


def raster_sld(taxonomy: Taxonomy, level: int) -> str:
    """Style of a level's class raster.

    Args:
        taxonomy: The class tree.
        level: 1..N.

    Returns:
        XML text, to be written as UTF-8.

    Raises:
        TaxonomyError: There is no such level.
    """
    classes = _classes(taxonomy, level)
    root, style = _root(taxonomy, level)
    symbolizer = _sub(_sub(style, "Rule"), "RasterSymbolizer")
    _sub(symbolizer, "Opacity", "1.0")
    entries = _sub(symbolizer, "ColorMap")
    entries.set("type", "values")
    for value, name, color in classes:
        _sub(entries, "ColorMapEntry").attrib |= {
            "color": _hex(color),
            "quantity": str(value),
            "label": name,
            "opacity": "1",
        }
    return _text(root)


def vector_sld(taxonomy: Taxonomy, level: int) -> str:
    """Style of a level's polygons by their column ``class_value``.

    Args:
        taxonomy: The class tree.
        level: 1..N.

    Returns:
        XML text, fit for a ``.sld`` file and for ``styleSLD`` of a GeoPackage's ``layer_styles``.

    Raises:
        TaxonomyError: There is no such level.
    """
    classes = _classes(taxonomy, level)
    root, style = _root(taxonomy, level)
    for value, name, color in classes:
        rule = _sub(style, "Rule")
        _sub(rule, "Name", str(value))
        _sub(rule, "Title", name)
        condition = _sub(_sub(rule, "ogc:Filter"), "ogc:PropertyIsEqualTo")
        _sub(condition, "ogc:PropertyName", "class_value")
        _sub(condition, "ogc:Literal", str(value))
        symbolizer = _sub(rule, "PolygonSymbolizer")
        _parameters(_sub(symbolizer, "Fill"), {"fill": _hex(color)})
        outline = {"stroke": _hex(color), "stroke-width": _OUTLINE_PX, "stroke-linejoin": "bevel"}
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


def _classes(taxonomy: Taxonomy, level: int) -> list[tuple[int, str, RGB]]:
    values, names = taxonomy.class_values(level), taxonomy.class_names(level)
    return sorted(zip(values, names, taxonomy.colors(level), strict=True))


def _sub(parent: ET.Element, tag: str, text: str | None = None) -> ET.Element:
    element = ET.SubElement(parent, tag)
    element.text = text
    return element


def _parameters(parent: ET.Element, values: dict[str, str]) -> None:
    for name, text in values.items():
        _sub(parent, "CssParameter", text).set("name", name)


def _hex(color: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _text(root: ET.Element) -> str:
    ET.indent(root)
    return _DECLARATION + ET.tostring(root, encoding="unicode") + "\n"


__all__ = ("raster_sld", "vector_sld")
