"""A page to print in a QGIS project: A4 across, with title, map, legend, scale bar, north arrow and source.

The elements are the ones that QGIS 3 writes for a layout; what is left out keeps the reader's default. Items
find the map by its uuid, which is made from their names: the same project gives the same bytes.
"""

import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass

_UNITS = "mm"
#: QGIS's numbers of the kinds of items.
_PAGE, _MAP, _PICTURE, _LABEL, _LEGEND, _SCALE_BAR = "65638", "65639", "65640", "65641", "65642", "65646"
_A4_MM = (297.0, 210.0)
#: x, y, width and height on the page.
_MAP_AT = (10.0, 22.0, 205.0, 165.0)


@dataclass(frozen=True)
class PrintPage:
    """What is written on the page.

    Attributes:
        title: Above the map.
        source: Below it: where the map comes from.
        unit_m: Metres in a unit of the project's CRS; None where it is in degrees, which has no scale bar.
        scale_m: Length of half the scale bar.
    """

    title: str
    source: str
    unit_m: float | None
    scale_m: float


def add_layout(root: ET.Element, page: PrintPage, bounds: tuple[float, float, float, float]) -> None:
    """Add the page to a project; its map shows (left, bottom, right, top) in the project's CRS."""
    layout = ET.SubElement(ET.SubElement(root, "Layouts"), "Layout", name="A4", units=_UNITS)
    layout.attrib |= {"printResolution": "300", "worldFileMap": _id("map")}
    pages = ET.SubElement(layout, "PageCollection")
    _item(pages, _PAGE, "page", (0.0, 0.0, *_A4_MM), background=True)
    here = _item(layout, _MAP, "map", _MAP_AT, background=True, frame="true")
    here.attrib |= {"keepLayerSet": "false", "drawCanvasItems": "true"}
    ET.SubElement(here, "Extent", _extent(bounds))
    _label(layout, "title", page.title, (10.0, 8.0, 277.0, 10.0), 16)
    _label(layout, "source", page.source, (100.0, 190.0, 187.0, 12.0), 8)
    legend = _item(layout, _LEGEND, "legend", (220.0, 22.0, 67.0, 165.0))
    legend.attrib |= {"map_uuid": _id("map"), "legendFilterByMap": "1", "resizeToContents": "1"}
    legend.attrib |= {"symbolWidth": "6", "symbolHeight": "3.5", "boxSpace": "0", "lineSpacing": "1"}
    styles = ET.SubElement(legend, "styles")
    for name, size in (("title", 11), ("group", 10), ("subgroup", 9), ("symbol", 8), ("symbolLabel", 8)):
        style = ET.SubElement(styles, "style", name=name, alignment="1", marginTop="1.5", marginLeft="2")
        ET.SubElement(style, "styleFont", description=f"Sans Serif,{size},-1,5,50,0,0,0,0,0", style="")
    north = _item(layout, _PICTURE, "north", (200.0, 24.0, 12.0, 14.0))
    north.attrib |= {"file": "arrows/NorthArrow_02.svg", "mapUuid": _id("map"), "northMode": "1", "mode": "2"}
    if page.unit_m is None:
        return
    bar = _item(layout, _SCALE_BAR, "scale", (10.0, 190.0, 80.0, 12.0))
    bar.attrib |= {
        "mapUuid": _id("map"),
        "style": "Single Box",
        "unitType": "meters",
        "unitLabel": "km" if page.scale_m >= 1000 else "m",
        "numMapUnitsPerScaleBarUnit": "1000" if page.scale_m >= 1000 else "1",
        "numUnitsPerSegment": repr(page.scale_m),
        "numSegments": "2",
        "numSegmentsLeft": "0",
        "height": "2",
        "labelBarSpace": "2",
    }
    ET.SubElement(
        bar, "text-style", fontFamily="Sans Serif", fontSize="8", fontSizeUnit="Point", textColor="0,0,0,255"
    )
    ET.SubElement(bar, "fillColor", red="0", green="0", blue="0", alpha="255")
    ET.SubElement(bar, "fillColor2", red="255", green="255", blue="255", alpha="255")


def _item(
    parent: ET.Element,
    kind: str,
    name: str,
    at: tuple[float, float, float, float],
    background: bool = False,
    frame: str = "false",
) -> ET.Element:
    x, y, width, height = at
    place = f"{x:g},{y:g},{_UNITS}"
    item = ET.SubElement(parent, "LayoutItem", type=kind, id=name, uuid=_id(name), templateUuid=_id(name))
    item.attrib |= {
        "position": place,
        "positionOnPage": place,
        "size": f"{width:g},{height:g},{_UNITS}",
        "frame": frame,
        "background": str(background).lower(),
        "visibility": "1",
        "opacity": "1",
        "referencePoint": "0",
        "outlineWidthM": f"0.2,{_UNITS}",
        "zValue": {"page": "0", "map": "1"}.get(name, "2"),
    }
    ET.SubElement(item, "FrameColor", red="80", green="80", blue="80", alpha="255")
    ET.SubElement(item, "BackgroundColor", red="255", green="255", blue="255", alpha="255")
    return item


def _label(
    parent: ET.Element, name: str, text: str, at: tuple[float, float, float, float], size: int
) -> None:
    item = _item(parent, _LABEL, name, at)
    item.attrib |= {"labelText": text, "halign": "1", "valign": "128", "htmlState": "0"}
    ET.SubElement(item, "LabelFont", description=f"Sans Serif,{size},-1,5,50,0,0,0,0,0", style="")
    ET.SubElement(item, "FontColor", red="0", green="0", blue="0", alpha="255")


def _extent(bounds: tuple[float, float, float, float]) -> dict[str, str]:
    """Widen bounds to the shape of the map on the page."""
    left, bottom, right, top = bounds
    scale = max((right - left) / _MAP_AT[2], (top - bottom) / _MAP_AT[3]) * 1.04
    x, y = (left + right) / 2, (bottom + top) / 2
    half = (scale * _MAP_AT[2] / 2, scale * _MAP_AT[3] / 2)
    edges = (x - half[0], y - half[1], x + half[0], y + half[1])
    return {tag: repr(float(edge)) for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True)}


def _id(name: str) -> str:
    return f"{{{uuid.uuid5(uuid.NAMESPACE_URL, f'hierars-geo/layout/{name}')}}}"
