"""Finished maps: layout, overviews, colours, names, and nothing stale or half-written."""

import os
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS
from raster_factory import NORTH_UP

from hierars_geo.errors import OutputError
from hierars_geo.grid import GeoGrid
from hierars_geo.maps import (
    CONFIDENCE_NODATA,
    StripWriter,
    class_dtype,
    finalise_class_cog,
    finalise_per_cent_cog,
)
from hierars_geo.taxonomy import Taxonomy


def tree(values, nodata=0):
    classes = [
        {"name": f"class {value}", "value": value, "color": [value % 256, 10 * n, 255 - n]}
        for n, value in enumerate(values)
    ]
    return Taxonomy.from_dict({"name": "t", "nodata": nodata, "levels": [{"name": "L1", "classes": classes}]})


BYTES = tree((1, 5, 9))
WORDS = tree((111, 300, 65533), nodata=65535)


def write(path, array, taxonomy, transform=NORTH_UP):
    grid = GeoGrid(CRS.from_epsg(32648), transform, array.shape)
    with StripWriter(path, grid, class_dtype(taxonomy), taxonomy.nodata_value) as writer:
        writer.write(array)
    return path


def patches(taxonomy, shape, seed=0):
    """Blobs of classes with ragged borders, and nodata."""
    legal = np.array([*taxonomy.class_values(1), taxonomy.nodata_value])
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, len(legal), (-(-shape[0] // 9), -(-shape[1] // 9)))
    index = np.kron(coarse, np.ones((9, 9), int))[: shape[0], : shape[1]]
    noisy = rng.random(shape) < 0.2
    index[noisy] = rng.integers(0, len(legal), noisy.sum())
    return legal[index]


def test_class_dtype():
    assert class_dtype(BYTES) == "uint8"
    assert class_dtype(WORDS) == "uint16"
    assert class_dtype(tree((1, 2), nodata=255)) == "uint8"
    assert class_dtype(tree((1, 2), nodata=256)) == "uint16"


@pytest.mark.parametrize("taxonomy", [BYTES, WORDS], ids=["bytes", "words"])
@pytest.mark.parametrize(
    "transform", [NORTH_UP, NORTH_UP @ Affine.rotation(12), NORTH_UP @ Affine.scale(1, -1)], ids=str
)
def test_class_cog(tmp_path, taxonomy, transform):
    array = patches(taxonomy, (1300, 1100))
    tmp = write(tmp_path / "tmp.tif", array, taxonomy, transform)
    final = tmp_path / "out" / "scene_L1.tif"
    final.parent.mkdir()
    finalise_class_cog(tmp, final, taxonomy, 1, {"MODEL": "abc"})
    assert sorted(os.listdir(final.parent)) == ["scene_L1.qml", "scene_L1.tif", "scene_L1.tif.aux.xml"]
    legal = {*taxonomy.class_values(1), taxonomy.nodata_value}
    with rasterio.open(final) as dataset:
        np.testing.assert_array_equal(dataset.read(1), array)
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.tags()["MODEL"] == "abc"
        assert dataset.descriptions == ("L1",)
        assert dataset.dtypes == (class_dtype(taxonomy),)
        assert dataset.nodata == taxonomy.nodata_value
        assert dataset.block_shapes == [(512, 512)]
        assert dataset.transform.almost_equals(transform, 1e-9)
        assert dataset.crs.to_epsg() == 32648
        assert dataset.overviews(1) == [2, 4]
        if taxonomy is BYTES:
            colours = dataset.colormap(1)
            assert [colours[value][:3] for value in (1, 5, 9)] == list(taxonomy.colors(1))
            assert colours[0][3] == 0
            assert {colours[value][3] for value in (1, 5, 9)} == {255}
        else:
            with pytest.raises(ValueError, match="NULL color table"):
                dataset.colormap(1)
    for level in range(2):
        with rasterio.open(final, overview_level=level) as dataset:
            assert set(np.unique(dataset.read(1)).tolist()) == legal


def test_overviews_are_modes(tmp_path):
    array = np.where(np.arange(1200 * 1200).reshape(1200, 1200) % 4 == 1, 9, 1)  # one of two columns in four
    array[1::2] = 1
    finalise_class_cog(write(tmp_path / "tmp.tif", array, BYTES), tmp_path / "a.tif", BYTES, 1)
    with rasterio.open(tmp_path / "a.tif", overview_level=0) as dataset:
        assert (dataset.read(1) == 1).all()


def test_sidecars_name_the_classes_for_gdal_and_qgis(tmp_path):
    tmp = write(tmp_path / "tmp.tif", patches(BYTES, (40, 30)), BYTES)
    finalise_class_cog(tmp, tmp_path / "a.tif", BYTES, 1)
    names = [node.text or "" for node in ET.parse(tmp_path / "a.tif.aux.xml").iter("Category")]
    assert {value: names[value] for value in (1, 5, 9)} == {v: f"class {v}" for v in (1, 5, 9)}
    entries = {n.get("value"): n.get("label") for n in ET.parse(tmp_path / "a.qml").iter("paletteEntry")}
    assert entries == {"1": "class 1", "5": "class 5", "9": "class 9"}


def test_nothing_of_an_older_file_survives(tmp_path):
    final = tmp_path / "a.tif"
    for name in ("a.tif", "a.tif.aux.xml", "a.qml", "a.tif.ovr", "a.tif.msk", "a.tif.msk.ovr"):
        (tmp_path / name).write_text("old")
    (tmp_path / "a.gpkg").write_text("somebody else's")
    finalise_class_cog(write(tmp_path / "tmp.tif", patches(BYTES, (40, 30)), BYTES), final, BYTES, 1)
    assert sorted(os.listdir(tmp_path)) == ["a.gpkg", "a.qml", "a.tif", "a.tif.aux.xml", "tmp.tif"]
    assert all("old" not in (tmp_path / name).read_text() for name in ("a.qml", "a.tif.aux.xml"))
    # a confidence map has no class names: those of the class map before it must go
    tmp = tmp_path / "conf.tif"
    with StripWriter(tmp, GeoGrid(CRS.from_epsg(32648), NORTH_UP, (4, 4)), "uint8", 255) as writer:
        writer.write(np.full((4, 4), 50, "uint8"))
    finalise_per_cent_cog(tmp, final)
    assert not (tmp_path / "a.tif.aux.xml").exists()
    assert "singlebandpseudocolor" in (tmp_path / "a.qml").read_text()


def test_confidence_cog(tmp_path):
    array = np.random.default_rng(0).integers(40, 101, (1200, 1300), dtype="uint8")
    array[:600, :500] = CONFIDENCE_NODATA
    tmp = tmp_path / "tmp.tif"
    with StripWriter(tmp, GeoGrid(CRS.from_epsg(32648), NORTH_UP, array.shape), "uint8", 255) as writer:
        writer.write(array)
    finalise_per_cent_cog(tmp, tmp_path / "a.tif", {"MODEL": "abc"})
    with rasterio.open(tmp_path / "a.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), array)
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.nodata == 255
    with rasterio.open(tmp_path / "a.tif", overview_level=0) as dataset:
        half = dataset.read(1)
    # means of data alone: nodata is no per cent
    assert (half[:300, :250] == 255).all()
    blocks = array.reshape(600, 2, 650, 2).astype(float)
    np.testing.assert_allclose(half[300:], blocks.mean((1, 3))[300:], atol=0.51)


@pytest.mark.parametrize("fails_at", ["scene.qml", "scene.tif.aux.xml", "scene.tif"])
def test_a_failing_rename_leaves_no_final_file(tmp_path, monkeypatch, fails_at):
    tmp = write(tmp_path / "tmp.tif", patches(BYTES, (40, 30)), BYTES)
    rename = os.replace

    def full_disk(source, target):
        if os.path.basename(target) == fails_at:
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OutputError, match=rf"{fails_at} to be writable, but got: No space left on device"):
        finalise_class_cog(tmp, tmp_path / "scene.tif", BYTES, 1)
    assert os.listdir(tmp_path) == ["tmp.tif"]


def test_an_interrupt_leaves_the_older_map_as_it_was(tmp_path, monkeypatch):
    final = tmp_path / "a.tif"
    first = patches(BYTES, (40, 30))
    finalise_class_cog(write(tmp_path / "tmp.tif", first, BYTES), final, BYTES, 1)
    before = sorted(os.listdir(tmp_path))

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(rasterio.shutil, "copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finalise_class_cog(tmp_path / "tmp.tif", final, BYTES, 1)
    assert sorted(os.listdir(tmp_path)) == before
    with rasterio.open(final) as dataset:
        np.testing.assert_array_equal(dataset.read(1), first)


def test_a_damaged_raster_is_not_published(tmp_path, capfd):
    noise = np.random.default_rng(0).choice((1, 5, 9), (1024, 1024))
    tmp = write(tmp_path / "tmp.tif", noise, BYTES)
    tmp.write_bytes(tmp.read_bytes()[: tmp.stat().st_size // 2])
    with pytest.raises(OutputError, match=r"a\.tif to be writable, but got: "):
        finalise_class_cog(tmp, tmp_path / "a.tif", BYTES, 1)
    assert os.listdir(tmp_path) == ["tmp.tif"]
    assert capfd.readouterr() == ("", "")
