"""The sensors of the catalog, and what is refused."""

from typing import get_args

import numpy as np
import pytest
from scene_files import UTM, X0, Y0, coordinates, query, write

from hierars_geo.datamodules.source_options import SensorName
from hierars_geo.datasets import GoogleEarth
from hierars_geo.datasets.imagery import IMAGE_CLASSES
from hierars_geo.errors import DataError, OptionError
from hierars_geo.scenes.sensors import find_sensor, sensor_names

PLACES = [
    (UTM, 1.0, X0, Y0),
    ("EPSG:3857", 1.194, 13_200_000.0, 3_700_000.0),
    ("EPSG:4326", 1e-5, 118.4, 31.2),
]


def test_every_sensor_has_a_class_and_is_an_option():
    assert set(IMAGE_CLASSES) == set(sensor_names()) == set(get_args(SensorName))


@pytest.mark.parametrize("name", [name for name in sensor_names() if name != "generic"])
def test_figures_of_a_sensor_are_possible(name):
    sensor = find_sensor(name)
    assert sensor.default_bands in sensor.stacks
    for band in sensor.bands:
        assert 0.3 <= band.gsd_m <= 120
        if band.center_nm is not None:
            assert band.width_nm < band.center_nm
        factors = sensor.reflectance_of(band.name)
        if factors and (band.center_nm or 0) < 4000:  # full scale is reflectance 1, within rounding
            assert sensor.full_scale * factors[0] + factors[1] == pytest.approx(1, abs=1e-3)
    visible = [sensor.band(b).center_nm for b in ("blue", "green", "red")] if sensor.rgb else []
    assert visible == [None] * 3 or visible == sorted(visible)


def test_bands_answer_to_any_of_their_names():
    s2, landsat = find_sensor("sentinel2_l2a"), find_sensor("landsat9")
    assert s2.pick(["red", "B8a", "swir16", "b2"]) == ("B04", "B8A", "B11", "B02")
    assert landsat.pick(["NIR", "SR_B4"]) == ("B05", "B04")
    assert landsat.reflectance_of("red") == (2.75e-5, -0.2)
    assert landsat.reflectance_of("lwir11") == (0.00341802, 149)
    assert landsat.reflectance_of("B11") is None  # thermal, without published factors
    with pytest.raises(OptionError, match=r"Expected bands of Sentinel-2 L2A .* but got B10"):
        s2.pick(["B10"])
    with pytest.raises(OptionError, match="each once"):
        s2.pick(["red", "B04"])


def test_a_sensor_that_extends_another_keeps_the_rest():
    both, surface = find_sensor("sentinel2"), find_sensor("sentinel2_l2a")
    assert (surface.level, both.level) == ("L2A", None)
    assert surface.known_bands == both.known_bands - {"B10"}
    assert surface.baseline_offset == both.baseline_offset
    assert surface.baseline_offset.offset == -1000


def test_near_names_are_listed():
    with pytest.raises(OptionError, match=r"sensor to be one of alphaearth, .*Did you mean landsat"):
        find_sensor("landsat")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("name: x\ntitle: X\nwavelength: 3\n", "wavelength: unknown key"),
        ("name: x\n", "title: the key is missing"),
        ("name: x\ntitle: X\nbands: [{name: b1, gsd_m: 1}]\n", "canonical name B01"),
        ("name: x\ntitle: X\nbands: [{name: red, gsd_m: 1}, {name: B04, common: red, gsd_m: 1}]\n", "twice"),
        ("name: x\ntitle: X\nbands: [{name: red, gsd_m: 1}]\nrgb: [green]\n", r"but got \['green'\]"),
        ("name: x\ntitle: X\nproduct_names: ['(']\n", "product_names.0"),
        ("name: x\ntitle: X\ntitle: Y\n", "given twice"),
    ],
)
def test_a_wrong_file_is_refused_by_key(tmp_path, text, match):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=match):
        find_sensor(str(path))


def test_a_sensor_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\ntitle: X\nbands: [{name: red, gsd_m: 2}, {name: pan, gsd_m: 1}]\nstacks: [[pan, red]]\n"
    )
    assert find_sensor(str(path)).default_bands == ("pan", "red")


@pytest.mark.parametrize(("crs", "res", "left", "top"), PLACES)
def test_pictures_of_google_earth_are_read_in_any_crs(tmp_path, crs, res, left, top):
    rgb = np.stack([*coordinates(20, 30), np.full((20, 30), 9)]).astype(np.uint8)
    path = write(tmp_path / "ge.tif", rgb, res=res, left=left, top=top, crs=crs, photometric="rgb")
    dataset = GoogleEarth(path, bands=["blue", "red"])
    assert dataset.crs.to_string() == crs
    sample = dataset[query(5, 7, 10, 10, res=res, left=left, top=top)]
    assert (sample["image"][0] == 9).all()
    np.testing.assert_array_equal(sample["image"][1], coordinates(10, 10, 5, 7)[0])
