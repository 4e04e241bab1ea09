"""What can be predicted: mosaics, regions, STAC items; each against the same pixels in one raster."""

import json
from dataclasses import asdict

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from raster_factory import write_raster

from hierars_geo.cli import main
from hierars_geo.errors import OptionError, RasterError
from hierars_geo.grid import Window
from hierars_geo.predict import PredictOptions, Predictor
from hierars_geo.scenes import Mosaic, Scene, cut_to_region
from hierars_geo.types import ReadRecipe


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(1), dataset.transform


@pytest.fixture
def cut(tmp_path):
    """Write a window of a raster to a file of its own."""

    def write(path, name, row, col, height, width):
        with rasterio.open(path) as source:
            image = source.read(window=rasterio.windows.Window(col, row, width, height))
            profile = source.profile | {"transform": source.transform @ Affine.translation(col, row)}
            return write_raster(tmp_path / "tiles" / f"{name}.tif", image, source.descriptions, **profile)

    return write


def test_tiles_of_a_raster_give_its_maps(save_checkpoint, write_scene, cut, tmp_path, capsys):
    scene, checkpoint = write_scene(), str(save_checkpoint())
    tiles = [
        cut(scene, "a", 0, 0, 80, 70),
        cut(scene, "b", 0, 60, 80, 70),
        cut(scene, "c", 70, 0, 80, 70),
        cut(scene, "d", 70, 60, 80, 70),
    ]
    assert main(["predict", checkpoint, str(scene), "-o", str(tmp_path / "one"), "--device", "cpu"]) == 0
    command = ["predict", checkpoint, *map(str, tiles), "-o", str(tmp_path / "many"), "--device", "cpu"]
    assert main([*command, "--mosaic"]) == 0
    pattern = str(tmp_path / "tiles" / "*.tif")
    out = ["-o", str(tmp_path / "glob"), "--device", "cpu", "--mosaic"]
    assert main(["predict", checkpoint, pattern, *out]) == 0
    expected, grid = read(tmp_path / "one" / "scene_L3.tif")
    for folder in ("many", "glob"):
        values, transform = read(tmp_path / folder / "tiles_L3.tif")
        assert transform.almost_equals(grid)
        np.testing.assert_array_equal(values, expected)


def test_a_tile_in_another_crs_lands_where_it_belongs(tmp_path):
    """Values are eastings: wherever a pixel comes from, it says where it lies."""

    def write(name, crs, transform, east):
        place = {"crs": crs, "transform": transform}
        return write_raster(tmp_path / f"{name}.tif", east, ("B02",), nodata=-1, **place)

    cols = np.arange(60) + 0.5
    first = write(
        "a", "EPSG:32650", Affine(10, 0, 500000, 0, -10, 4000000), np.tile(500000 + 10 * cols, (60, 1))
    )
    # half of it east of the first one, twice as coarse, in degrees
    move = rasterio.warp.transform
    (left,), (top,) = move("EPSG:32650", "EPSG:4326", [500300.0], [4000000.0])
    transform = Affine(2.2e-4, 0, left, 0, -1.8e-4, top)
    x, y = np.meshgrid(cols, cols)
    lon, lat = transform.a * x + left, transform.e * y + top
    east, _ = move("EPSG:4326", "EPSG:32650", lon.ravel().tolist(), lat.ravel().tolist())
    second = write("b", "EPSG:4326", transform, np.reshape(east, (60, 60)))
    with Mosaic.of_tiles([first, second], ReadRecipe(("B02",))) as scene:
        height, width = scene.grid.shape
        assert width > 140
        image, valid = scene.read(Window(0, 0, height, width))
        where = scene.grid.transform.c + 10 * (np.arange(width) + 0.5)
        difference = np.abs(image[0] - where)[valid]
        assert valid.mean() > 0.6
        assert (difference < 0.5).mean() > 0.9
        assert difference.max() <= 10.5  # the outer half of a coarse pixel has nothing to blend with
        assert any("are resampled to" in note for note in scene.notes)


