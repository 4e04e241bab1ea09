"""STAC collections of real files: what they say, that they are valid, and what is found wrong later."""

import json
from pathlib import Path

import numpy as np
import pystac
import pytest
import shapely
from pyproj import Transformer
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from scene_files import safe, write

from hierars_geo.catalog import BuildOptions, build, build_catalog, headers, stac, validate_catalog
from hierars_geo.catalog.stac import multihash
from hierars_geo.errors import DataError, OptionError, OutputError
from hierars_geo.grid import Window
from hierars_geo.scenes import Scene


@pytest.fixture
def scenes(tmp_path):
    """Two scenes: a stack with an empty left half and labels, and band files; both with dates in names."""
    folder = tmp_path / "scenes"
    image = np.full((4, 60, 80), 700, np.uint16)
    image[:, :, :40] = 0
    image[0] += (np.arange(80) % 7 * (np.arange(80) >= 40)).astype(np.uint16)
    write(folder / "GF2_20150212_a.tif", image, nodata=0, names=("Blue", "Green", "Red", "NIR"))
    labels = np.full((60, 80), 3, np.uint8)
    write(folder / "GF2_20150212_a_label.tif", labels, nodata=0)
    for band, res in (("B02", 10.0), ("B11", 20.0)):
        side = int(400 / res)
        values = np.arange(side * side, dtype=np.uint16).reshape(side, side)
        write(folder / "S2_20190801T030541" / f"{band}.tif", values, res=res)
    return folder


def items_of(result):
    collection = pystac.Collection.from_file(str(result.path))
    return collection, {item.id: item for item in collection.get_items()}


def test_items_say_where_when_and_what(scenes, tmp_path):
    collection, items = items_of(build_catalog(scenes, tmp_path / "c", BuildOptions(taxonomy="mm5b")))
    assert set(items) == {"GF2_20150212_a", "S2_20190801T030541"}
    gf2, s2 = items["GF2_20150212_a"], items["S2_20190801T030541"]
    assert f"{gf2.datetime:%Y-%m-%d %H%M}" == "2015-02-12 0000"
    assert f"{s2.datetime:%Y-%m-%d %H%M%S}" == "2019-08-01 030541"
    assert set(gf2.assets) == {"image", "labels"}
    assert set(s2.assets) == {"B02", "B11"}
    fields = gf2.assets["image"].extra_fields
    assert fields["proj:code"] == "EPSG:32650"
    assert fields["proj:shape"] == [60, 80]
    assert fields["proj:transform"] == [10, 0, 500000, 0, -10, 4000000]
    assert fields["bands"][0] == {
        "name": "blue",
        "data_type": "uint16",
        "nodata": 0,
        "raster:spatial_resolution": 10.0,
        "eo:common_name": "blue",
    }
    assert s2.assets["B11"].extra_fields["bands"][0]["eo:center_wavelength"] == pytest.approx(1.61, abs=0.01)
    classes = gf2.assets["labels"].extra_fields["classification:classes"]
    assert (len(classes), classes[2]["value"], classes[2]["name"]) == (18, 3, "Forest")
    assert collection.extent.temporal.intervals[0][0] == gf2.datetime


def test_the_footprint_leaves_out_what_holds_no_data(scenes, tmp_path):
    _, items = items_of(build_catalog(scenes, tmp_path / "c"))
    item = items["GF2_20150212_a"]
    west, _, east, _ = item.bbox
    # 40 of 80 columns hold data: 400 m, which is 0.0044 degrees at 36 degrees north
    assert east - west == pytest.approx(400 / (111_320 * np.cos(np.radians(36.1))), rel=0.01)
    assert west == pytest.approx(117.0044, abs=1e-4)
    assert shapely.geometry.shape(item.geometry).exterior.is_ccw


