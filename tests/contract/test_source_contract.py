"""Several sources are read for a prediction as training reads them, on the grid that training read on."""

import numpy as np
import pytest
import torch
from scene_files import X0, Y0, tree, write

from hierars_geo.datamodules import SceneDataModule
from hierars_geo.errors import DataError, OptionError
from hierars_geo.grid import Window
from hierars_geo.models import ModelConfig, ModelRecord
from hierars_geo.scenes import open_scene

SIDE_M = 480
DAYS = ("20200310", "20200520", "20200710")


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(100, 3000, shape).astype("uint16")


@pytest.fixture
def place(tmp_path):
    """Radar of 10 m, tiles of 20 m side by side, and a season of 10 m on shifted pixels."""
    radar = noise(0, 2, 48, 48)
    radar[:, :6, :9] = 0
    write(tmp_path / "radar.tif", radar, names=["VV", "VH"], nodata=0)
    for number in range(2):
        coarse = noise(1 + number, 3, 26, 16)
        coarse[:, 20:, :3] = 0
        names = ["B04", "B03", "B02"]
        left = X0 - 20 + 300 * number
        write(
            tmp_path / f"tiles/t{number}.tif", coarse, names=names, left=left, top=Y0 + 20, res=20, nodata=0
        )
    for number, day in enumerate(DAYS):
        date = noise(5 + number, 2, 50, 50)
        date[:, 10 * number : 10 * number + 9, 5:30] = 0
        path = tmp_path / f"season/s_{day}.tif"
        write(path, date, names=["B04", "B08"], left=X0 - 13, top=Y0 + 4, nodata=0)
    (tmp_path / "tree.yaml").write_text(tree().to_yaml())
    return {
        "labels": [write(tmp_path / "l.tif", np.ones((48, 48), np.uint8))],
        "taxonomy": str(tmp_path / "tree.yaml"),
        "chips": {"size": 16, "per_epoch": 8},
        "splits": {"val_fraction": 0.0, "test_fraction": 0.0},
    }, tmp_path


def entry(sensor, images, **more):
    return {"sensor": sensor, "images": [str(images)], **more}


def recipe_of(data):
    """Return the recipe as a checkpoint gives it back."""
    config = ModelConfig("unet", "resnet18")
    count = len(data.bands)
    record = ModelRecord(data.taxonomy, data.read_recipe, (0.0,) * count, (1.0,) * count, config)
    return ModelRecord.from_dict(record.to_dict(), "model.ckpt").read


@pytest.mark.parametrize("grid", [None, "optical"])
@pytest.mark.parametrize("resampling", ["bilinear", "cubic"])
def test_images_are_read_alike(place, grid, resampling):
    options, folder = place
    reading = {"resampling": resampling, "nodata_rule": "any"}
    sources = [
        entry("sentinel2", folder / "tiles", name="optical", bands=["B02", "B04"], reading=reading),
        entry("sentinel1", folder / "radar.tif"),
    ]
    data = SceneDataModule(sources=sources, pairing={"grid": grid, "time": "ignore"}, **options)
    recipe = recipe_of(data)
    paths = {"sentinel1": folder / "radar.tif", "optical": sorted((folder / "tiles").iterdir())}
    with open_scene(paths, recipe, mosaic=True) as scene:
        assert list(scene.bands) == data.bands
        assert scene.grid.res == ((20.0, 20.0) if grid else (10.0, 10.0))
        found = scene.read(Window(0, 0, *scene.grid.shape))
        left, bottom, right, top = scene.grid.bounds
        sample = data.scenes.dataset[left:right, bottom:top]
    assert 0.3 < found.valid.mean() < 1
    np.testing.assert_array_equal(found.valid, sample["valid"])
    np.testing.assert_allclose(found.data, sample["image"], rtol=0, atol=2e-3)


@pytest.mark.parametrize("grid", [None, "sentinel1"])
def test_a_season_beside_an_image_is_read_alike(place, grid):
    options, folder = place
    series = {"start": "03-01", "end": "10-31", "step_days": 60, "composite": "median"}
    sources = [
        entry("sentinel1", folder / "radar.tif"),
        entry("sentinel2", folder / "season", bands=["B04", "B08"], series=series)
        | {"reading": {"resampling": "cubic"}},
    ]
    data = SceneDataModule(sources=sources, pairing={"grid": grid or "sentinel2"}, **options)
    recipe = recipe_of(data)
    paths = {"sentinel2": folder / "season", "sentinel1": folder / "radar.tif"}
    with open_scene(paths, recipe) as scene:
        assert list(scene.bands) == data.bands
        assert [day.isoformat() for day in scene.days] == ["2020-03-10", "2020-05-20", "2020-07-10"]
        whole = Window(0, 0, *scene.grid.shape)
        dates = [found for (found,) in scene.dates([whole])]
        left, bottom, right, top = scene.grid.bounds
        sample = data.scenes.dataset[left:right, bottom:top]
    assert [day.timetuple().tm_yday for day, _ in dates] == sample["doy"].tolist()
    for number, (_, patch) in enumerate(dates):
        assert patch.valid.any()
        np.testing.assert_array_equal(patch.valid, sample["valid"][number])
        image = torch.where(sample["valid"][number], sample["image"][number], 0)
        np.testing.assert_allclose(patch.data, image, rtol=0, atol=2e-3)


def test_sources_that_do_not_fit_are_one_line(place):
    options, folder = place
    sources = [
        entry("sentinel2", folder / "season", name="optical"),
        entry("sentinel1", folder / "radar.tif"),
    ]
    sources[0]["bands"] = ["B04"]
    recipe = recipe_of(SceneDataModule(sources=sources, pairing={"time": "ignore"}, **options))
    radar, optical = str(folder / "radar.tif"), str(folder / "season" / f"s_{DAYS[0]}.tif")
    with pytest.raises(OptionError, match=r"the sources optical, sentinel1, .* but got optical\."):
        open_scene({"optical": optical}, recipe)
    with pytest.raises(OptionError, match="but got optical, sentinel2"):
        open_scene({"optical": optical, "sentinel2": radar}, recipe)
    far = write(folder / "far.tif", noise(9, 2, 48, 48), names=["VV", "VH"], left=X0 + 90_000)
    with pytest.raises(DataError, match=r"one ground, but got sentinel1 at .*far\.tif.* outside of optical"):
        open_scene({"optical": optical, "sentinel1": far}, recipe)
    with pytest.raises(OptionError, match=r"one image without a name, .* got sentinel1"):
        open_scene({"sentinel1": radar}, recipe.sources["sentinel1"])