def test_a_box_is_the_same_window_of_the_whole_scenes_maps(save_checkpoint, write_scene, tmp_path):
    scene, checkpoint = write_scene(), save_checkpoint()
    options = {"window": 64, "confidence": True}
    box = {"region": (500230, 3998740, 501030, 3999540), "region_crs": "EPSG:32650"}
    part = (
        Predictor(checkpoint, PredictOptions(**options, **box), device="cpu")
        .predict(scene, tmp_path / "region")
        .layers
    )
    whole = (
        Predictor(checkpoint, PredictOptions(**options), device="cpu")
        .predict(scene, tmp_path / "whole")
        .layers
    )
    for layer, path in part.items():
        values, transform = read(path)
        assert transform.almost_equals(Affine(10, 0, 500230, 0, -10, 3999540))
        np.testing.assert_array_equal(values, read(whole[layer])[0][46:126, 23:103])


def test_outside_polygons_there_is_no_data(save_checkpoint, write_scene, tmp_path):
    scene, checkpoint = write_scene(corner=0), save_checkpoint()
    shape = shapely.Point(500600, 3999300).buffer(350)
    file = tmp_path / "region.gpkg"
    geopandas.GeoDataFrame(geometry=[shape], crs="EPSG:32650").to_crs("EPSG:4326").to_file(file)
    options = {"window": 32, "overlap": 0.5, "chunk_px": 40}
    maps = Predictor(checkpoint, PredictOptions(region=file, **options), device="cpu").predict(
        scene, tmp_path / "maps"
    )
    values, transform = read(maps.layers["L3"])
    rows, cols = np.mgrid[: values.shape[0], : values.shape[1]] + 0.5
    x, y = transform.c + 10 * cols, transform.f - 10 * rows
    inside = shapely.contains_xy(shape, x, y)
    differs = (values != 0) != inside
    assert differs.mean() < 0.005  # the edge moves by centimetres through another CRS and back
    assert 0.6 < inside.mean() < 0.9


@pytest.mark.parametrize(("west", "cols"), [(170, (18, 24)), (-180, (0, 360))])
@pytest.mark.parametrize("region", ["179,-1,-178,1", "179,-1,182,1", "-181,-1,-178,1"])
def test_a_region_across_180_is_found_wherever_the_longitudes_of_the_scene_begin(
    write_scene, tmp_path, west, cols, region
):
    width = 40 if west == 170 else 720
    place = {"crs": "EPSG:4326", "res": 0.5, "left": west, "top": 5}
    write_raster(tmp_path / "s.tif", np.ones((20, width), "uint8"), ("B02",), **place)
    with Scene.open(tmp_path / "s.tif", bands=["B02"]) as scene, cut_to_region(scene, region) as part:
        assert part.grid.bounds == (west + cols[0] / 2, -1, west + cols[0] / 2 + part.grid.width / 2, 1)
        _, valid = part.read(Window(0, 0, *part.grid.shape))
        wanted = part.wanted(Window(0, 0, *part.grid.shape))
        assert (valid if wanted is None else wanted).any(axis=0).sum() == 6  # 3 degrees


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("0,0,1,1", "lies outside"),
        ("5,5,1,1", "with an area"),
        ("1,2,3", "LEFT,BOTTOM,RIGHT,TOP"),
        ("here", "or a polygon file"),
    ],
)
def test_bad_regions_are_named(save_checkpoint, write_scene, tmp_path, region, message):
    with pytest.raises(OptionError, match=message):
        Predictor(save_checkpoint(), PredictOptions(region=region), device="cpu").predict(
            write_scene(), tmp_path / "out"
        )


def test_a_stac_item_names_its_bands(write_scene, tmp_path):
    scene = write_scene(height=8, width=9, corner=0)
    folder = tmp_path / "item"
    folder.mkdir()
    assets = {"thumbnail": {"href": "./t.tif", "roles": ["thumbnail"]}}
    with rasterio.open(scene) as source:
        for key, index in {"B02": 1, "B03": 2, "red": 3, "B8": 4}.items():
            write_raster(folder / f"{key}.tif", source.read(index), **source.profile)
            named = {"bands": [{"name": "B04"}]} if key == "red" else {}
            assets[key] = {"href": f"./{key}.tif", "type": "image/tiff; application=geotiff", **named}
    item = folder / "item.json"
    item.write_text(json.dumps({"type": "Feature", "id": "S2_item", "assets": assets}))
    wanted = ["B08", "B04", "B02"]
    with Scene.open(item, bands=wanted) as a, Scene.open(scene, bands=wanted) as b:
        assert a.name == "S2_item"
        for left, right in zip(a.read(Window(0, 0, 8, 9)), b.read(Window(0, 0, 8, 9)), strict=True):
            np.testing.assert_array_equal(left, right)
    with pytest.raises(RasterError, match="B11 missing"):
        Scene.open(item, bands=["B11"])
    late = {"type": "Feature", "id": "S2_item", "assets": assets, "properties": {"datetime": "9999-01-01"}}
    item.write_text(json.dumps(late))
    with pytest.raises(RasterError, match=r"the year 9999 is not of 1678 to 2261.*item\.json"):
        Scene.open(item, bands=["B02"])
    item.write_text("{}")
    with pytest.raises(RasterError, match="Expected a STAC item"):
        Scene.open(item, bands=wanted)


