"""Styles for other programs: SLD, MapLibre and QGIS projects say what the class tree says."""

import io
import xml.etree.ElementTree as ET
import zipfile

import numpy as np
import pandas as pd
import pytest
from pyproj import CRS

from hierars_geo.errors import TaxonomyError
from hierars_geo.maps.styles import (
    PrintPage,
    ProjectGroup,
    ProjectLayer,
    confidence_qml,
    maplibre_style,
    points_qml,
    qgis_project,
    raster_qml,
    raster_sld,
    vector_qml,
    vector_sld,
)
from hierars_geo.polygons import AttributeClasses
from hierars_geo.taxonomy import Taxonomy

MM5B = Taxonomy.from_yaml("mm5b")
SLD = {"": "http://www.opengis.net/sld", "ogc": "http://www.opengis.net/ogc"}


def expected(level):
    return {
        value: (name, "#{:02x}{:02x}{:02x}".format(*color))
        for value, name, color in zip(
            MM5B.class_values(level), MM5B.class_names(level), MM5B.colors(level), strict=True
        )
    }


@pytest.mark.parametrize("level", [1, 2, 3])
def test_sld_of_rasters_and_polygons_agree_with_the_tree(level):
    raster = ET.fromstring(raster_sld(MM5B, level).encode())
    entries = {
        int(e.get("quantity")): (e.get("label"), e.get("color"))
        for e in raster.iterfind(".//ColorMapEntry", SLD)
    }
    assert raster.find(".//ColorMap", SLD).get("type") == "values"
    rules = {
        int(rule.find("ogc:Filter/ogc:PropertyIsEqualTo/ogc:Literal", SLD).text): (
            rule.find("Title", SLD).text,
            rule.find("PolygonSymbolizer/Fill/CssParameter", SLD).text,
        )
        for rule in ET.fromstring(vector_sld(MM5B, level).encode()).iterfind(".//Rule", SLD)
    }
    assert entries == rules == expected(level)


def test_awkward_names_survive():
    tree = {"name": "t", "nodata": 0, "levels": [{"name": "a<b", "classes": []}]}
    tree["levels"][0]["classes"] = [{"name": 'Fish & "chips" <b>', "value": 3, "color": [1, 2, 3]}]
    taxonomy = Taxonomy.from_dict(tree)
    assert (
        ET.fromstring(vector_sld(taxonomy, 1).encode()).find(".//Rule/Title", SLD).text
        == 'Fish & "chips" <b>'
    )
    assert "a<b" in ET.fromstring(raster_sld(taxonomy, 1).encode()).find(".//UserStyle/Title", SLD).text


def test_maplibre_colours_each_value_and_shows_the_finest_level():
    style = maplibre_style(MM5B, {3: "./s_L3.geojson", 1: "./s_L1.geojson"}, "s")
    assert style["version"] == 8
    assert {key: source["data"] for key, source in style["sources"].items()} == {
        "L1": "./s_L1.geojson",
        "L3": "./s_L3.geojson",
    }
    coarse, fine = style["layers"]
    assert (coarse["layout"]["visibility"], fine["layout"]["visibility"]) == ("none", "visible")
    for layer, level in ((coarse, 1), (fine, 3)):
        operator, column, *pairs, fallback = layer["paint"]["fill-color"]
        assert (operator, column, fallback) == ("match", ["get", "class_value"], "rgba(0,0,0,0)")
        colors = dict(zip(pairs[::2], pairs[1::2], strict=True))
        assert colors == {value: color for value, (_, color) in expected(level).items()}
        legend = {e["value"]: (e["name"], e["color"]) for e in layer["metadata"]["hierars:classes"]}
        assert legend == expected(level)


@pytest.mark.parametrize("make", [raster_sld, vector_sld, lambda t, n: maplibre_style(t, {n: "x"})])
def test_unknown_level_is_refused(make):
    with pytest.raises(TaxonomyError, match=r"level of mm5b to be 1\.\.3"):
        make(MM5B, 4)


