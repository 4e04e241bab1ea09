"""What other programs get beside the maps: complete, relative, valid STAC, nothing replaced unasked."""

import io
import json
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import geopandas
import numpy as np
import pystac
import pystac.validation
import pytest
import rasterio
from report_factory import UTM, Place

from hierars_geo.cli import main
from hierars_geo.errors import HieraRSWarning, OutputError, RasterError
from hierars_geo.report import source_image, write_gis_files
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.vector import vectorize

MM5B = Taxonomy.from_yaml("mm5b")


def make_item(folder, name, bbox, moment):
    """Complete the factory's item to a valid one."""
    path = folder / f"{name}.json"
    west, south, east, north = bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    content = json.loads(path.read_text()) | {
        "stac_version": "1.1.0",
        "bbox": bbox,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "links": [{"rel": "derived_from", "href": "../s.json"}],
        "assets": {},
    }
    content["properties"] |= {"datetime": moment, "proj:code": UTM[0]}
    path.write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path):
    maps = Place(MM5B, shape=(60, 80)).write_prediction(tmp_path / "maps", "north", depth=True)
    Place(MM5B, shape=(50, 70), seed=1).write_prediction(maps, "south", confidence=False)
    make_item(maps, "north", [105.0, 21.5, 105.1, 21.6], "2021-07-14T03:25:49Z")
    make_item(maps, "south", [104.9, 21.3, 105.0, 21.5], "2020-01-01T00:00:00Z")
    vectorize(maps / "north_L3.tif", maps / "north.gpkg")
    return maps


def test_what_is_unlike_the_training_ground_is_hatched_in_the_project(folder):
    aoa = np.ones((60, 80), np.uint8)
    aoa[:, :20] = 0
    Place(MM5B, shape=(60, 80)).write_tif(folder / "north_aoa.tif", aoa, nodata=255)
    written = {path.name: path for path in write_gis_files(folder)}
    (multipolygon,) = geopandas.read_file(written["north_outside.fgb"]).geometry
    with rasterio.open(folder / "north_L1.tif") as dataset:
        left, _, right, _ = dataset.bounds
        pixel_m2 = abs(dataset.transform.determinant)
    assert multipolygon.area == pytest.approx(60 * 20 * pixel_m2)
    assert multipolygon.bounds[2] == pytest.approx(left + (right - left) / 4)
    with zipfile.ZipFile(written["maps.qgz"]) as archive:
        root = ET.fromstring(archive.read("project.qgs"))
    (layer,) = [each for each in root.iter("maplayer") if "north_outside" in each.findtext("datasource")]
    assert "b_diagonal" in ET.tostring(layer, encoding="unicode")
    (entry,) = [each for each in root.iter("layer-tree-layer") if each.get("id") == layer.findtext("id")]
    assert entry.get("checked") == "Qt::Checked"


def test_all_files_are_written_and_hold_together(folder):
    written = write_gis_files(folder)
    assert [path.name for path in written] == [
        "maps.qgz",
        *(f"north_L{n}.sld" for n in (1, 2, 3)),
        "north.style.json",
        *(f"south_L{n}.sld" for n in (1, 2, 3)),
        "south.style.json",
        "collection.json",
    ]
    with zipfile.ZipFile(io.BytesIO(written[0].read_bytes())) as archive:
        root = ET.fromstring(archive.read("project.qgs"))
    sources = [layer.find("datasource").text for layer in root.iter("maplayer")]
    assert len(sources) == 3 + 6 + 3  # polygons, north with confidence, south
    assert all((folder / source.split("|")[0]).is_file() for source in sources)
    style = json.loads(written[4].read_text())
    assert style["sources"]["L2"]["data"] == "./north_L2.geojson"


def test_the_collection_is_valid_and_linked_both_ways(folder):
    write_gis_files(folder)
    collection = pystac.Collection.from_file(str(folder / "collection.json"))
    collection.validate()
    items = {item.id: item for item in collection.get_items()}
    assert set(items) == {"north", "south"}
    assert collection.extent.spatial.bboxes == [[104.9, 21.3, 105.1, 21.6]]
    assert [moment.year for moment in collection.extent.temporal.intervals[0]] == [2020, 2021]
    assert collection.summaries.get_list("proj:code") == [UTM[0]]
    for item in items.values():
        pystac.validation.validate_dict(item.to_dict(include_self_link=False), extensions=[])
        assert item.collection_id == collection.id == "maps"
        assert [link.rel for link in item.links if link.rel == "derived_from"] == ["derived_from"]
    before = (folder / "north.json").read_bytes()
    write_gis_files(folder, overwrite=True)
    assert (folder / "north.json").read_bytes() == before