def test_a_safe_folder_gives_each_band_at_its_finest(write_scene, tmp_path):
    folder = tmp_path / "S2A_MSIL2A_X.SAFE" / "GRANULE" / "L2A_T" / "IMG_DATA"
    with rasterio.open(write_scene(height=32, width=32, corner=0)) as source:
        image = source.read(1)
    for size, res in ((32, 10), (16, 20)):
        path = folder / f"R{res}m" / f"T50_20200101_B02_{res}m.jp2"
        options = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
        write_raster(path, image[:size, :size], res=res, **options)
    with Scene.open(tmp_path / "S2A_MSIL2A_X.SAFE", bands=["B2"]) as scene:
        assert scene.grid.shape == (32, 32)
        assert scene.name == "S2A_MSIL2A_X"


def test_a_prediction_never_replaces_the_item_it_is_made_from(save_checkpoint, write_scene, tmp_path):
    """The item of the input has the name that the item of the result would get."""
    scene = write_scene(height=70, width=70)
    item = tmp_path / "own.json"
    assets = {"image": {"href": f"./{scene.name}", "roles": ["data"]}}
    item.write_text(json.dumps({"type": "Feature", "id": "own", "assets": assets}))
    before = item.read_bytes()
    with pytest.raises(OptionError, match=r"in other files than the inputs, but got .*own\.json for both"):
        Predictor(save_checkpoint(), device="cpu").predict(item, tmp_path, overwrite=True)
    assert item.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_a_prediction_reads_as_the_training_did_unless_it_is_told_otherwise(
    save_checkpoint, write_scene, tmp_path
):
    """Nodata and order of the bands are in no file: the checkpoint knows them, and options overrule it."""
    scene = write_scene(height=70, width=70)
    bare = tmp_path / "bare.tif"
    with rasterio.open(scene) as source:
        image, profile = source.read(), source.profile
        profile.pop("nodata")
        with rasterio.open(bare, "w", **profile) as target:
            target.write(image[::-1])  # no names, no nodata value, another order
    empty = (image == 0).all(axis=0)
    assert 0 < empty.sum() < empty.size
    numbers = tuple(range(len(image), 0, -1))
    plain = Predictor(save_checkpoint(), device="cpu")
    expected = read(plain.predict(scene, tmp_path / "plain").layers["L3"])[0]
    recipe = ReadRecipe(plain.loaded.record.bands, nodata=0, numbers=numbers)
    taught = Predictor(save_checkpoint(name="taught.ckpt", read=asdict(recipe)), device="cpu")
    np.testing.assert_array_equal(read(taught.predict(bare, tmp_path / "taught").layers["L3"])[0], expected)
    told = Predictor(save_checkpoint(), PredictOptions(bands=numbers, nodata=0), device="cpu")
    np.testing.assert_array_equal(read(told.predict(bare, tmp_path / "told").layers["L3"])[0], expected)
    assert (expected[empty] == 0).all()
    command = ["predict", str(save_checkpoint()), str(bare), "-o", str(tmp_path / "cli"), "--device", "cpu"]
    assert main([*command, "--nodata", "0", "--bands", *map(str, numbers)]) == 0
    np.testing.assert_array_equal(read(tmp_path / "cli" / "bare_L3.tif")[0], expected)
    untold = Predictor(save_checkpoint(), PredictOptions(bands=numbers), device="cpu")
    maps = untold.predict(bare, tmp_path / "untold").layers["L3"]
    assert (read(maps)[0][empty] != 0).any()