def test_project_groups_layers_and_is_the_same_every_time():
    crs = CRS.from_epsg(32650)
    layers = tuple(
        ProjectLayer(f"L{n}", f"s_L{n}.tif", "raster", crs, raster_qml(MM5B, n), n == 3) for n in (1, 2, 3)
    )
    polygons = ProjectLayer("P", "s.gpkg|layername=L1", "vector", crs, vector_qml(MM5B, 1))
    sure = ProjectLayer("C", "s_conf_L1.tif", "raster", crs, confidence_qml())
    groups = (
        ProjectGroup("Classes", layers, exclusive=True),
        ProjectGroup("More", (polygons,), (ProjectGroup("Inner", (sure,)),), visible=False),
    )
    content = qgis_project("Title & more", groups, crs, (0.0, 1.0, 2.0, 3.0))
    assert content == qgis_project("Title & more", groups, crs, (0.0, 1.0, 2.0, 3.0))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = archive.namelist()
        root = ET.fromstring(archive.read(name))
    assert name.endswith(".qgs")
    assert root.find("title").text == "Title & more"
    top = root.findall("layer-tree-group/layer-tree-group")
    assert [(group.get("name"), group.get("checked")) for group in top] == [
        ("Classes", "Qt::Checked"),
        ("More", "Qt::Unchecked"),
    ]
    assert top[0].get("mutually-exclusive-child") == "2"
    sources = {layer.find("id").text: layer.find("datasource").text for layer in root.iter("maplayer")}
    in_tree = {layer.get("id"): layer.get("source") for layer in root.iter("layer-tree-layer")}
    assert sources == in_tree
    assert len(sources) == 5
    assert all(source.startswith("./s") for source in sources.values())
    assert all(len(name) > 10 for name in sources)  # QGIS gives shorter ids new names
    assert [e.get("label") for e in root.iter("paletteEntry")][:4] == list(MM5B.class_names(1))


def test_the_legend_of_a_raster_is_headed_by_its_level():
    """QGIS heads it "Band 1: L3 (Palette)" unless the layer tree says otherwise; see test_qgis, too."""
    crs = CRS.from_epsg(32650)
    layer = ProjectLayer("L3", "s_L3.tif", "raster", crs, raster_qml(MM5B, 3), True, "L3: 18 classes")
    content = qgis_project("t", (ProjectGroup("Classes", (layer,)),), crs, (0.0, 1.0, 2.0, 3.0))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        root = ET.fromstring(archive.read(archive.namelist()[0]))
    (told,) = root.findall(".//layer-tree-layer/customproperties/Option/Option")
    assert told.attrib == {"type": "QString", "name": "legend/label-0", "value": "L3: 18 classes"}


def test_maplibre_opens_where_the_scene_is():
    style = maplibre_style(MM5B, {3: "x"}, bounds=(179.5, 60, -179.5, 60.5), attribution="somebody")
    assert abs(style["center"][0]) == 180
    assert style["center"][1] == pytest.approx(60.25, abs=0.01)
    assert style["zoom"] == pytest.approx(np.log2(600 / 512 * 360), abs=0.5)
    assert style["sources"]["L3"]["attribution"] == "somebody"
    assert style["metadata"]["hierars:bounds"] == [179.5, 60, -179.5, 60.5]


def test_a_project_has_a_page_to_print_and_says_what_it_is():
    crs = CRS.from_epsg(32650)
    group = ProjectGroup(
        "Classes", (ProjectLayer("L1", "s_L1.tif", "raster", crs, raster_qml(MM5B, 1), True),)
    )
    page = PrintPage("A & b", "from c", 1.0, 2000.0)
    content = qgis_project("A & b", (group,), crs, (0.0, 0.0, 100.0, 200.0), page, "about it")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        root = ET.fromstring(archive.read("project.qgs"))
    assert root.find("projectMetadata/abstract").text == "about it"
    items = {item.get("id"): item for item in root.iter("LayoutItem")}
    assert set(items) == {"page", "map", "title", "source", "legend", "scale", "north"}
    assert items["title"].get("labelText") == "A & b"
    extent = {key: float(value) for key, value in items["map"].find("Extent").attrib.items()}
    assert (extent["ymax"] - extent["ymin"]) == pytest.approx(208)  # all of the map, in the shape of the item
    assert (extent["xmin"] + extent["xmax"]) / 2 == pytest.approx(50)
    for name, key in (("legend", "map_uuid"), ("scale", "mapUuid"), ("north", "mapUuid")):
        assert items[name].get(key) == items["map"].get("uuid")
    assert (items["scale"].get("unitLabel"), items["scale"].get("numUnitsPerSegment")) == ("km", "2000.0")


def test_points_offer_every_class_and_keep_the_stratum_away():
    root = ET.fromstring(points_qml(MM5B, "reference", "stratum").split("\n", 1)[1])
    widgets = {field.get("name"): field.find("editWidget") for field in root.iter("field")}
    assert widgets["stratum"].get("type") == "Hidden"
    options = widgets["reference"].findall(".//Option[@name='map']/Option/Option")
    values = {option.get("name"): option.get("value") for option in options}
    assert len(values) == 1 + sum(MM5B.num_classes)
    assert values["L3 Lake"] == "Lake"
    told = AttributeClasses(MM5B, attribute="reference")
    found = told.read(pd.DataFrame({"reference": list(values.values())[1:]}), np.arange(31), "points")
    assert found.faults == ()
    forest = list(values).index("L2 Forest") - 1
    assert found.levels[forest].tolist() == [0, 1, 2]
    assert root.find("attributetableconfig/columns/column").attrib["hidden"] == "1"
