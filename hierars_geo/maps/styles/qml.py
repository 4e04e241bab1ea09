"""QGIS styles (.qml) of class rasters, class polygons and confidence rasters.

The elements are the ones that QGIS 3 writes under Symbology; anything left out keeps the reader's default.
Symbol properties are given in both spellings, ``<Option>`` (newer versions) and ``<prop>`` (older ones).
"""

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from ...taxonomy import Taxonomy, hex_color
from .table import class_entries

_DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_VERSION = "3.22.0"
#: What QGIS shows of a polygon under the mouse.
_MAP_TIP = (
    '<b>[% "class_name" %]</b><br>[% format_number("area_ha", 2) %] ha'
    "[% if(\"confidence\" IS NULL, '', ', ' || format_number(\"confidence\", 0) || ' % sure') %]"
)

#: Per cent -> colour: dark is unsure, light is sure; the order survives grey print and colour blindness.
_CONFIDENCE_STOPS = ((0, "#440154"), (25, "#3b528b"), (50, "#21918c"), (75, "#5ec962"), (100, "#fde725"))

#: Per cent of the threshold -> colour; 100 is the border of the area of applicability.
_DISSIMILARITY_STOPS = (
    (0, "0 %: like the training ground", "#f7fbff"),
    (99, "99 %: just like enough", "#9ecae1"),
    (100, "100 %: unlike from here on", "#fc9272"),
    (254, "254 % or more: nothing like it was in the training", "#67000d"),
)


def raster_qml(taxonomy: Taxonomy, level: int) -> str:
    """Style of a level's class raster: one palette entry per class, nothing drawn elsewhere.

    Raises:
        TaxonomyError: There is no such level.
    """
    root, renderer = _raster_root("paletted")
    entries = ET.SubElement(renderer, "colorPalette")
    for value, name, color in class_entries(taxonomy, level):
        ET.SubElement(
            entries, "paletteEntry", value=str(value), label=name, color=hex_color(color), alpha="255"
        )
    return _text(root)


def confidence_qml() -> str:
    """Style of a confidence raster: per cent 0..100 from dark to light; nodata (255) is the band's own."""
    return _ramp_qml([(value, f"{value} %", color) for value, color in _CONFIDENCE_STOPS])


def dissimilarity_qml() -> str:
    """Style of a raster of dissimilarities: pale where like the training ground, red beyond 100 %."""
    return _ramp_qml(_DISSIMILARITY_STOPS)


def _ramp_qml(stops: Sequence[tuple[int, str, str]]) -> str:
    """Style of whole numbers by colours between stops (value, label, colour)."""
    least, most = str(stops[0][0]), str(stops[-1][0])
    root, renderer = _raster_root("singlebandpseudocolor", classificationMin=least, classificationMax=most)
    shader = ET.SubElement(ET.SubElement(renderer, "rastershader"), "colorrampshader")
    shader.attrib |= {
        "colorRampType": "INTERPOLATED",
        "classificationMode": "1",
        "clip": "0",
        "minimumValue": least,
        "maximumValue": most,
    }
    for value, label, color in stops:
        ET.SubElement(shader, "item", value=str(value), label=label, color=color, alpha="255")
    return _text(root)


def image_qml(bands: tuple[int, int, int], ranges: tuple[tuple[float, float], ...]) -> str:
    """Style of an image in true colour.

    Args:
        bands: Numbers of red, green and blue, from 1.
        ranges: For each, the values that are drawn black and full.
    """
    root, renderer = _raster_root("multibandcolor")
    del renderer.attrib["band"]
    for name, band, (low, high) in zip(("red", "green", "blue"), bands, ranges, strict=True):
        renderer.set(f"{name}Band", str(band))
        stretch = ET.SubElement(renderer, f"{name}ContrastEnhancement")
        ET.SubElement(stretch, "minValue").text = repr(float(low))
        ET.SubElement(stretch, "maxValue").text = repr(float(high))
        ET.SubElement(stretch, "algorithm").text = "StretchToMinimumMaximum"
    return _text(root)


def points_qml(taxonomy: Taxonomy, reference: str, hidden: str) -> str:
    """Style of points to label: a drop-down of classes for ``reference``; ``hidden`` is kept from sight.

    Points without a class are drawn as bright rings, labelled ones as small dots.
    """
    root, rules, symbols = _rule_root("Symbology|Fields|Forms|AttributeTable|MapTips", "{points}")
    empty = f'"{reference}" IS NULL OR "{reference}" = \'\''
    for number, (label, condition, properties) in enumerate(
        (
            ("to label", empty, {"color": "0,0,0,0", "outline_color": "255,0,220,255", "size": "4"}),
            ("labelled", f"NOT ({empty})", {"color": "255,255,255,255", "outline_color": "0,90,0,255"}),
        )
    ):
        ET.SubElement(
            rules, "rule", key=f"{{points{number}}}", filter=condition, label=label, symbol=str(number)
        )
        symbol = ET.SubElement(symbols, "symbol", name=str(number), type="marker", alpha="1")
        marker = {"name": "circle", "size": "2", "size_unit": "MM", "outline_width": "0.6", **properties}
        _add_properties(symbol, "SimpleMarker", marker | {"outline_width_unit": "MM"})
    fields = ET.SubElement(root, "fieldConfiguration")
    choices = ET.SubElement(_widget(fields, reference, "ValueMap"), "Option", name="map", type="List")
    for label, value in _choices(taxonomy):
        ET.SubElement(
            ET.SubElement(choices, "Option", type="Map"), "Option", name=label, value=value, type="QString"
        )
    _widget(fields, hidden, "Hidden")
    columns = ET.SubElement(ET.SubElement(root, "attributetableconfig"), "columns")
    ET.SubElement(columns, "column", name=hidden, type="field", hidden="1", width="-1")
    ET.SubElement(root, "mapTip").text = f'<b>[% "id" %]</b> [% coalesce("{reference}", \'\') %]'
    ET.SubElement(root, "layerGeometryType").text = "0"  # points
    return _text(root)


