"""QGIS styles (.qml) of class rasters, class polygons and confidence rasters.

The elements are the ones that QGIS 3 writes under Symbology; anything left out keeps the reader's default.
Symbol properties are given in both spellings, ``<Option>`` (newer versions) and ``<prop>`` (older ones).
"""

import xml.etree.ElementTree as ET

from ...taxonomy import Taxonomy

_DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_VERSION = "3.22.0"

#: Per cent -> colour: dark is unsure, light is sure; the order survives grey print and colour blindness.
_CONFIDENCE_STOPS = ((0, "#440154"), (25, "#3b528b"), (50, "#21918c"), (75, "#5ec962"), (100, "#fde725"))


def raster_qml(taxonomy: Taxonomy, level: int) -> str:
    """Style of a level's class raster: one palette entry per class, nothing drawn elsewhere.

    Args:
        taxonomy: The class tree.
        level: 1..N.

    Returns:
        QML text, to be written as UTF-8 to ``<basename>.qml``.

    Raises:
        TaxonomyError: There is no such level.
    """
    root, renderer = _raster_root("paletted")
    entries = ET.SubElement(renderer, "colorPalette")
    for value, name, color in sorted(_classes(taxonomy, level)):
        ET.SubElement(entries, "paletteEntry", value=str(value), label=name, color=_hex(color), alpha="255")
    return _text(root)


def confidence_qml() -> str:
    """Style of a confidence raster: per cent 0..100 from dark to light; nodata (255) is the band's own.

    Returns:
        QML text, to be written as UTF-8 to ``<basename>.qml``.
    """
    root, renderer = _raster_root("singlebandpseudocolor", classificationMin="0", classificationMax="100")
    shader = ET.SubElement(ET.SubElement(renderer, "rastershader"), "colorrampshader")
    shader.attrib |= {
        "colorRampType": "INTERPOLATED",
        "classificationMode": "1",
        "clip": "0",
        "minimumValue": "0",
        "maximumValue": "100",
    }
    for value, color in _CONFIDENCE_STOPS:
        ET.SubElement(shader, "item", value=str(value), label=f"{value} %", color=color, alpha="255")
    return _text(root)


def vector_qml(taxonomy: Taxonomy, level: int) -> str:
    """Style of a level's polygons: categories of the column ``class_value``, labelled with the class names.

    The outline is a hairline of the fill's colour: without one QGIS shows the background between neighbours
    that share a border, and a dark one hides small polygons when zoomed out.

    Args:
        taxonomy: The class tree.
        level: 1..N.

    Returns:
        QML text, fit for a ``.qml`` file and for ``styleQML`` of a GeoPackage's ``layer_styles``.

    Raises:
        TaxonomyError: There is no such level.
    """
    root = ET.Element("qgis", version=_VERSION, styleCategories="Symbology")
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr="class_value")
    renderer.attrib |= {"symbollevels": "0", "enableorderby": "0", "forceraster": "0", "referencescale": "-1"}
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    for number, (value, name, color) in enumerate(sorted(_classes(taxonomy, level))):
        ET.SubElement(
            categories,
            "category",
            render="true",
            symbol=str(number),
            value=str(value),
            type="long",
            label=name,
        )
        _add_fill(symbols, str(number), color)
    ET.SubElement(root, "blendMode").text = "0"
    ET.SubElement(root, "layerGeometryType").text = "2"  # polygons
    return _text(root)


def _classes(taxonomy: Taxonomy, level: int) -> list[tuple[int, str, tuple[int, int, int]]]:
    values, names = taxonomy.class_values(level), taxonomy.class_names(level)
    return list(zip(values, names, taxonomy.colors(level), strict=True))


def _raster_root(renderer_type: str, **attributes: str) -> tuple[ET.Element, ET.Element]:
    """Start a raster style; nearest neighbour both ways, so that no class is made up between two others."""
    root = ET.Element("qgis", version=_VERSION, styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    ET.SubElement(
        ET.SubElement(pipe, "provider"),
        "resampling",
        enabled="false",
        maxOversampling="2",
        zoomedInResamplingMethod="nearestNeighbour",
        zoomedOutResamplingMethod="nearestNeighbour",
    )
    renderer = ET.SubElement(
        pipe, "rasterrenderer", type=renderer_type, band="1", opacity="1", alphaBand="-1"
    )
    renderer.attrib |= {"nodataColor": "", **attributes}
    ET.SubElement(renderer, "rasterTransparency")
    ET.SubElement(root, "blendMode").text = "0"
    return root, renderer


def _add_fill(symbols: ET.Element, name: str, color: tuple[int, int, int]) -> None:
    symbol = ET.SubElement(
        symbols, "symbol", name=name, type="fill", alpha="1", clip_to_extent="1", force_rhr="0"
    )
    layer = ET.SubElement(
        symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"}
    )
    rgba = ",".join(str(channel) for channel in (*color, 255))
    properties = {
        "color": rgba,
        "joinstyle": "bevel",
        "outline_color": rgba,
        "outline_style": "solid",
        "outline_width": "0.05",
        "outline_width_unit": "MM",
        "style": "solid",
    }
    options = ET.SubElement(layer, "Option", type="Map")
    for key, text in properties.items():
        ET.SubElement(options, "Option", name=key, value=text, type="QString")
    for key, text in properties.items():
        ET.SubElement(layer, "prop", k=key, v=text)


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _text(root: ET.Element) -> str:
    ET.indent(root)
    return _DOCTYPE + ET.tostring(root, encoding="unicode") + "\n"


__all__ = ("confidence_qml", "raster_qml", "vector_qml")
