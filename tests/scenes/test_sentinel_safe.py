"""Sentinel-2 products as delivered, in JPEG 2000, and values of old and new baselines."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from scene_files import S2_BANDS, query, ramp, safe, write

from hierars_geo.datasets import GaoFen2, Sentinel2
from hierars_geo.datasets.imagery import Sentinel2L1C
from hierars_geo.errors import OptionError, RasterError
from hierars_geo.scenes import DataNotice

ROOT = Path(__file__).parents[2] / "../shared/data"


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    folder = tmp_path_factory.mktemp("products")
    return {level: safe(folder / level, level) for level in ("L1C", "L2A")}


@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_a_product_is_one_scene_of_its_finest_files(products, level):
    dataset = Sentinel2(products[level], bands=["B02", "B05", "B01"])
    assert (len(dataset), dataset.res) == (1, (10, 10))
    finest = {"L1C": ("_B02", "_B05", "_B01"), "L2A": ("_B02_10m", "_B05_20m", "_B01_60m")}[level]
    assert tuple(Path(path).stem[22:] for path in dataset.files) == finest
    assert f"{dataset.bounds[2].start:%Y-%m-%d}" == "2023-01-15"
    sample = dataset[query(0, 0, 24, 24)]
    np.testing.assert_array_equal(sample["image"][0, 6:], ramp("B02", 10)[6:])
    np.testing.assert_array_equal(sample["valid"][:6, :6], np.zeros((6, 6)))  # nodata 0, told by the metadata
    assert sample["valid"][12:].all()


def test_every_band_is_found_and_the_folder_above_may_be_named(products):
    both = Sentinel2(products["L2A"].parent)
    assert (len(both.files), both.skipped) == (10, ())
    assert len(Sentinel2L1C(products["L1C"], bands=S2_BANDS).files) == 13


def test_the_level_is_checked(products):
    with pytest.raises(RasterError, match=r"level L1C, but got L2A \(in .*SAFE\)"):
        Sentinel2L1C(products["L2A"])


def test_harmonized_values_are_1000_less_and_not_below_0(products):
    plain = Sentinel2(products["L2A"], bands=["B04"])[query(0, 0, 24, 24)]
    old = Sentinel2(products["L2A"], bands=["B04"], harmonize=True)[query(0, 0, 24, 24)]
    assert (plain["image"][0, :6, 6:12] == 900).all()
    expected = np.where(plain["valid"], np.maximum(plain["image"][0].numpy() - 1000, 0), 0)
    np.testing.assert_array_equal(old["image"][0], expected)
    np.testing.assert_array_equal(old["valid"], plain["valid"])  # dark is not the same as no data
    assert old["valid"][:6, 6:12].all()


def test_an_old_baseline_is_read_as_ramp(tmp_path):
    root = safe(tmp_path, "L1C", "02.14", offset=None)
    plain, old = (Sentinel2(root, bands=["B04"], harmonize=h)[query(0, 0, 24, 24)] for h in (False, True))
    np.testing.assert_array_equal(old["image"], plain["image"])


PRODUCT = "S2B_MSIL2A_{day}T054639_N{baseline}_R048_T43RCP_{day}T094332.tif"


@pytest.mark.parametrize(
    ("name", "tag", "less", "notice"),
    [
        (PRODUCT.format(day="20200604", baseline="0214"), None, 0, None),
        (PRODUCT.format(day="20200604", baseline="0500"), None, 1000, None),  # processed again
        ("s2_20200604.tif", "04.00", 1000, None),
        ("s2_20230604.tif", "3.01", 0, None),
        ("s2_20230604.tif", None, 1000, "by the day alone"),
        ("s2_20200604.tif", None, 0, "nothing says the processing baseline"),
        ("s2.tif", None, 0, "nothing says the processing baseline"),
    ],
)
def test_how_the_baseline_of_a_stack_is_known(tmp_path, name, tag, less, notice):
    path = write(tmp_path / name, np.full((1, 4, 4), 3000, dtype=np.uint16), names=["B04"])
    if tag:
        with rasterio.open(path, "r+") as file:
            file.update_tags(PROCESSING_BASELINE=tag)
    if notice:
        with pytest.warns(DataNotice, match=notice):
            dataset = Sentinel2(path, bands=["red"], harmonize=True)
    else:
        dataset = Sentinel2(path, bands=["red"], harmonize=True)
    assert (dataset[query(0, 0, 4, 4)]["image"] == 3000 - less).all()


def test_other_sensors_have_nothing_to_harmonize(tmp_path):
    with pytest.raises(OptionError, match="harmonize with Sentinel-2"):
        GaoFen2(tmp_path, harmonize=True)


@pytest.mark.parametrize(
    ("xml", "match"),
    [
        ("<a><b></a>", "mismatched tag"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type 'a' is not allowed"),
        ("<a><PRODUCT_START_TIME>yesterday</PRODUCT_START_TIME></a>", "ISO date, but got 'yesterday'"),
        ('<a><BOA_ADD_OFFSET band_id="99">-1000</BOA_ADD_OFFSET></a>', "metadata of a Sentinel-2 product"),
    ],
)
def test_metadata_that_cannot_be_trusted_are_refused(tmp_path, xml, match):
    root = safe(tmp_path, "L1C", xml=xml)
    with pytest.raises(RasterError, match=match):
        Sentinel2(root)


def test_a_product_without_metadata_is_read_by_its_name(products, tmp_path):
    import shutil

    shutil.copytree(products["L1C"], tmp_path / products["L1C"].name)
    next(tmp_path.glob("*/MTD_MSIL1C.xml")).unlink()
    whole = Sentinel2(products["L1C"], bands=["B04"], harmonize=True)
    with pytest.warns(DataNotice, match="lacks its metadata, day and baseline are read from its name"):
        bare = Sentinel2(tmp_path, bands=["B04"], harmonize=True)
    assert whole.bounds == bare.bounds  # the day, too
    for key in ("image", "valid"):
        np.testing.assert_array_equal(*(data[query(0, 0, 24, 24)][key] for data in (whole, bare)))


@pytest.mark.skipif(not ROOT.is_dir(), reason="the folder with real rasters is absent")
def test_real_band_files_of_both_spellings_and_radar():
    from hierars_geo.datasets.imagery import Sentinel1

    with pytest.warns(DataNotice) as given:
        tile = Sentinel2(ROOT / "sentinel2_t48que", bands=["red", "swir16"], harmonize=True)
    assert ["Left out" in str(w.message) or "baseline" in str(w.message) for w in given] == [True, True]
    assert tile.bands == ("B04", "B11")
    top = Sentinel2L1C(ROOT / "punjab_s1_s2/s2c", bands=S2_BANDS)
    assert (len(top), len(top.bands)) == (2, 13)
    radar = Sentinel1(ROOT / "punjab_s1_s2/s1")
    assert (len(radar), radar.bands) == (2, ("VV", "VH"))
    assert {f"{left:%Y-%m-%d}" for left in radar.index.index.left} == {"2020-06-07", "2020-09-03"}