def test_collection_and_items_are_valid_stac_with_relative_paths(scenes, tmp_path):
    collection, items = items_of(build_catalog(scenes, tmp_path / "c", BuildOptions(checksums=True)))
    validator = JsonSchemaSTACValidator()
    kinds = pystac.STACObjectType
    for thing, kind in [(collection, kinds.COLLECTION), *((item, kinds.ITEM) for item in items.values())]:
        assert validator.validate_core(thing.to_dict(), kind, "1.1.0")
    text = json.loads((tmp_path / "c" / "GF2_20150212_a" / "GF2_20150212_a.json").read_text())
    assert text["assets"]["image"]["href"] == "../../scenes/GF2_20150212_a.tif"
    assert text["assets"]["image"]["file:checksum"].startswith("1220")


def test_the_same_files_give_the_same_bytes(scenes, tmp_path):
    for name in ("one", "two"):
        build_catalog(scenes, tmp_path / name)
    one, two = (sorted((tmp_path / name).rglob("*.json")) for name in ("one", "two"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_all_unusable_files_are_named_at_once_or_kept_in_a_list(scenes, tmp_path):
    (scenes / "text_20200101.tif").write_text("no raster")
    write(scenes / "nowhere_20200101.tif", np.ones((5, 5), np.uint8), crs=None)
    with pytest.raises(DataError, match=r"2 are not: .*nowhere_20200101.*text_20200101"):
        build_catalog(scenes, tmp_path / "c")
    assert not (tmp_path / "c").exists()
    result = build_catalog(scenes, tmp_path / "c", BuildOptions(on_error="skip"))
    collection, items = items_of(result)
    assert len(items) == 2
    assert set(collection.extra_fields["hierars:skipped"]) == {"text_20200101.tif", "nowhere_20200101.tif"}


def test_a_file_that_is_taken_away_while_its_checksum_is_made_is_named(scenes, tmp_path, monkeypatch):
    def gone(path):
        path.unlink()
        return multihash(path)

    monkeypatch.setattr(stac, "multihash", gone)
    with pytest.raises(DataError, match=r"2 are not: .*No such file or directory: .*GF2_20150212_a"):
        build_catalog(scenes, tmp_path / "c", BuildOptions(checksums=True))
    assert not (tmp_path / "c").exists()


def test_a_file_that_is_taken_away_while_its_header_is_read_is_named(scenes, tmp_path, monkeypatch):
    read = headers.acquired

    def gone(path, tags):
        found = read(path, tags)
        path.unlink()
        return found

    monkeypatch.setattr(headers, "acquired", gone)
    with pytest.raises(DataError, match=r"4 are not: .*No such file or directory: .*GF2_20150212_a"):
        build_catalog(scenes, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_folder_that_is_taken_away_while_it_is_searched_is_named(scenes, tmp_path, monkeypatch):
    def gone(folder, pattern):
        raise FileNotFoundError(2, "No such file or directory", str(scenes / "S2_20190801T030541"))

    monkeypatch.setattr(Path, "rglob", gone)
    with pytest.raises(DataError, match=r"scenes to be a folder that can be searched, .*S2_20190801T030541"):
        build_catalog(scenes, tmp_path / "c")


def test_band_files_of_the_copernicus_browser_are_one_item(tmp_path):
    for band in ("B02", "B03", "B8A"):
        name = f"2020-07-31-00:00_2020-07-31-23:59_Sentinel-2_L2A_{band}_(Raw).tiff"
        write(tmp_path / "s" / name, np.ones((5, 5), np.uint16))
    build_catalog(tmp_path / "s", tmp_path / "c")
    (item,) = (pystac.Item.from_file(str(path)) for path in (tmp_path / "c").glob("*/*.json"))
    assert sorted(item.assets) == ["B02", "B03", "B8A"]
    assert f"{item.datetime:%Y-%m-%d}" == "2020-07-31"


def test_label_rasters_are_no_scenes(tmp_path):
    """Labels of another name than their image, on its ground: one item, as a training pairs them."""
    for name in ("GewataB1-5_7_20010205.tif", "GewataB1-5_7_20020205.tif"):
        write(tmp_path / "s" / name, np.ones((2, 40, 40), np.uint16))
    write(tmp_path / "s" / "lulcGewata.tif", np.ones((40, 40), np.uint8))
    write(tmp_path / "s" / "lulcElsewhere.tif", np.ones((40, 40), np.uint8), left=9e5)
    build_catalog(tmp_path / "s", tmp_path / "c", BuildOptions(time="2001-02-05"))
    items = {path.stem: pystac.Item.from_file(str(path)) for path in (tmp_path / "c").glob("*/*.json")}
    assert {name: sorted(item.assets) for name, item in items.items()} == {
        "GewataB1-5_7_20010205": ["image", "labels"],
        "GewataB1-5_7_20020205": ["image", "labels"],
        "lulcElsewhere": ["labels"],
    }


def test_quality_bands_are_assets_of_their_image_and_mask_it(tmp_path):
    """From a folder of dates to a collection whose items are read without clouds."""
    names = ["B02", "B03"]
    for number, day in enumerate(("20200501", "20200601")):
        image = np.random.default_rng(number).integers(300, 900, (2, 24, 24)).astype("uint16")
        write(tmp_path / "season" / f"a_{day}.tif", image, names=names)
        scl = np.full((12, 12), 4 + number, "uint8")
        scl[:3] = 9
        write(tmp_path / "season" / f"a_{day}_SCL.tif", scl, res=20)
    items = items_of(build_catalog(tmp_path / "season", tmp_path / "catalog", BuildOptions()))[1]
    assert sorted(items) == ["a_20200501", "a_20200601"]
    assert [{key: asset.roles for key, asset in item.assets.items()} for item in items.values()] == [
        {"image": ["data"], "SCL": ["data-mask"]}
    ] * 2
    assert problems_of(tmp_path / "catalog") == {}
    for item in items.values():
        with Scene.open(item.self_href, "sentinel2", names, mask=["cloud"]) as scene:
            assert not scene.read(Window(0, 0, 6, 24)).valid.any()
            assert scene.read(Window(6, 0, 18, 24)).valid.all()


def test_scales_are_an_asset_of_the_image_that_they_multiply(tmp_path):
    names = [f"Tessera_Band_{number}" for number in range(128)]
    stored = np.full((128, 6, 8), 7, np.int8)
    path = Path(write(tmp_path / "s" / "t_20200501.tif", stored, names=names))
    scales = np.full((6, 8), 0.5, np.float32)
    write(path.with_name("t_20200501_scales.tif"), scales)
    write(path.with_name("alone_20200501_scales.tif"), 2 * scales)  # of no image: it is one itself
    items = items_of(build_catalog(tmp_path / "s", tmp_path / "c"))[1]
    roles = {name: {key: a.roles for key, a in item.assets.items()} for name, item in items.items()}
    assert roles == {
        "alone_20200501_scales": {"image": ["data"]},
        "t_20200501": {"image": ["data"], "scales": ["metadata"]},
    }
    assert problems_of(tmp_path / "c") == {}
    with Scene.open(items["t_20200501"].self_href, "tessera") as scene:
        assert (scene.read(scene.grid).data == 3.5).all()


def test_the_footprint_of_a_product_leaves_out_what_its_metadata_say(tmp_path):
    """Its images declare no nodata value; the catalog reads them as a training does."""
    root = safe(tmp_path / "s", "L2A")
    _, items = items_of(build_catalog(tmp_path / "s", tmp_path / "c"))
    (item,) = items.values()
    assert item.id == root.stem
    with Scene.open(root, "sentinel2", ["B04"]) as scene:
        empty = ~scene.read(scene.grid).valid
        lonlat = Transformer.from_crs(scene.grid.crs, 4326, always_xy=True)
        corner = [lonlat.transform(*(scene.grid.transform @ at)) for at in ((3, 3), (12, 12))]
    np.testing.assert_array_equal(empty, np.add.outer(np.arange(24) > 5, np.arange(24) > 5) == 0)
    outline = shapely.geometry.shape(item.geometry)
    assert [outline.contains(shapely.Point(place)) for place in corner] == [False, True]
    assert problems_of(tmp_path / "c") == {}


def test_files_without_a_date_ask_for_one(tmp_path):
    write(tmp_path / "s" / "scene.tif", np.ones((5, 5), np.uint8))
    with pytest.raises(DataError, match=r"got no date .*scene\.tif.*--time"):
        build_catalog(tmp_path / "s", tmp_path / "c")
    with pytest.raises(OptionError, match="YYYY-MM-DD"):
        build_catalog(tmp_path / "s", tmp_path / "c", BuildOptions(time="yesterday"))
    build_catalog(tmp_path / "s", tmp_path / "c", BuildOptions(time="2001-02-05/2001-02-06"))
    with pytest.raises(OutputError, match="--overwrite"):
        build_catalog(tmp_path / "s", tmp_path / "c", BuildOptions(time="2001-02-05"))


def test_a_collection_is_never_lost_between_two_names(scenes, tmp_path, monkeypatch):
    """A run killed after it had moved the old collection aside, and one that fails after that."""
    final, aside = tmp_path / "c", tmp_path / ".c.old"
    build_catalog(scenes, final, BuildOptions(taxonomy="mm5b"))
    before = {path.relative_to(final): path.read_bytes() for path in final.rglob("*.json")}
    final.rename(aside)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(build, "save_collection", full)
        with pytest.raises(OutputError, match="No space left"):
            build_catalog(scenes, final, BuildOptions(time="2001-02-05"))
    assert {path.relative_to(final): path.read_bytes() for path in final.rglob("*.json")} == before

    (scenes / "GF2_20150212_a_label.tif").unlink()
    final.rename(aside)
    _, items = items_of(build_catalog(scenes, final))
    assert set(items["GF2_20150212_a"].assets) == {"image"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def problems_of(folder):
    return {
        (problem.kind, problem.file.rsplit("/", 1)[-1]): problem.message
        for problem in validate_catalog(folder)
    }


def test_what_changed_since_is_found(scenes, tmp_path):
    build_catalog(scenes, tmp_path / "c", BuildOptions(taxonomy="mm5b"))
    assert problems_of(tmp_path / "c") == {}
    labels = np.full((60, 80), 3, np.uint8)
    labels[0, :5] = 77
    write(scenes / "GF2_20150212_a_label.tif", labels, nodata=0)
    (scenes / "S2_20190801T030541" / "B11.tif").unlink()
    bands = scenes / "S2_20190801T030541" / "B02.tif"
    bands.write_bytes(bands.read_bytes()[:-500])
    write(scenes / "GF2_20150212_a.tif", np.ones((3, 60, 80), np.uint8), crs="EPSG:32651")
    found = problems_of(tmp_path / "c")
    assert found["values", "GF2_20150212_a_label.tif"] == "expected values of mm5b, but got 77 (5 px)"
    assert ("missing", "B11.tif") in found
    assert ("unreadable", "B02.tif") in found
    assert found["dtype", "GF2_20150212_a.tif"] == "expected uint16, but got uint8"
    assert {kind for kind, name in found if name == "GF2_20150212_a.tif"} == {"bands", "crs", "dtype", "size"}


def test_the_same_picture_twice_is_found(scenes, tmp_path):
    copy = scenes / "copy_20150212.tif"
    copy.write_bytes((scenes / "GF2_20150212_a.tif").read_bytes())
    build_catalog(scenes, tmp_path / "c")
    found = validate_catalog(tmp_path / "c")
    assert [problem.kind for problem in found] == ["duplicate", "duplicate"]
    assert "same bytes" in found[0].message + found[1].message
