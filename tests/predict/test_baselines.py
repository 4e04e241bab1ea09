"""Sentinel-2 values of new processing baselines, read as those of old ones or said to be new."""

import numpy as np
import pytest
import rasterio
from raster_factory import write_raster

from hierars_geo.errors import HieraRSWarning
from hierars_geo.grid import Window
from hierars_geo.predict import PredictOptions, Predictor
from hierars_geo.scenes import Mosaic, Scene
from hierars_geo.types import ReadRecipe

#: What is said of a scene that is 1000 brighter than the training's.
FAR = "values lie far from the training's"


@pytest.fixture
def newer(write_scene):
    """The same place as ``scene.tif``, stored by a new baseline; its darkest pixels are cut at nodata + 1."""

    def write(scene, name="S2A_MSIL2A_20230601T030541_N0509_R075_T50SKJ_X"):
        path = scene.with_name(f"{name}.tif")
        with rasterio.open(scene) as source:
            image, profile, names = source.read(), source.profile, source.descriptions
        return write_raster(path, np.where(image == 0, 0, image + 1000), names, **profile)

    return write


def test_a_new_baseline_is_predicted_as_an_old_one(save_checkpoint, write_scene, newer, tmp_path):
    scene, checkpoint = write_scene(height=70, width=70), save_checkpoint()
    new = newer(scene)
    old_maps = Predictor(checkpoint, device="cpu").predict(scene, tmp_path / "old")
    maps = Predictor(checkpoint, PredictOptions(harmonize=True), device="cpu").predict(new, tmp_path / "new")
    with rasterio.open(old_maps.layers["L3"]) as a, rasterio.open(maps.layers["L3"]) as b:
        np.testing.assert_array_equal(a.read(), b.read())
    with pytest.warns(HieraRSWarning) as given:
        Predictor(checkpoint, device="cpu").predict(new, tmp_path / "unknown")
    said = [str(warning.message).partition(": ")[2] for warning in given]
    assert [note for note in said if not note.startswith(FAR)] == [
        "values of processing baseline 05.09 are 1000 higher than those before 04.00: give --harmonize if "
        "the model was trained with harmonize or on older scenes, --no-harmonize if not."
    ]
    with pytest.warns(HieraRSWarning, match="nothing says the processing baseline"):
        Predictor(checkpoint, PredictOptions(harmonize=True), device="cpu").predict(
            scene, tmp_path / "nobody"
        )
    trained_so = Predictor(save_checkpoint(name="harmonized.ckpt", harmonize=True), device="cpu")
    maps = trained_so.predict(new, tmp_path / "trained")
    with rasterio.open(old_maps.layers["L3"]) as a, rasterio.open(maps.layers["L3"]) as b:
        np.testing.assert_array_equal(a.read(), b.read())
    with pytest.warns(HieraRSWarning, match=FAR) as given:  # of baselines no word
        Predictor(checkpoint, PredictOptions(harmonize=False), device="cpu").predict(new, tmp_path / "told")
    assert len(given) == 1


def test_tiles_of_several_baselines_become_alike(write_scene, newer):
    scene = write_scene(height=40, width=40)
    old = newer(scene, "S2A_MSIL2A_20190601T030541_N0212_R075_T50SKJ_X")
    new = newer(scene)
    with rasterio.open(old, "r+") as dataset, rasterio.open(scene) as source:
        dataset.write(source.read())
    whole = Window(0, 0, 40, 40)
    with Scene.open(old) as a, Mosaic.of_tiles([new, old], ReadRecipe((), harmonize=True)) as b:
        assert b.baselines == {"05.09", "02.12"}
        for left, right in zip(a.read(whole), b.read(whole), strict=True):
            np.testing.assert_array_equal(left, right)