def _choices(taxonomy: Taxonomy) -> list[tuple[str, str]]:
    """Label and value of every class, finest level first; the value names its level where it must."""
    names = [name for level in range(1, taxonomy.num_levels + 1) for name in taxonomy.class_names(level)]
    choices = [("(cannot be told)", "")]
    for level in range(taxonomy.num_levels, 0, -1):
        title = taxonomy.level_names[level - 1]
        for name in taxonomy.class_names(level):
            choices.append((f"{title} {name}", name if names.count(name) == 1 else f"{title}/{name}"))
    return choices


def _widget(fields: ET.Element, column: str, kind: str) -> ET.Element:
    """Say how a column is filled in; returns where the options of the widget go."""
    field = ET.SubElement(fields, "field", name=column, configurationFlags="None")
    config = ET.SubElement(ET.SubElement(field, "editWidget", type=kind), "config")
    return ET.SubElement(config, "Option", type="Map")


def vector_qml(taxonomy: Taxonomy, level: int, filled: bool = True) -> str:
    """Style of a level's polygons: categories of the column ``class_value``, labelled with the class names.

    The outline is a hairline of the fill's colour: without one QGIS shows the background between neighbours
    that share a border, and a dark one hides small polygons when zoomed out.

    Args:
        taxonomy: The class tree.
        level: 1..N.
        filled: Fill the polygons; else draw outlines, a shade darker than the class, over what lies below.

    Raises:
        TaxonomyError: There is no such level.
    """
    root = ET.Element("qgis", version=_VERSION, styleCategories="Symbology|MapTips")
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr="class_value")
    renderer.attrib |= {"symbollevels": "0", "enableorderby": "0", "forceraster": "0", "referencescale": "-1"}
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    for number, (value, name, color) in enumerate(class_entries(taxonomy, level)):
        ET.SubElement(
            categories,
            "category",
            render="true",
            symbol=str(number),
            value=str(value),
            type="long",
            label=name,
        )
        _add_fill(symbols, str(number), color, filled)
    ET.SubElement(root, "blendMode").text = "0"
    ET.SubElement(root, "mapTip").text = _MAP_TIP
    ET.SubElement(root, "layerGeometryType").text = "2"  # polygons
    return _text(root)


def hatching_qml(label: str) -> str:
    """Style of polygons that are hatched, so that what lies below shows through."""
    root, rules, symbols = _rule_root("Symbology", "{hatching}")
    ET.SubElement(rules, "rule", key="{hatching0}", label=label, symbol="0")
    symbol = ET.SubElement(symbols, "symbol", name="0", type="fill", alpha="1", clip_to_extent="1")
    properties = {"color": "35,35,35,255", "style": "b_diagonal", "outline_style": "no"}
    _add_properties(symbol, "SimpleFill", properties)
    ET.SubElement(root, "layerGeometryType").text = "2"  # polygons
    return _text(root)


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


def _rule_root(categories: str, key: str) -> tuple[ET.Element, ET.Element, ET.Element]:
    """Start a vector style of rules: the document, and where rules and symbols go."""
    root = ET.Element("qgis", version=_VERSION, styleCategories=categories)
    renderer = ET.SubElement(root, "renderer-v2", type="RuleRenderer", symbollevels="0", forceraster="0")
    return root, ET.SubElement(renderer, "rules", key=key), ET.SubElement(renderer, "symbols")


def _add_fill(symbols: ET.Element, name: str, color: tuple[int, int, int], filled: bool) -> None:
    symbol = ET.SubElement(
        symbols, "symbol", name=name, type="fill", alpha="1", clip_to_extent="1", force_rhr="0"
    )
    outline = color if filled else tuple(channel * 55 // 100 for channel in color)
    properties = {
        "color": ",".join(map(str, (*color, 255))),
        "joinstyle": "bevel",
        "outline_color": ",".join(map(str, (*outline, 255))),
        "outline_style": "solid",
        "outline_width": "0.05" if filled else "0.3",
        "outline_width_unit": "MM",
        "style": "solid" if filled else "no",
    }
    _add_properties(symbol, "SimpleFill", properties)


def _add_properties(symbol: ET.Element, kind: str, properties: dict[str, str]) -> None:
    layer = ET.SubElement(symbol, "layer", {"class": kind, "enabled": "1", "locked": "0", "pass": "0"})
    options = ET.SubElement(layer, "Option", type="Map")
    for key, text in properties.items():
        ET.SubElement(options, "Option", name=key, value=text, type="QString")
    for key, text in properties.items():
        ET.SubElement(layer, "prop", k=key, v=text)


def _text(root: ET.Element) -> str:
    ET.indent(root)
    return _DOCTYPE + ET.tostring(root, encoding="unicode") + "\n"
