"""QGIS projects (.qgz): groups of layers with their styles, all paths relative to the project.

The elements are the ones that QGIS 3 writes; what is left out keeps the reader's default. QGIS replaces ids
of layers that have ten characters or fewer, and then finds no layer for the tree: ours are longer.
"""

import io
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pyproj import CRS

from .layout import PrintPage, add_layout

_DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_VERSION = "3.22.0"
_PROVIDER = {"raster": "gdal", "vector": "ogr"}
#: The earliest time that a zip file can hold: the same project gives the same bytes.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ProjectLayer:
    """A layer of a project.

    Attributes:
        name: In the layer tree.
        source: Path relative to the project, with ``/``; of a GeoPackage ``FILE|layername=NAME``.
        kind: What it is.
        crs: Coordinate reference system.
        style: Content of a ``.qml`` file.
        visible: Shown when the project opens.
        heading: First row of a raster's legend, in place of QGIS's "Band 1: L3 (Palette)"; empty for that.
    """

    name: str
    source: str
    kind: Literal["raster", "vector"]
    crs: CRS
    style: str
    visible: bool = False
    heading: str = ""


@dataclass(frozen=True)
class ProjectGroup:
    """A group of the layer tree.

    Attributes:
        name: In the layer tree.
        layers: From the top down.
        groups: Below the layers.
        exclusive: At most one of the layers is shown at a time.
        expanded: Opened in the layer tree.
        visible: Shown, as far as its layers are.
    """

    name: str
    layers: tuple[ProjectLayer, ...] = ()
    groups: tuple["ProjectGroup", ...] = ()
    exclusive: bool = False
    expanded: bool = True
    visible: bool = True


def qgis_project(
    title: str,
    groups: Sequence[ProjectGroup],
    crs: CRS,
    bounds: tuple[float, float, float, float],
    page: PrintPage | None = None,
    abstract: str = "",
) -> bytes:
    """Build the content of a ``.qgz`` file; the same arguments give the same bytes.

    Args:
        title: Of the window.
        groups: From the top down.
        crs: Coordinate reference system of the map.
        bounds: What the map shows first: left, bottom, right, top in that system.
        page: What stands on the page to print; None for no such page.
        abstract: What the project's metadata say of it.
    """
    root = ET.Element("qgis", version=_VERSION, projectname=title)
    ET.SubElement(root, "title").text = title
    _add_crs(ET.SubElement(root, "projectCrs"), crs)
    numbered = list(enumerate(_all_layers(groups), start=1))
    names = {id(layer): f"hierars_geo_layer_{number:03d}" for number, layer in numbered}
    tree = ET.SubElement(root, "layer-tree-group")
    for group in groups:
        _add_group(tree, group, names)
    canvas = ET.SubElement(root, "mapcanvas", name="theMapCanvas", annotationsVisible="1")
    extent = ET.SubElement(canvas, "extent")
    for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        ET.SubElement(extent, tag).text = repr(float(edge))
    _add_crs(ET.SubElement(canvas, "destinationsrs"), crs)
    layers = ET.SubElement(root, "projectlayers")
    for _, layer in numbered:
        _add_layer(layers, layer, names[id(layer)])
    properties = ET.SubElement(root, "properties")
    ET.SubElement(ET.SubElement(properties, "Paths"), "Absolute", type="bool").text = "false"
    system = ET.SubElement(properties, "SpatialRefSys")
    ET.SubElement(system, "ProjectionsEnabled", type="int").text = "1"  # else the CRS is not read
    metadata = ET.SubElement(root, "projectMetadata")
    for tag, text in (("title", title), ("abstract", abstract), ("author", "hierars-geo")):
        ET.SubElement(metadata, tag).text = text
    if page is not None:
        add_layout(root, page, bounds)
    ET.indent(root)
    return _zipped(_DOCTYPE + ET.tostring(root, encoding="unicode") + "\n")


def _all_layers(groups: Sequence[ProjectGroup]) -> Iterator[ProjectLayer]:
    for group in groups:
        yield from group.layers
        yield from _all_layers(group.groups)


def _add_group(parent: ET.Element, group: ProjectGroup, names: dict[int, str]) -> None:
    element = ET.SubElement(parent, "layer-tree-group", name=group.name)
    element.attrib |= {"checked": _checked(group.visible), "expanded": str(int(group.expanded))}
    if group.exclusive:
        shown = [number for number, layer in enumerate(group.layers) if layer.visible]
        element.attrib |= {
            "mutually-exclusive": "1",
            "mutually-exclusive-child": str(shown[0] if shown else -1),
        }
    for layer in group.layers:
        entry = ET.SubElement(element, "layer-tree-layer", id=names[id(layer)], name=layer.name)
        entry.attrib |= {
            "providerKey": _PROVIDER[layer.kind],
            "source": f"./{layer.source}",
            "checked": _checked(layer.visible),
            "expanded": str(int(layer.visible)),
        }
        if layer.heading:
            values = ET.SubElement(ET.SubElement(entry, "customproperties"), "Option", type="Map")
            ET.SubElement(values, "Option", type="QString", name="legend/label-0", value=layer.heading)
    for inner in group.groups:
        _add_group(element, inner, names)


def _add_layer(parent: ET.Element, layer: ProjectLayer, name: str) -> None:
    element = ET.SubElement(parent, "maplayer", type=layer.kind, styleCategories="AllStyleCategories")
    if layer.kind == "vector":
        element.attrib |= {"geometry": "Polygon", "wkbType": "Polygon", "simplifyDrawingHints": "1"}
    ET.SubElement(element, "id").text = name
    ET.SubElement(element, "datasource").text = f"./{layer.source}"
    ET.SubElement(element, "layername").text = layer.name
    _add_crs(ET.SubElement(element, "srs"), layer.crs)
    provider = ET.SubElement(element, "provider")
    provider.text = _PROVIDER[layer.kind]
    if layer.kind == "vector":
        provider.set("encoding", "UTF-8")
    element.extend(ET.fromstring(layer.style))


def _add_crs(parent: ET.Element, crs: CRS) -> None:
    element = ET.SubElement(parent, "spatialrefsys", nativeFormat="Wkt")
    ET.SubElement(element, "wkt").text = crs.to_wkt()
    if authority := crs.to_authority():
        ET.SubElement(element, "authid").text = ":".join(authority)


def _checked(shown: bool) -> str:
    return "Qt::Checked" if shown else "Qt::Unchecked"


def _zipped(project: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("project.qgs", date_time=_ZIP_TIME)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, project.encode("utf-8"))
    return buffer.getvalue()
