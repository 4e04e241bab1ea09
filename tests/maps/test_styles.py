"""Palettes, names and QGIS styles: safe for any name, and read back by GDAL itself."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from raster_factory import write_raster

from hierars_geo.errors import TaxonomyError
from hierars_geo.maps.styles import category_names, confidence_qml, palette, pam_xml, raster_qml, vector_qml
from hierars_geo.taxonomy import Taxonomy

AWKWARD = ["Fish & chips <b>", 'l\'eau "douce"', "水田 ü 🌾", "]]> &amp; --"]


@pytest.fixture
def taxonomy() -> Taxonomy:
    """Names that break careless XML, values with gaps and out of order, nodata above them."""
    values = [7, 2, 300, 1]
    classes = [
        {"name": name, "value": value, "color": [10 * i, 100 + i, 255 - i]}
        for i, (name, value) in enumerate(zip(AWKWARD, values, strict=True))
    ]
    return Taxonomy.from_dict(
        {"name": "awkward", "nodata": 400, "levels": [{"name": "L1", "classes": classes}]}
    )


def test_palette_is_keyed_by_raster_value_and_nodata_is_transparent(taxonomy):
    assert palette(taxonomy, 1) == {
        1: (30, 103, 252, 255),
        2: (10, 101, 254, 255),
        7: (0, 100, 255, 255),
        300: (20, 102, 253, 255),
        400: (0, 0, 0, 0),
    }


def test_category_names_are_indexed_by_raster_value(taxonomy):
    names = category_names(taxonomy, 1)
    assert len(names) == 301
    assert {value: name for value, name in enumerate(names) if name} == dict(
        zip([7, 2, 300, 1], AWKWARD, strict=True)
    )


@pytest.mark.parametrize("make", [category_names, palette, pam_xml, raster_qml, vector_qml])
@pytest.mark.parametrize("level", [0, 4, -1])
def test_unknown_level_is_refused(make, level):
    with pytest.raises(TaxonomyError, match=r"level of mm5b to be 1\.\.3"):
        make(Taxonomy.from_yaml("mm5b"), level)


def test_gdal_reads_the_category_names(tmp_path: Path, taxonomy):
    raster = write_raster(tmp_path / "map.tif", np.ones((2, 2), np.uint16))
    raster.with_name("map.tif.aux.xml").write_text(pam_xml(taxonomy, 1), encoding="utf-8")

    # rasterio has no call for category names, but a VRT copy spells out what GDAL understood.
    copy = tmp_path / "copy.vrt"
    rasterio.shutil.copy(raster, copy, driver="VRT")
    understood = ET.parse(copy).getroot().findall("VRTRasterBand/CategoryNames/Category")
    assert [element.text or "" for element in understood] == category_names(taxonomy, 1)


def test_gdal_keeps_the_palette_of_a_byte_raster(tmp_path: Path):
    table = palette(Taxonomy.from_yaml("mm5b"), 3)
    path = write_raster(tmp_path / "map.tif", np.ones((2, 2), np.uint8), nodata=0, palette=table)
    with rasterio.open(path) as source:
        read = source.colormap(1)
    assert {value: read[value] for value in table} == table


def test_raster_style_has_one_entry_per_class(taxonomy):
    root = ET.fromstring(raster_qml(taxonomy, 1))
    renderer = root.find("pipe/rasterrenderer")
    assert (root.tag, renderer.get("type"), renderer.get("band")) == ("qgis", "paletted", "1")
    entries = [(int(e.get("value")), e.get("label"), e.get("color")) for e in renderer.iter("paletteEntry")]
    assert entries == [
        (1, AWKWARD[3], "#1e67fc"),
        (2, AWKWARD[1], "#0a65fe"),
        (7, AWKWARD[0], "#0064ff"),
        (300, AWKWARD[2], "#1466fd"),
    ]


def test_vector_style_links_every_category_to_its_symbol(taxonomy):
    root = ET.fromstring(vector_qml(taxonomy, 1))
    renderer = root.find("renderer-v2")
    assert (renderer.get("type"), renderer.get("attr")) == ("categorizedSymbol", "class_value")
    symbols = {symbol.get("name"): symbol for symbol in renderer.iter("symbol")}
    table = palette(taxonomy, 1)
    categories = list(renderer.iter("category"))
    assert [c.get("label") for c in categories] == [AWKWARD[3], AWKWARD[1], AWKWARD[0], AWKWARD[2]]
    for category in categories:
        layer = symbols[category.get("symbol")].find("layer")
        option = layer.find("Option/Option[@name='color']").get("value")
        assert option == layer.find("prop[@k='color']").get("v")
        assert tuple(map(int, option.split(","))) == table[int(category.get("value"))]


def test_confidence_style_spans_0_to_100_and_brightens():
    renderer = ET.fromstring(confidence_qml()).find("pipe/rasterrenderer")
    assert renderer.get("type") == "singlebandpseudocolor"
    items = list(renderer.iter("item"))
    assert [int(item.get("value")) for item in items][:: len(items) - 1] == [0, 100]
    brightness = [sum(bytes.fromhex(item.get("color")[1:])) for item in items]
    assert brightness == sorted(brightness)
