"""True colour of every sensor that has one: as stack, as unnamed stack of a product, as one file per band."""

import numpy as np
import pytest
from scene_files import write

from hierars_geo.datasets.sample import figure_of
from hierars_geo.errors import RasterError
from hierars_geo.report.source_image import read_true_color
from hierars_geo.scenes import find_sensor
from hierars_geo.scenes.sensors import sensor_names
from hierars_geo.scenes.true_color import (
    open_true_color,
    rgb_channels,
    stretch,
    stretch_limits,
    true_color,
)

SENSORS = [name for name in sensor_names() if find_sensor(name).rgb]
PRODUCTS = {
    "landsat5": "LT05_L2SP_027031_20100715_20200823_02_T1",
    "landsat7": "LE07_L2SP_027031_20020715_20200916_02_T1",
    "landsat8": "LC08_L2SP_027031_20190715_20200827_02_T1",
    "landsat9": "LC09_L2SP_027031_20220715_20230407_02_T1",
}


def stack_of(sensor):
    """Bands of a sensor whose value is a hundred times their place, from 100."""
    bands = sensor.default_bands
    return bands, np.stack([np.full((8, 9), 100 * (i + 1), "uint16") for i in range(len(bands))])


def colours(sensor):
    return [100 * (sensor.default_bands.index(name) + 1) for name in sensor.rgb]


@pytest.mark.parametrize("name", SENSORS)
def test_channels_of_every_sensor(name):
    sensor = find_sensor(name)
    bands = sensor.default_bands
    assert rgb_channels(bands, name) == tuple(bands.index(band) for band in sensor.rgb)
    common = [sensor.band(band).common or band for band in bands]
    assert rgb_channels(common, name) == tuple(bands.index(band) for band in sensor.rgb)
    visible = [sensor.band(band).center_nm or 0 for band in sensor.rgb]
    assert visible == sorted(visible, reverse=True)


@pytest.mark.parametrize("name", SENSORS)
def test_a_stack_is_read_by_the_name_of_its_sensor(name, tmp_path):
    sensor = find_sensor(name)
    bands, image = stack_of(sensor)
    path = write(tmp_path / "scene.tif", image, names=bands)
    with open_true_color(tmp_path / "scene.tif", name) as scene:
        data = scene.read(scene.extent).data
    assert [plane[0, 0] for plane in data] == colours(sensor), path


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_tells_its_sensor_by_its_name(name, tmp_path):
    sensor = find_sensor(name)
    bands, image = stack_of(sensor)
    write(tmp_path / f"{PRODUCTS[name]}.tif", image, names=bands)
    folder = tmp_path / PRODUCTS[name]
    for band, plane in zip(bands, image, strict=True):
        write(folder / f"{PRODUCTS[name]}_SR_B{int(band[1:])}.TIF", plane)
    for path in (tmp_path / f"{PRODUCTS[name]}.tif", folder):
        with open_true_color(path) as scene:
            data = scene.read(scene.extent).data
        assert [plane[0, 0] for plane in data] == colours(sensor), path


def test_bands_that_only_one_kind_of_sensor_has_tell_it():
    assert rgb_channels(["B01", "B02", "B03", "B04", "B05", "B07"]) == (2, 1, 0)  # Landsat 5 and 7
    assert rgb_channels(["B02", "B03", "B04", "B05", "B06", "B07"]) == (2, 1, 0)  # Landsat 8 and 9
    assert rgb_channels(["Band 1 (blue)", "Band 2 (green)", "Band 3 (red)", "red edge"]) == (2, 1, 0)
    assert rgb_channels(["sentinel1.VV", "sentinel2.B04", "sentinel2.B03", "sentinel2.B02"]) == (1, 2, 3)
    assert rgb_channels(["VV", "VH"]) is None


@pytest.mark.parametrize("name", ["landsat5", "landsat7", "landsat8", "sentinel2"])
def test_samples_reports_and_files_show_the_same(name, tmp_path):
    sensor = find_sensor(name)
    bands = sensor.default_bands
    rng = np.random.default_rng(0)
    image = rng.integers(100, 5000, (len(bands), 30, 40)).astype("uint16")
    valid = np.ones((30, 40), dtype=bool)
    picture = true_color(image, valid, bands, name)
    drawn = figure_of({"image": image, "valid": valid}, bands, None, sensor=name)
    np.testing.assert_array_equal(drawn.axes[0].images[0].get_array(), picture)
    write(tmp_path / "scene.tif", image, names=bands)
    with open_true_color(tmp_path / "scene.tif", name) as scene:
        grid = scene.grid
    image, _, names = read_true_color(tmp_path / "scene.tif", grid, (30, 40), valid, name)
    np.testing.assert_array_equal(np.moveaxis(image, 0, -1), picture)
    assert names == sensor.rgb


def test_an_image_without_colours_is_refused(tmp_path):
    write(tmp_path / "radar.tif", np.ones((2, 5, 5), "float32"), names=("VV", "VH"))
    with pytest.raises(RasterError, match="bands named red, green, blue"):
        open_true_color(tmp_path / "radar.tif")


def test_bright_roofs_leave_the_rest_visible():
    """Roofs on 4 % of the ground turn white, and no longer the town between them black."""
    rng = np.random.default_rng(0)
    town = rng.normal(60, 10, (100, 100)).astype(np.float32)
    low, high = stretch_limits(town, np.ones(town.shape, bool))
    np.testing.assert_allclose((low, high), np.percentile(town, (2, 98)), rtol=1e-6)  # nothing to mend
    town[:20, :20] = 250
    found = stretch(town, np.ones(town.shape, bool))
    assert (found[:20, :20] == 255).all()
    black, white = np.percentile(town, (2, 98))
    assert 255 * (np.median(town) - black) / (white - black) < 30  # as it was
    assert np.median(found) > 75
    # land on a tenth of a lake's picture is no highlight
    lake = rng.normal(30, 2, (100, 100)).astype(np.float32)
    lake[:10] = rng.normal(120, 20, (10, 100))
    assert stretch_limits(lake, np.ones(lake.shape, bool))[1] > 110
