"""Sentinel-2 products as delivered, in JPEG 2000, and values of old and new baselines."""

from pathlib import Path

import numpy as np
import pytest
from scene_files import S2_BANDS, query, ramp, safe

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


def test_other_sensors_have_nothing_to_harmonize(tmp_path):
    with pytest.raises(OptionError, match="harmonize with Sentinel-2"):
        GaoFen2(tmp_path, harmonize=True)


@pytest.mark.parametrize(
    ("xml", "match"),
    [
        ("<a><b></a>", "mismatched tag"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type 'a' is not allowed"),
        ("<a><PRODUCT_START_TIME>yesterday</PRODUCT_START_TIME></a>", "ISO date, but got 'yesterday'"),
        ("<a><PRODUCT_START_TIME>0001-01-01T00:00:00Z</PRODUCT_START_TIME></a>", "ISO date, but got '0001"),
        ('<a><BOA_ADD_OFFSET band_id="99">-1000</BOA_ADD_OFFSET></a>', "metadata of a Sentinel-2 product"),
    ],
)
def test_metadata_that_cannot_be_trusted_are_refused(tmp_path, xml, match):
    root = safe(tmp_path, "L1C", xml=xml)
    with pytest.raises(RasterError, match=match):
        Sentinel2(root)


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
