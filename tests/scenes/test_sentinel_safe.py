"""Sentinel-2 products as delivered, in JPEG 2000, and values of old and new baselines."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from scene_files import query, write

from hierars_geo.datasets import GaoFen2, Sentinel2
from hierars_geo.datasets.imagery import Sentinel2L1C
from hierars_geo.errors import OptionError, RasterError
from hierars_geo.scenes import DataNotice

ROOT = Path(__file__).parents[2] / "../shared/data"
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
GSD = {"B01": 60, "B09": 60, "B10": 60, **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), 20)}


def stored(band, res):
    """A different ramp in every band and resolution; 0 in the upper-left 60 m, and dark right of it."""
    side = 240 // res
    ramp = np.arange(side * side, dtype=np.uint16).reshape(side, side) % 100
    values = 2000 + 100 * BANDS.index(band) + res + ramp
    corner = 60 // res
    values[:corner, :corner] = 0
    values[:corner, corner : 2 * corner] = 900
    return values.astype(np.uint16)


def jp2(path, array, res):
    lossless = {"QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO"}
    write(path, array, res=res, driver="JP2OpenJPEG", **lossless)


def safe(folder, level, baseline="05.09", offsets=True, xml=None, day="20230115"):
    """A small product: bands, the files that lie among them, and metadata."""
    code = baseline.replace(".", "")
    root = folder / f"S2A_MSI{level}_{day}T051121_N{code}_R019_T50SMJ_{day}T080000.SAFE"
    images = root / "GRANULE" / f"{level}_T50SMJ_A039000_{day}T051121" / "IMG_DATA"
    stem = f"T50SMJ_{day}T051121"
    for band in BANDS:
        if level == "L1C":
            jp2(images / f"{stem}_{band}.jp2", stored(band, GSD.get(band, 10)), GSD.get(band, 10))
        elif band != "B10":
            for res in (res for res in (10, 20, 60) if res >= GSD.get(band, 10)):
                jp2(images / f"R{res}m" / f"{stem}_{band}_{res}m.jp2", stored(band, res), res)
    deep = images if level == "L1C" else images / "R10m"
    jp2(deep / f"{stem}_TCI{'' if level == 'L1C' else '_10m'}.jp2", np.ones((24, 24), np.uint8), 10)
    jp2(images.parent / "QI_DATA" / "MSK_CLASSI_B00.jp2", np.ones((4, 4), np.uint8), 60)
    tag = "RADIO_ADD_OFFSET" if level == "L1C" else "BOA_ADD_OFFSET"
    listed = "".join(f'<{tag} band_id="{i}">-1000</{tag}>' for i in range(13)) if offsets else ""
    text = xml or (
        f'<?xml version="1.0"?><n1:Product xmlns:n1="urn:x"><n1:General_Info><Product_Info>'
        f"<PRODUCT_START_TIME>2023-01-15T05:11:21.024Z</PRODUCT_START_TIME>"
        f"<PROCESSING_LEVEL>Level-{level[1:]}</PROCESSING_LEVEL>"
        f"<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE></Product_Info>"
        f"<Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>"
        f"<SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values>{listed}"
        f"</n1:General_Info></n1:Product>"
    )
    (root / f"MTD_MSI{level}.xml").write_text(text)
    return root


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
    np.testing.assert_array_equal(sample["image"][0, 6:], stored("B02", 10)[6:])
    np.testing.assert_array_equal(sample["valid"][:6, :6], np.zeros((6, 6)))  # nodata 0, told by the metadata
    assert sample["valid"][12:].all()


def test_every_band_is_found_and_the_folder_above_may_be_named(products):
    both = Sentinel2(products["L2A"].parent)
    assert (len(both.files), both.skipped) == (10, ())
    assert len(Sentinel2L1C(products["L1C"], bands=BANDS).files) == 13


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


def test_an_old_baseline_is_read_as_stored(tmp_path):
    root = safe(tmp_path, "L1C", "02.14", offsets=False)
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
    top = Sentinel2L1C(ROOT / "punjab_s1_s2/s2c", bands=BANDS)
    assert (len(top), len(top.bands)) == (2, 13)
    radar = Sentinel1(ROOT / "punjab_s1_s2/s1")
    assert (len(radar), radar.bands) == (2, ("VV", "VH"))
    assert {f"{left:%Y-%m-%d}" for left in radar.index.index.left} == {"2020-06-07", "2020-09-03"}
