"""Masks of clouds and the like, against NumPy on the values that were written."""

import json

import numpy as np
import pytest
from raster_factory import placed, write_raster
from scene_files import query

from hierars_geo.datasets import Landsat8, SceneSeries, Sentinel2
from hierars_geo.errors import DataNotice, MissingFileError, OptionError, RasterError
from hierars_geo.grid import Window
from hierars_geo.scenes import Mosaic, Scene, find_sensor
from hierars_geo.types import MaskRule, ReadRecipe, SeriesRule

BANDS = ["B02", "B03"]
SIDE = 24


def image(path, value=500, **options):
    """A stack of two bands at 10 m, all of it data."""
    return write_raster(path, np.full((2, SIDE, SIDE), value, dtype="uint16"), BANDS, nodata=0, **options)


@pytest.fixture
def scl(tmp_path):
    """A scene at 10 m and its scene classification at 20 m, of all values; the array of the latter."""
    image(tmp_path / "T50_20200501.tif")
    values = np.random.default_rng(0).integers(0, 12, (SIDE // 2, SIDE // 2)).astype("uint8")
    write_raster(tmp_path / "T50_20200501_SCL.tif", values, res=20)
    return values


def near(flags, radius_m, res_m=10):
    """Pixels at most so far from a flagged one, by brute force."""
    rows, cols = np.nonzero(flags)
    at = np.mgrid[: flags.shape[0], : flags.shape[1]]
    distance = np.hypot(at[0][..., None] - rows, at[1][..., None] - cols) * res_m
    return (distance <= radius_m).any(axis=-1)


@pytest.mark.parametrize(
    ("classes", "values"),
    [(["cloud", "shadow"], (8, 9, 3)), (["cirrus", "snow"], (10, 11)), (["cloud_high"], (9,))],
)
def test_classes_of_a_20_m_scl_leave_out_10_m_pixels(tmp_path, scl, classes, values):
    scene = Scene.open(tmp_path / "T50_20200501.tif", "sentinel2", BANDS, mask=classes)
    expected = ~np.isin(scl, values).repeat(2, 0).repeat(2, 1)
    image, valid = scene.read(Window(0, 0, SIDE, SIDE))
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_array_equal(image[0], np.where(expected, 500, 0))
    np.testing.assert_array_equal(scene.read(Window(3, 5, 8, 9)).valid, expected[3:11, 5:14])


@pytest.mark.parametrize("radius_m", [10, 15, 30, 55])
def test_dilation_is_in_metres_and_the_same_in_every_window(tmp_path, radius_m):
    image(tmp_path / "a.tif")
    values = np.full((SIDE // 2, SIDE // 2), 4, dtype="uint8")
    values[2, 3], values[9, 9] = 8, 9
    write_raster(tmp_path / "a_SCL.tif", values, res=20)
    rule = MaskRule(("cloud",), radius_m)
    scene = Scene.open(tmp_path / "a.tif", "sentinel2", BANDS, mask=rule)
    expected = ~near(np.isin(values, (8, 9)).repeat(2, 0).repeat(2, 1), radius_m)
    np.testing.assert_array_equal(scene.read(Window(0, 0, SIDE, SIDE)).valid, expected)
    for row in range(0, SIDE, 5):
        found = scene.read(Window(row, 1, 5, 7)).valid
        reference = np.zeros((5, 7), bool)
        inside = expected[row : row + 5, 1:8]
        reference[: len(inside)] = inside
        np.testing.assert_array_equal(found, reference)


def test_dilation_in_degrees_measures_the_ground(tmp_path):
    """At 60 degrees north a degree of longitude is half as long as one of latitude."""
    place = {"crs": "EPSG:4326", "transform": placed(1e-4, 10.0, 60.0)}
    image(tmp_path / "a.tif", **place)
    values = np.full((SIDE, SIDE), 4, dtype="uint8")
    values[12, 12] = 8
    write_raster(tmp_path / "a_SCL.tif", values, **place)
    rule = MaskRule(("cloud",), 12.0)
    valid = Scene.open(tmp_path / "a.tif", "sentinel2", BANDS, mask=rule).read(Window(0, 0, SIDE, SIDE)).valid
    assert np.flatnonzero(~valid[12]).tolist() == [10, 11, 12, 13, 14]  # 5.58 m
    assert np.flatnonzero(~valid[:, 12]).tolist() == [11, 12, 13]  # 11.14 m


def test_bits_of_landsat_and_hls(tmp_path):
    sensor = find_sensor("landsat8")
    bits = {"near_cloud": 1, "cirrus": 2, "cloud": 3, "shadow": 4, "snow": 5, "clear": 6, "water": 7}
    values = np.arange(2**16, dtype="uint16").reshape(256, 256)
    for name, bit in bits.items():
        expected = (values >> bit & 1 == 1) & (values != 1)
        np.testing.assert_array_equal(sensor.quality[0].flags(values, [name]), expected)
    fmask = np.arange(256, dtype="uint8")
    both = sensor.quality[1].flags(fmask, ["cloud", "aerosol_high"])
    np.testing.assert_array_equal(both, ((fmask & 2 > 0) | (fmask & 192 == 192)) & (fmask != 255))
    prefix = "LC08_L2SP_127040_20200501_20200820_02_T1"
    for band in (2, 3):
        write_raster(tmp_path / f"{prefix}_SR_B{band}.TIF", np.full((16, 16), 9000, "uint16"), res=30)
    quality = np.full((16, 16), 1 << 6, dtype="uint16")
    quality[:4], quality[4:6], quality[6] = 1 << 3, 1 << 4, 1 << 2
    write_raster(tmp_path / f"{prefix}_QA_PIXEL.TIF", quality, res=30)
    found = Landsat8(str(tmp_path), bands=["B02", "B03"], mask=["cloud", "shadow"])
    assert len(found.scenes) == 1
    valid = found[query(0, 0, 16, 16, res=30)]["valid"]
    assert valid.all(dim=1).tolist() == [False] * 6 + [True] * 10


def test_probability_and_classes_inside_of_a_product(tmp_path):
    product = tmp_path / "S2A_MSIL2A_20200501T032541_N0214_R018_T48QUE_20200501T060000.SAFE"
    granule = product / "GRANULE/L2A_T48QUE"
    for name in BANDS:
        path = granule / f"IMG_DATA/R10m/T48QUE_20200501T032541_{name}_10m.jp2"
        write_raster(path, np.full((SIDE, SIDE), 500, "uint16"), driver="GTiff")
    classes = np.full((SIDE // 2, SIDE // 2), 4, dtype="uint8")
    classes[0] = 3
    path = granule / "IMG_DATA/R20m/T48QUE_20200501T032541_SCL_20m.jp2"
    write_raster(path, classes, res=20, driver="GTiff")
    probability = np.repeat(np.arange(SIDE // 2, dtype="uint8")[:, None] * 8, SIDE // 2, 1)
    write_raster(granule / "QI_DATA/MSK_CLDPRB_20m.jp2", probability, res=20, driver="GTiff")
    for wanted, least in (("cloud_probability", 40), ("cloud_probability=64", 64)):
        scene = Scene.open(product, "sentinel2", BANDS, mask=["shadow", wanted])
        expected = ~((classes == 3) | (probability >= least)).repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(scene.read(Window(0, 0, SIDE, SIDE)).valid, expected)


def test_a_mask_of_ones_own_by_pattern_and_table(tmp_path):
    image(tmp_path / "images" / "a.tif")
    values = np.zeros((SIDE, SIDE), dtype="uint8")
    values[:3], values[5] = 2, 7
    write_raster(tmp_path / "masks" / "a_udm.tif", values)
    rule = MaskRule(
        ("haze",), file="../masks/{name}_*.tif", values={"haze": [1, 2], "cloud": [7], "clear": [0]}
    )
    path = tmp_path / "images" / "a.tif"
    valid = Scene.open(path, "sentinel2", BANDS, mask=rule).read(Window(0, 0, SIDE, SIDE)).valid
    np.testing.assert_array_equal(valid, values != 2)
    write_raster(tmp_path / "images" / "a_mask.tif", values)
    beside = MaskRule(("cloud",), file="{name}_mask.tif", values={"cloud": [7]})
    found = Sentinel2(str(tmp_path / "images"), bands=BANDS, mask=beside)
    assert [scene.path for scene in found.scenes] == [str(path)]
    np.testing.assert_array_equal(found[query(0, 0, SIDE, SIDE)]["valid"], values != 7)


def test_a_second_scene_fills_what_is_cloudy_in_the_first_and_dates_of_a_series_keep_their_clouds(tmp_path):
    for day, value, row in (("20200501", 500, 0), ("20200601", 600, 1)):
        image(tmp_path / f"a_{day}.tif", value)
        cloud = np.full((SIDE, SIDE), 4, dtype="uint8")
        cloud[: 4 * row + 4] = 8
        write_raster(tmp_path / f"a_{day}_SCL.tif", cloud)
    images = Sentinel2(str(tmp_path), bands=BANDS, mask=["cloud"])
    sample = images[query(0, 0, SIDE, 2)]
    assert sample["image"][0, :, 0].tolist() == [0] * 4 + [500] * (SIDE - 4)
    series = SceneSeries(images, SeriesRule())[query(0, 0, SIDE, 2)]
    assert series["valid"][:, :, 0].sum(dim=1).tolist() == [SIDE - 4, SIDE - 8]
    files = [tmp_path / f"a_{day}.tif" for day in ("20200601", "20200501")]
    recipe = ReadRecipe(tuple(BANDS), "sentinel2", mask=MaskRule(("cloud",)))
    mosaic = Mosaic.of_tiles(files, recipe).read(Window(0, 0, SIDE, 1))
    assert mosaic.data[0, :, 0].tolist() == [0] * 4 + [500] * 4 + [600] * (SIDE - 8)


def test_values_outside_the_table_are_counted_and_kept(tmp_path, scl):
    scl[0, :3] = 77
    write_raster(tmp_path / "T50_20200501_SCL.tif", scl, res=20)
    scene = Scene.open(tmp_path / "T50_20200501.tif", "sentinel2", BANDS, mask=["cloud"])
    with pytest.warns(DataNotice, match=r"3 pixels of SCL hold 77, which its table does not list .*SCL.tif"):
        valid = scene.read(Window(0, 0, SIDE, SIDE)).valid
    assert valid[0, :6].all()
    scene.read(Window(0, 0, SIDE, SIDE))  # told once


def test_what_cannot_be_masked_is_told_in_a_line(tmp_path, scl):
    path = tmp_path / "T50_20200501.tif"
    with pytest.raises(OptionError, match=r"mask to name classes of Sentinel-2 \(defective, .* got 'clouds'"):
        Scene.open(path, "sentinel2", BANDS, mask=["clouds"])
    with pytest.raises(OptionError, match=r"a class with a least value \(cloud_probability\).*'cloud=40'"):
        Scene.open(path, "sentinel2", BANDS, mask=["cloud=40"])
    with pytest.raises(RasterError, match=r"quality band MSK_CLDPRB for mask cloud_probability beside .*tif"):
        Scene.open(path, "sentinel2", BANDS, mask=["cloud", "cloud_probability"])
    with pytest.raises(OptionError, match=r"classes of raster \(none\)"):
        Scene.open(path, mask=["cloud"])
    with pytest.raises(RasterError, match=r"Expected a mask {name}_udm.tif beside"):
        Scene.open(path, mask=MaskRule(file="{name}_udm.tif", values={"cloud": [1]}))
    for wrong in ({"classes": ()}, {"classes": ("cloud",), "dilation_m": -1}, {"values": {"cloud": [1]}}):
        with pytest.raises(OptionError, match="mask"):
            MaskRule(**wrong)
    with pytest.raises(MissingFileError, match="images of Sentinel-2"):
        Sentinel2(str(tmp_path / "T50_20200501_SCL.tif"), bands=BANDS)


@pytest.mark.parametrize("side", [32, 600])
def test_what_is_masked_has_no_say_in_the_median_of_a_scene(tmp_path, side):
    """A scene normalised by itself: bright clouds over 60 % of it move neither median nor spread."""
    rng = np.random.default_rng(1)
    values = rng.integers(300, 700, (2, side, side)).astype("uint16")
    classes = np.full((side, side), 4, dtype="uint8")
    classes[:, : int(0.6 * side)] = 9
    values[:, classes == 9] = 9000
    write_raster(tmp_path / "a.tif", values, BANDS, nodata=0)
    write_raster(tmp_path / "a_SCL.tif", classes)
    recipe = ReadRecipe(tuple(BANDS), "sentinel2", mask=MaskRule(("cloud",)), standardize=True)
    scene = Scene.from_recipe(tmp_path / "a.tif", recipe)
    image, valid = scene.read(Window(0, 0, side, side))
    kept = image[:, valid]
    assert abs(np.median(kept)) < 0.05
    low, high = np.percentile(kept, (25, 75))
    assert 1.25 < high - low < 1.45
    assert max(array.max() for array in scene.values()) < 1000


def test_the_asset_of_a_stac_item_is_the_mask(tmp_path):
    scl = np.full((SIDE // 2, SIDE // 2), 4, dtype="uint8")
    scl[5:] = 8
    write_raster(tmp_path / "q" / "classes.tif", scl, res=20)
    assets = {"scl": {"href": "q/classes.tif", "type": "image/tiff"}}
    for band, key in (("B02", "blue"), ("B03", "green")):
        write_raster(tmp_path / "q" / f"{band}.tif", np.full((SIDE, SIDE), 500, "uint16"))
        assets[key] = {"href": f"q/{band}.tif", "type": "image/tiff", "eo:bands": [{"common_name": key}]}
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "i", "geometry": None, "links": []}
    item |= {"properties": {"datetime": "2020-05-01T00:00:00Z"}, "assets": assets}
    (tmp_path / "item.json").write_text(json.dumps(item))
    scene = Scene.open(tmp_path / "item.json", "sentinel2", BANDS, mask=["cloud"])
    valid = scene.read(Window(0, 0, SIDE, SIDE)).valid
    np.testing.assert_array_equal(valid, (scl != 8).repeat(2, 0).repeat(2, 1))
    del assets["scl"]
    (tmp_path / "item.json").write_text(json.dumps(item))
    with pytest.raises(RasterError, match="quality band SCL or Fmask for mask cloud"):
        Scene.open(tmp_path / "item.json", "sentinel2", BANDS, mask=["cloud"])
