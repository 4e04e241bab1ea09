"""Polygons of ground that counts as no data: a provider's watermark, in training and in prediction."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from scene_files import X0, Y0, query, tree, write

from hierars_geo.cli import main
from hierars_geo.datamodules import SceneDataModule
from hierars_geo.errors import MissingFileError
from hierars_geo.grid import Window
from hierars_geo.scenes import Mosaic, Scene
from hierars_geo.types import ReadRecipe

BANDS = ("B02", "B03", "B04", "B08")


@pytest.fixture
def marked(tmp_path):
    """A scene with a white mark, polygons around it in degrees, and the pixels whose centre lies in them."""
    rng = np.random.default_rng(0)
    image = rng.integers(200, 2000, (4, 96, 96)).astype("uint16")
    mark = shapely.union_all(
        [shapely.Point(X0 + 400, Y0 - 300).buffer(143), shapely.box(X0 + 700, Y0 - 800, X0 + 777, Y0 - 9)]
    )
    cols, rows = np.meshgrid(X0 + 10 * (np.arange(96) + 0.5), Y0 - 10 * (np.arange(96) + 0.5))
    inside = shapely.contains_xy(mark, cols, rows)
    image[:, inside] = 60_000
    path = write(tmp_path / "scene.tif", image, names=BANDS, nodata=0)
    layer = tmp_path / "watermark.gpkg"
    gpd.GeoSeries([mark], crs="EPSG:32650").segmentize(20).to_crs(4326).to_file(layer)
    return path, layer, inside


def test_ground_that_is_left_out_is_no_data_in_training_and_prediction(
    marked, save_checkpoint, tmp_path, capsys
):
    path, layer, inside = marked
    labels = write(tmp_path / "labels.tif", np.ones((96, 96), "uint8"))
    (tmp_path / "tree.yaml").write_text(tree().to_yaml())
    data = SceneDataModule(
        images=[path],
        labels=[labels],
        taxonomy=str(tmp_path / "tree.yaml"),
        bands=list(BANDS),
        reading={"leave_out": str(layer)},
        chips={"size": 32, "per_epoch": 8},
        splits={"val_fraction": 0.0, "test_fraction": 0.0},
    )
    sample = data.scenes.dataset[query(0, 0, 96, 96)]
    np.testing.assert_array_equal(sample["valid"].numpy(), ~inside)
    np.testing.assert_array_equal(sample["mask"].numpy() >= 0, ~inside)
    assert max(data.mean) < 1200  # the mark is in no statistics
    assert data.read_recipe.leave_out is None  # it is of this scene alone
    command = ["predict", str(save_checkpoint()), path, "-o", str(tmp_path / "maps"), "--device", "cpu"]
    assert main([*command, "--leave-out", str(layer)]) == 0, capsys.readouterr().err
    with rasterio.open(tmp_path / "maps" / "scene_L3.tif") as found:
        np.testing.assert_array_equal(found.read(1) == 0, inside)
    assert main([*command, "--leave-out", str(tmp_path / "none.gpkg"), "--overwrite"]) == 1
    assert "none.gpkg" in capsys.readouterr().err


def test_it_holds_on_any_grid_and_in_a_mosaic(marked, tmp_path):
    path, layer, inside = marked
    recipe = ReadRecipe(BANDS, leave_out=str(layer))
    with Scene.from_recipe(path, recipe) as scene:
        half = scene.read(Window(30, 20, 40, 50)).valid
        assert any("left out" in note for note in scene.assumptions)
    np.testing.assert_array_equal(half, ~inside[30:70, 20:70])
    beside = write(tmp_path / "beside.tif", np.full((4, 96, 96), 500, "uint16"), names=BANDS, left=X0 + 960)
    with Mosaic.of_tiles([path, beside], recipe) as mosaic:
        np.testing.assert_array_equal(
            mosaic.read(Window(0, 0, 96, 192)).valid, np.hstack([~inside, np.ones((96, 96), bool)])
        )
    with pytest.raises(MissingFileError, match=r"gone\.gpkg"):
        Scene.from_recipe(path, ReadRecipe(BANDS, leave_out=str(tmp_path / "gone.gpkg")))