def test_nothing_is_replaced_unasked_and_names_do_not_clash(folder):
    (folder / "north_L2.sld").write_text("mine")
    with pytest.raises(OutputError, match=r"north_L2\.sld.*--overwrite"):
        write_gis_files(folder)
    assert (folder / "north_L2.sld").read_text() == "mine"
    assert not (folder / "maps.qgz").exists()
    Place(MM5B, shape=(50, 70)).write_prediction(folder, "collection")
    with pytest.raises(OutputError, match="no scene of the name 'collection'"):
        write_gis_files(folder, overwrite=True)


def test_an_item_that_is_no_stac_is_named(folder):
    content = json.loads((folder / "south.json").read_text())
    del content["bbox"], content["stac_version"], content["geometry"]
    (folder / "south.json").write_text(json.dumps(content))
    with pytest.raises(RasterError, match=r"south\.json to (be a STAC item|have a bbox)"):
        write_gis_files(folder)
    assert not list(folder.glob("*.sld"))


def test_an_image_or_polygons_that_the_project_cannot_show_are_told(folder, tmp_path):
    place = Place(MM5B, shape=(60, 80))
    grey = place.write_tif(tmp_path / "grey.tif", np.ones((60, 80), np.uint8))
    content = json.loads((folder / "north.json").read_text())
    content["links"] = [{"rel": "derived_from", "href": "../grey.tif"}]
    (folder / "north.json").write_text(json.dumps(content))
    (folder / "old.gpkg").write_text("no GeoPackage")
    polygons = pytest.warns(HieraRSWarning, match=r"project does not show .*old\.gpkg: ")
    with polygons, pytest.warns(HieraRSWarning, match=r"image of north is not shown.*red, green, blue"):
        write_gis_files(folder)
    (folder / "old.gpkg").unlink()
    with pytest.raises(RasterError, match="red, green, blue"):
        write_gis_files(folder, overwrite=True, image=grey)
    bands = place.write_image(tmp_path / "rgb.tif")
    for number, name in enumerate(("B02", "B03", "B04")):
        with rasterio.open(bands) as dataset:
            place.write_tif(tmp_path / "bands" / f"{name}.tif", dataset.read(number + 1), 0)
    with pytest.warns(HieraRSWarning, match=r"does not show .*bands: its bands are files of their own"):
        write_gis_files(folder, overwrite=True, image=tmp_path / "bands")


def test_an_image_that_scenes_share_is_opened_once(folder, tmp_path, monkeypatch):
    Place(MM5B, shape=(60, 80)).write_image(tmp_path / "rgb.tif")
    for name in ("north", "south"):
        content = json.loads((folder / f"{name}.json").read_text())
        content["links"] = [{"rel": "derived_from", "href": "../rgb.tif"}]
        (folder / f"{name}.json").write_text(json.dumps(content))
    opened, original = [], source_image.open_true_color
    monkeypatch.setattr(source_image, "open_true_color", lambda *told: opened.append(told) or original(*told))
    (project, *_) = write_gis_files(folder)
    assert len(opened) == 1
    with zipfile.ZipFile(project) as archive:
        root = ET.fromstring(archive.read("project.qgs"))
    (layer,) = [each for each in root.iter("maplayer") if each.findtext("datasource") == "./../rgb.tif"]
    (group,) = [each for each in root.iter("layer-tree-group") if each.get("name") == "Image"]
    assert [each.get("id") for each in group] == [layer.findtext("id")]
    assert (folder / layer.findtext("datasource")).is_file()


def test_the_command_writes_report_figures_and_files(tmp_path, capsys):
    folder = Place(Taxonomy.from_yaml("whdld"), shape=(40, 60)).write_prediction(
        tmp_path / "maps", "chip", levels=(1,), confidence=False
    )
    make_item(folder, "chip", [105.0, 21.5, 105.1, 21.6], "2021-07-14T03:25:49Z")
    figures = tmp_path / "figures"
    assert main(["report", str(folder), "--gis", "--figures", str(figures)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [Path(line).name for line in lines][:2] == ["report.html", "chip.qgz"]
    assert sorted(path.name for path in figures.iterdir()) == ["chip_L1.pdf", "chip_L1.png"]
