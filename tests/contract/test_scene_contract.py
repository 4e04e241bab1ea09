"""What trains and what predicts read the same pixels of one file, and those that the file means."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from pyproj import CRS, Transformer
from scene_files import UTM, X0, Y0, query, write
from scene_kinds import GAP, KINDS, SIDE, holed, image, vrt

from hierars_geo.datasets import SceneRaster
from hierars_geo.grid import Window
from hierars_geo.scenes import DataNotice, Mosaic, Scene
from hierars_geo.scenes.dates import ALWAYS
from hierars_geo.types import ReadRecipe


def training(paths, sensor="generic", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataNotice)
        return SceneRaster(paths, sensor=sensor, **options)


@pytest.mark.parametrize("name", KINDS)
def test_training_and_prediction_read_what_the_file_means(tmp_path, name):
    made = KINDS[name](tmp_path)
    dataset = training(made.train or made.paths, made.sensor, **made.options)
    sample = dataset[query(-2, -3, SIDE + 5, SIDE + 5)]
    # the recipe, as a checkpoint carries it
    with Scene.from_recipe(made.paths, dataset.recipe) as scene:
        image, valid = scene.read(Window(-2, -3, SIDE + 5, SIDE + 5))
        (trained,) = dataset.scenes
        assert scene.bands == tuple(dataset.bands) == made.bands
        assert scene.interval == trained.interval or made.train is not None
        days = [None if s.interval == ALWAYS else pd.Timestamp(s.interval[0]) for s in (scene, trained)]
        for day in days:
            whole_year = day is not None and made.day is None
            assert (None if day is None or whole_year else f"{day:%Y-%m-%d}") == made.day
        assert (None if scene.acquired is None else f"{scene.acquired:%Y-%m-%d}") == made.day
        if made.train is None:
            assert scene.notes == trained.notes
        notes = (*scene.notes, *scene.assumptions)
        assert any(made.note in note for note in notes) if made.note else not notes
    np.testing.assert_array_equal(image, sample["image"])
    np.testing.assert_array_equal(valid, sample["valid"])
    inside = np.s_[2 : SIDE + 2, 3 : SIDE + 3]
    np.testing.assert_array_equal(valid[inside], made.valid)
    assert valid.sum() == made.valid.sum()  # nothing beyond the file
    expected = np.where(made.valid, made.data, 0).astype(np.float64)
    np.testing.assert_allclose(image[(slice(None), *inside)], expected, rtol=0, atol=made.tolerance)


TURNS = {
    "north up": Affine(10, 0, X0, 0, -10, Y0),
    "south up": Affine(10, 0, X0, 0, 10, Y0 - 10 * SIDE),
    "east to west": Affine(-10, 0, X0 + 10 * SIDE, 0, -10, Y0),
    "rotated": Affine.translation(X0, Y0) @ Affine.rotation(30) @ Affine.scale(10, -10),
}


def places(transform, shape):
    """(2, H, W) x and y of pixel centres."""
    cols, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    return np.stack([a * cols + b * rows + c for a, b, c in (transform[:3], transform[3:6])])


@pytest.mark.parametrize("turn", TURNS)
def test_pixels_lie_where_they_say(tmp_path, turn):
    """Values are eastings and northings; whatever grid a file is on, they are read where they belong."""
    transform = TURNS[turn]
    values = (places(transform, (SIDE, SIDE)) - np.array([X0, Y0])[:, None, None]).astype("float32")
    path = write(tmp_path / "a.tif", values, transform=transform)
    with Scene.open(path) as scene:
        assert scene.grid.transform == transform
        own, valid = scene.read(Window(0, 0, SIDE, SIDE))
        assert valid.all()
        np.testing.assert_array_equal(own, values)
        dataset = training(path)
        left, bottom, right, top = scene.grid.bounds
        sample = dataset[left:right, bottom:top]
        # the same pixels, asked for as another grid
        onto = dataset.lattice.crop(dataset.lattice.window((left, bottom, right, top)))
        again, again_valid = scene.read(onto)
    np.testing.assert_array_equal(again, sample["image"])
    np.testing.assert_array_equal(again_valid, sample["valid"])
    where = places(onto.transform, onto.shape) - np.array([X0, Y0])[:, None, None]
    error = np.abs(again - where).max(axis=0)
    # a rotated pixel of the rim has nothing to blend with on its outer half
    rim = np.quantile(error[again_valid], 0.8 if turn == "rotated" else 1.0)
    assert rim < (0.01 if turn == "rotated" else 1e-3)
    assert error[again_valid].max() < 8


def test_a_pixel_is_point_file_lies_where_an_area_file_lies(tmp_path):
    path = write(tmp_path / "a.tif", image(1))
    with rasterio.open(path, "r+") as file:
        file.update_tags(AREA_OR_POINT="Point")
    with Scene.open(path) as scene:
        assert (scene.grid.transform.c, scene.grid.transform.f) == (X0, Y0)
        np.testing.assert_array_equal(
            scene.read(Window(0, 0, SIDE, SIDE)).data, training(path)[query(0, 0, SIDE, SIDE)]["image"]
        )


def mosaic_and_training(paths, tolerance=0):
    """Read tiles as one scene and as a data set, on the pixels of the mosaic."""
    with Mosaic.of_tiles(paths) as scene:
        image, valid = scene.read(Window(0, 0, *scene.grid.shape))
        left, bottom, right, top = scene.grid.bounds
        sample = training(paths)[left:right, bottom:top]
        np.testing.assert_allclose(image, sample["image"], rtol=0, atol=tolerance)
        np.testing.assert_array_equal(valid, sample["valid"])
        return image, valid, scene.grid, scene.notes


def test_overlapping_tiles(tmp_path):
    first, second = holed(2), image(2, first=100)
    paths = [
        write(tmp_path / "a.tif", first, nodata=0),
        write(tmp_path / "b.tif", second, left=X0 + 100, nodata=0),
    ]
    data, valid, grid, notes = mosaic_and_training(paths)
    assert grid.shape == (SIDE, SIDE + 10)
    expected = np.zeros((2, SIDE, SIDE + 10))
    expected[:, :, 10:] = second
    expected[:, :, :SIDE] = np.where(GAP, expected[:, :, :SIDE], first)
    held = np.ones(grid.shape, bool)
    held[:, :10] = ~GAP[:, :10]
    np.testing.assert_array_equal(valid, held)
    np.testing.assert_array_equal(data, np.where(held, expected, 0))
    assert notes == ()


def test_a_coarse_tile_whose_bands_have_other_nodata_values(tmp_path):
    """A stack of 20 m with -9999 in its second band beside a tile of 10 m: nothing of it is blended."""
    coarse = np.full((2, 12, 12), 500, "int16")
    coarse[0, :4, :4] = 0
    coarse[1, :4, :4] = coarse[1, 8:, 8:] = -9999
    for i, plane in enumerate(coarse):
        write(tmp_path / f"part_{i}.tif", plane, res=20, left=X0 + 240)
    parts = [(tmp_path / "part_0.tif", "Int16", 0), (tmp_path / "part_1.tif", "Int16", -9999)]
    tiles = [write(tmp_path / "a.tif", image(2, "int16")), vrt(tmp_path, parts, "b.vrt", 20, X0 + 240, 12)]
    data, valid, grid, notes = mosaic_and_training(tiles)
    assert grid.shape == (SIDE, 2 * SIDE)
    assert (data[:, :, SIDE:][:, valid[:, SIDE:]] == 500).all()
    holes = np.kron((coarse == -9999).any(axis=0), np.ones((2, 2), bool))
    np.testing.assert_array_equal(valid[:, SIDE:], ~holes)
    assert "1 of 2 tiles have other pixels" in notes[0]


def test_a_tile_in_another_crs(tmp_path):
    """Values are eastings; the tile of the next zone lands where it lies."""
    east = np.broadcast_to(X0 + 10 * (np.arange(60) + 0.5) - 5e5, (60, 60)).astype("float32")
    first = write(tmp_path / "a.tif", east)
    to_next, back = (Transformer.from_crs(a, b, always_xy=True) for a, b in ((32650, 32651), (32651, 32650)))
    x, y = to_next.transform(X0 + 500, Y0)
    cols, rows = np.meshgrid(np.arange(60) + 0.5, np.arange(60) + 0.5)
    eastings, _ = back.transform(x + 12 * cols, y - 12 * rows)
    second = write(
        tmp_path / "b.tif", (eastings - 5e5).astype("float32"), res=12, left=x, top=y, crs="EPSG:32651"
    )
    data, valid, grid, _ = mosaic_and_training([first, second], tolerance=0.01)
    where = grid.transform.c + 10 * (np.arange(grid.width) + 0.5) - 5e5
    error = np.abs(data[0] - where)[valid]
    assert valid.mean() > 0.5
    assert np.quantile(error, 0.97) < 0.3  # metres; a pixel of the rim may lie half a pixel off
    assert error.max() < 8


@pytest.mark.parametrize(("applied", "taken_off"), [(True, 0), (False, 1000), (None, 1000)])
def test_the_offset_of_an_item_is_taken_off_once(tmp_path, applied, taken_off):
    """By the baseline, unless the archive says that it did so; what raster:offset says is the same offset."""
    data = image(1, first=3000)
    write(tmp_path / "B02.tif", data, nodata=0)
    said = {"platform": "sentinel-2a", "s2:processing_baseline": "05.09", "datetime": "2023-06-01T00:00:00Z"}
    if applied is not None:
        said["earthsearch:boa_offset_applied"] = applied
    asset = {"href": "B02.tif", "type": "image/tiff", "raster:offset": -0.1, "raster:scale": 1e-4}
    assets = {"blue": asset | {"bands": [{"name": "B02"}]}}
    path = tmp_path / "item.json"
    path.write_text(json.dumps({"type": "Feature", "id": "i", "properties": said, "assets": assets}))
    with Scene.open(path, "sentinel2", ["B02"], harmonize=True) as scene:
        np.testing.assert_array_equal(scene.read(Window(0, 0, SIDE, SIDE)).data, data - taken_off)


def test_one_crs_in_other_words_is_one_grid(tmp_path):
    """WKT as ESRI writes it, beside the EPSG code: tiles side by side, read as they are."""
    words = CRS.from_epsg(32650).to_wkt("WKT1_ESRI")
    first, second = image(1), image(1, first=60)
    paths = [
        write(tmp_path / "a.tif", first),
        write(tmp_path / "b.tif", second, left=X0 + 10 * SIDE, crs=words),
    ]
    data, valid, grid, notes = mosaic_and_training(paths)
    assert (grid.shape, notes, valid.all()) == ((SIDE, 2 * SIDE), (), True)
    np.testing.assert_array_equal(data, np.concatenate([first, second], axis=2))


def test_a_tile_on_another_datum(tmp_path):
    """NAD27 beside WGS 84: some hundred metres apart in numbers, on one ground."""
    east = np.broadcast_to(-100 + 1e-4 * (np.arange(60) + 0.5), (60, 60))
    first = write(
        tmp_path / "a.tif", (east + 100).astype("float32"), res=1e-4, left=-100, top=40, crs="EPSG:4326"
    )
    to_old, back = (Transformer.from_crs(a, b, always_xy=True) for a, b in ((4326, 4267), (4267, 4326)))
    left, top = to_old.transform(-100 + 55e-4, 40)
    cols, rows = np.meshgrid(np.arange(60) + 0.5, np.arange(60) + 0.5)
    longitudes, _ = back.transform(left + 1e-4 * cols, top - 1e-4 * rows)
    values = (longitudes + 100).astype("float32")
    second = write(tmp_path / "b.tif", values, res=1e-4, left=left, top=top, crs="EPSG:4267")
    data, valid, grid, _ = mosaic_and_training([first, second], tolerance=1e-5)
    where = grid.transform.c + 1e-4 * (np.arange(grid.width) + 0.5) + 100
    assert np.quantile(np.abs(data[0] - where)[valid], 0.97) < 5e-6  # a twentieth of a pixel


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint32", "float16", "float32", "float64"])
def test_the_type_of_the_pixels_does_not_matter(tmp_path, dtype):
    made = image(2)
    half = {"nbits": 16} if dtype == "float16" else {}  # as files hold it, whatever GDAL's version
    path = write(tmp_path / "a.tif", made.astype("float32" if half else dtype), **half)
    with Scene.open(path) as scene:
        data, valid = scene.read(Window(0, 0, SIDE, SIDE))
    assert valid.all()
    np.testing.assert_array_equal(data, made)
    np.testing.assert_array_equal(data, training(path)[query(0, 0, SIDE, SIDE)]["image"])


def test_tiles_on_both_sides_of_180_degrees(tmp_path):
    side, res = 64, 1e-4
    paths = [
        write(
            tmp_path / f"{name}.tif",
            np.full((1, side, side), value, "uint8"),
            res=res,
            left=left,
            top=10,
            crs="EPSG:4326",
        )
        for name, value, left in (("a", 5, 180 - side * res), ("b", 9, -180))
    ]
    for tiles in (paths, paths[::-1]):
        with Mosaic.of_tiles(tiles) as scene:
            assert scene.grid.shape == (side, 2 * side)
            data, valid = scene.read(Window(0, 0, side, 2 * side))
            assert valid.all()
            assert data[0, 0].tolist() == [5] * side + [9] * side
            assert scene.notes == ()


def test_a_mosaic_of_places_far_apart_says_so(tmp_path):
    paths = [write(tmp_path / f"{i}.tif", image(1), left=X0 + 20_000 * i) for i in range(2)]
    with Mosaic.of_tiles(paths) as scene:
        assert "check that they are of one place" in scene.notes[-1]


def test_a_recipe_reads_as_its_options(tmp_path):
    path = write(tmp_path / "a.tif", holed(3), names=["B02", "B03", "B04"])
    recipe = ReadRecipe(("B04", "B02"), "sentinel2", nodata=float("nan"), nodata_rule="any", harmonize=False)
    with (
        Scene.from_recipe(path, recipe) as a,
        Scene.open(path, "sentinel2", ["red", "blue"], float("nan"), "any") as b,
    ):
        whole = Window(0, 0, SIDE, SIDE)
        for left, right in zip(a.read(whole), b.read(whole), strict=True):
            np.testing.assert_array_equal(left, right)
        assert a.read(whole).valid.all()
        assert a.bands == ("B04", "B02")
        assert UTM in a.grid.crs.to_string()
