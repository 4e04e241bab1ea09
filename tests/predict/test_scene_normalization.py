"""Median and spread of each scene: read so in training and in prediction, whatever date, gain or region."""

import numpy as np
import pytest
import rasterio
from scene_files import X0, Y0, query, tree, write

from hierars_geo.datamodules import SceneDataModule
from hierars_geo.datasets import SceneRaster
from hierars_geo.errors import OptionError
from hierars_geo.export import export_model
from hierars_geo.grid import Window
from hierars_geo.predict import PredictOptions, Predictor
from hierars_geo.scenes import Mosaic, Scene, cut_to_region
from hierars_geo.scenes.radiometry import median_and_spread
from hierars_geo.types import ReadRecipe

BANDS = ("B02", "B03", "B04", "B08")
RECIPE = ReadRecipe(BANDS, standardize=True)


def image(height=90, width=120, seed=0):
    """Four bands of other means, with an empty corner."""
    noise = np.random.default_rng(seed).gamma(4, 100, (4, height, width))
    made = (noise + 300 * np.arange(4)[:, None, None] + 1).astype("uint16")
    made[:, :20, :30] = 0
    return made


def brighter(values):
    """As of another date: twice as bright, with haze; no data stays no data."""
    return np.where(values == 0, 0, 2 * values + 500).astype("uint16")


def read(path, recipe=RECIPE, window=None):
    with Scene.from_recipe(path, recipe) as scene:
        return scene.read(window or Window(0, 0, *scene.grid.shape))


def test_training_and_prediction_see_the_same_numbers(tmp_path):
    """By hand: (value - median) / (middle half / 1.349), over valid pixels; a gain and an offset cancel."""
    values = image()
    path = write(tmp_path / "a.tif", values, names=BANDS, nodata=0)
    data, valid = read(path)
    assert valid.sum() == 90 * 120 - 20 * 30
    low, median, high = np.percentile(values[:, valid], (25, 50, 75), axis=1)
    expected = (values - median[:, None, None]) / ((high - low) / 1.3489795)[:, None, None]
    np.testing.assert_allclose(data, np.where(valid, expected, 0), atol=1e-3)
    dataset = SceneRaster(path, bands=list(BANDS), standardize=True)
    np.testing.assert_array_equal(dataset[query(0, 0, 90, 120)]["image"], data)
    assert dataset.recipe.standardize
    other = write(tmp_path / "b.tif", brighter(values), names=BANDS, nodata=0)
    np.testing.assert_allclose(read(other).data, data, atol=1e-3)
    # one file per band, and another order
    for band, plane in zip(BANDS[::-1], values[::-1], strict=True):
        write(tmp_path / "bands" / f"s_{band}.tif", plane, nodata=0)
    recipe = ReadRecipe(BANDS, "sentinel2", standardize=True)
    np.testing.assert_allclose(read(tmp_path / "bands", recipe).data, data, atol=1e-3)


def test_a_region_has_the_numbers_of_its_scene_and_a_mosaic_has_its_own(tmp_path):
    values = image(600, 900)
    whole = write(tmp_path / "whole.tif", values, names=BANDS, nodata=0)
    with Scene.from_recipe(whole, RECIPE) as scene:
        box = f"{X0 + 4000},{Y0 - 5000},{X0 + 6000},{Y0 - 4000}"
        with cut_to_region(scene, box, "EPSG:32650") as part:
            cut = part.read(Window(0, 0, *part.grid.shape)).data
    np.testing.assert_array_equal(cut, read(whole, window=Window(400, 400, 100, 200)).data)
    halves = [
        write(
            tmp_path / f"{i}.tif",
            values[:, :, 450 * i :][:, :, :450],
            names=BANDS,
            nodata=0,
            left=X0 + 4500 * i,
        )
        for i in range(2)
    ]
    with Mosaic.of_tiles(halves, RECIPE) as mosaic:
        together = mosaic.read(Window(0, 0, 600, 900)).data
    gain = [np.polyfit(values[c, 50:].ravel(), together[c, 50:].ravel(), 1) for c in range(4)]
    for c, (slope, offset) in enumerate(gain):  # one line for both tiles: no step between them
        np.testing.assert_allclose(together[c, 50:], values[c, 50:] * slope + offset, atol=1e-3)
    assert abs(together[:, 50:]).mean() < 1.2


def test_statistics_of_little_are_finite():
    assert median_and_spread(np.empty(0, "float32")) == (0.0, 1.0)
    assert median_and_spread(np.full(9, 7, "float32")) == (7.0, 1.0)
    centre, spread = median_and_spread(np.array([7] * 9 + [9], "float32"))
    assert (centre, spread) == (7.0, pytest.approx(0.6))


def test_the_option_reaches_the_recipe_and_a_map_does_not_see_the_date(save_checkpoint, tmp_path):
    values = image(128, 128)
    first = write(tmp_path / "a.tif", values, names=BANDS, nodata=0)
    second = write(tmp_path / "b.tif", brighter(values), names=BANDS, nodata=0)
    labels = write(tmp_path / "labels.tif", (np.arange(128 * 128).reshape(128, 128) % 4 + 1).astype("uint8"))
    (tmp_path / "tree.yaml").write_text(tree().to_yaml())
    options = {"images": [first], "labels": [labels], "taxonomy": str(tmp_path / "tree.yaml")}
    data = SceneDataModule(
        **options, bands=list(BANDS), normalization={"method": "scene"}, chips={"size": 32, "per_epoch": 8}
    )
    assert (data.mean, data.std) == ([0.0] * 4, [1.0] * 4)
    assert data.read_recipe.standardize
    held = data.scenes.dataset[query(0, 0, 128, 128)]
    np.testing.assert_array_equal(held["image"], read(first).data)

    recipe = {"bands": list(BANDS), "sensor": None, "nodata": None, "nodata_rule": "all"}
    recipe |= {"harmonize": False, "resampling": "bilinear", "standardize": True}
    checkpoint = save_checkpoint(read=recipe, mean=[0.0] * 4, std=[1.0] * 4)
    predictor = Predictor(checkpoint, PredictOptions(), device="cpu")
    maps = [predictor.predict(path, tmp_path / "maps") for path in (first, second)]
    with rasterio.open(maps[0].layers["L3"]) as a, rasterio.open(maps[1].layers["L3"]) as b:
        one, two = a.read(1), b.read(1)
    assert len(np.unique(one)) > 3
    assert (one == two).mean() > 0.999
    with pytest.raises(OptionError, match="scene, whose numbers are those of each scene"):
        export_model(checkpoint, tmp_path / "model.pt2", "torch")


def test_what_contradicts_the_option_is_refused(tmp_path):
    options = {"labels": ["x.tif"], "taxonomy": "mm5b"}
    with pytest.raises(OptionError, match="method scene, which brings both"):
        SceneDataModule(images=["a"], **options, normalization={"method": "scene", "mean": [0], "std": [1]})
    with pytest.raises(OptionError, match=r"one source with normalization\.method scene, but got 2"):
        SceneDataModule(
            sources=[{"images": ["a"], "sensor": "gaofen2"}, {"images": ["b"], "sensor": "sentinel2"}],
            **options,
            normalization={"method": "scene"},
        )
