"""Embedding rasters: integers become the floats that they stand for, in the one reader."""

import numpy as np
import pytest
from raster_factory import write_raster

from hierars_geo.datasets import AlphaEarth, Tessera
from hierars_geo.errors import DataError, MissingFileError, RasterError
from hierars_geo.grid import GeoGrid, Window
from hierars_geo.scenes import Scene
from hierars_geo.scenes.sensors import find_sensor
from hierars_geo.scenes.true_color import read_reduced

NAMES = [f"A{number:02d}" for number in range(64)]


def _stored(bands, height=40, width=48):
    values = np.random.default_rng(3).integers(-127, 128, (bands, height, width), dtype=np.int8)
    values[:, :4, :6] = -128
    values[3, 10, 10] = -128  # in one band alone: no place without data
    return values


def _alphaearth(stored):
    """As the readme of the data writes it: ``((v / 127.5) ** 2) * sign(v)``."""
    v = stored.astype(np.float64)
    return (v / 127.5) ** 2 * np.sign(v)


def test_alphaearth_is_read_as_the_floats_that_its_integers_stand_for(tmp_path):
    stored = _stored(64)
    path = write_raster(tmp_path / "aef.tif", stored, NAMES)
    floats = write_raster(tmp_path / "gee.tif", _alphaearth(stored).astype(np.float32))
    with Scene.open(path, sensor="alphaearth") as scene:
        assert (scene.bands[0], scene.bands[-1], scene.dtype) == ("A00", "A63", "float32")
        image, valid = scene.read(Window(0, 0, 40, 48))
        empty = np.zeros((40, 48), dtype=bool)
        empty[:4, :6] = True
        np.testing.assert_array_equal(valid, ~empty)
        np.testing.assert_allclose(image[:, valid], _alphaearth(stored)[:, valid], rtol=1e-6)
        assert (image[:, ~valid] == 0).all()
        half = GeoGrid(scene.grid.crs, scene.grid.transform @ scene.grid.transform.scale(2), (20, 24))
        coarse, sure = scene.read(half)  # the floats are averaged, not the integers
        mean = _alphaearth(stored).reshape(64, 20, 2, 24, 2).mean((2, 4))
        np.testing.assert_allclose(coarse[:, sure], mean[:, sure], atol=1e-6)
        assert sure.sum() == 20 * 24 - 2 * 3
        values = scene.values()
        assert max(np.abs(channel).max() for channel in values) < 1.02
    with Scene.open(floats, sensor="alphaearth", bands=["A07"]) as scene:
        np.testing.assert_allclose(scene.read(Window(5, 7, 4, 4)).data[0], image[7, 5:9, 7:11], rtol=1e-6)
    dataset = AlphaEarth(path, bands=["A03", "A01"])
    sample = dataset[dataset.bounds]
    np.testing.assert_allclose(
        sample["image"].numpy()[:, valid], _alphaearth(stored)[[3, 1]][:, valid], rtol=1e-6
    )


def test_tessera_of_integers_is_multiplied_by_the_scales_beside(tmp_path):
    stored = _stored(128)
    names = [f"Tessera_Band_{number}" for number in range(128)]
    scales = np.random.default_rng(4).uniform(0.01, 0.1, (40, 48)).astype(np.float32)
    scales[30:, 40:] = np.nan
    path = write_raster(tmp_path / "t.tif", stored, names)
    with pytest.raises(MissingFileError, match=r"t_scales\.tif with the scale of every pixel.*as float32"):
        Scene.open(path, sensor="tessera")
    write_raster(tmp_path / "t_scales.tif", scales[:, :40])
    with pytest.raises(RasterError, match=r"one band on the grid of .*t\.tif, but got 1 of 40 x 40"):
        Scene.open(path, sensor="tessera")
    write_raster(tmp_path / "t_scales.tif", scales)
    expected = stored.astype(np.float64) * scales
    with Scene.open(path, sensor="tessera") as scene:
        image, valid = scene.read(Window(0, 0, 40, 48))
        np.testing.assert_array_equal(valid, np.isfinite(scales))
        np.testing.assert_allclose(image[:, valid], expected[:, valid], rtol=1e-5)
        assert tmp_path / "t_scales.tif" in scene.inputs
        picture = read_reduced(scene, scene.grid, (40, 48))
        np.testing.assert_allclose(picture.data[:, picture.valid], expected[:, picture.valid], rtol=1e-5)
    assert Tessera(tmp_path).files == [str(path)]  # the scales are no image
    floats = write_raster(tmp_path / "f" / "f.tif", np.nan_to_num(expected).astype(np.float32), names)
    with Scene.open(floats, sensor="tessera", bands=["Tessera_Band_5"]) as scene:
        np.testing.assert_allclose(scene.read(Window(6, 8, 3, 3)).data, image[5:6, 6:9, 8:11], rtol=1e-6)


def test_numbered_bands_stand_in_place_of_a_list(tmp_path):
    assert find_sensor("tessera").default_bands[::127] == ("Tessera_Band_0", "Tessera_Band_127")
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ntitle: X\nnumbered: {prefix: E, count: 3, gsd_m: 10}\nbands: []\n")
    with pytest.raises(DataError, match="bands and stacks, or numbered"):
        find_sensor(str(path))
