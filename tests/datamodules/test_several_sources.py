"""Images of several sensors as one set of chips, and points as labels, through the data module."""

import itertools
import math
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import torch
import yaml
from scene_files import UTM, X0, Y0, coordinates, tree, write

from hierars_geo.cli import main
from hierars_geo.datamodules import SceneDataModule
from hierars_geo.datasets import SceneIntersection, SceneRaster, write_stack
from hierars_geo.errors import DataNotice, HieraRSError
from hierars_geo.synthetic import SceneSpec, write_land_cover_scene

SIDE_M = 640.0


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One place seen by GaoFen-2, Sentinel-2 and Google Earth."""
    folder = tmp_path_factory.mktemp("scenes")
    spec = SceneSpec("place", SIDE_M, seed=3, google_size_m=SIDE_M)
    write_land_cover_scene(spec, folder)
    return sorted(folder.rglob("place_labels.tif"))[0].parent


def test_one_step_on_three_sensors_and_a_map_of_their_scenes(place, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = {
        "sources": [
            {"sensor": "sentinel2", "images": [str(place / "place_S2.tif")], "bands": ["B04", "B8A"]},
            {"sensor": "gaofen2", "images": [str(place / "place_GF2.tif")]},
            {"sensor": "google_earth", "images": [str(place / "place_GE.tif")], "name": "ge"},
        ],
        "labels": [str(place / "place_labels.tif")],
        "taxonomy": "mm5b",
        "pairing": {"grid": "gaofen2"},
        "chips": {"size": 32, "per_epoch": 2},
        "loader": {"batch_size": 2},
        "splits": {"val_fraction": 0.0, "test_fraction": 0.0},
    }
    model = {"architecture": "unet", "encoder": "tu-test_resnet"}
    model["model_options"] = {"decoder_channels": [16, 16, 8, 8, 8]}
    trainer = {"max_steps": 1, "accelerator": "cpu", "devices": 1, "enable_progress_bar": False}
    trainer |= {"enable_model_summary": False}
    config = {
        "trainer": trainer,
        "model": {"class_path": "hierars_geo.tasks.BHCCMTask", "init_args": model},
        "data": {"class_path": "hierars_geo.datamodules.SceneDataModule", "init_args": data},
    }
    (tmp_path / "fit.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", "--config", "fit.yaml"]) == 0
    checkpoint = capsys.readouterr().out.strip().splitlines()[-1]
    images = SceneDataModule(**data).scenes.dataset.images
    stack = write_stack(SceneIntersection(images[0] & images[1], images[2], grid="gaofen2"), "stack.tif")
    with rasterio.open(stack) as written, rasterio.open(place / "place_GF2.tif") as gf2:
        names = written.descriptions
        red = written.read(names.index("gaofen2:red") + 1)
        held = np.isfinite(red)  # the scene has a border without data
        np.testing.assert_array_equal(red[held], gf2.read(3)[held])
        assert 0.5 < held.mean() < 1
        grid = written.crs, written.transform, written.shape
    assert names == (
        *("ge:red", "ge:green", "ge:blue"),
        *("gaofen2:blue", "gaofen2:green", "gaofen2:red", "gaofen2:nir"),
        *("sentinel2:B04", "sentinel2:B8A"),
    )
    assert torch.load(checkpoint, weights_only=True)["hierars_geo"]["read"]["bands"] == list(names)
    assert main(["predict", checkpoint, str(stack), "-o", "maps", "--device", "cpu"]) == 0
    with rasterio.open("maps/stack_L1.tif") as dataset:
        assert (dataset.crs, dataset.transform, dataset.shape) == grid
    # as they are, without a stack
    named = {"sentinel2": "place_S2.tif", "ge": "place_GE.tif", "gaofen2": "place_GF2.tif"}
    given = [f"{name}={place / file}" for name, file in named.items()]
    command = ["predict", checkpoint, "--device", "cpu", "-o"]
    assert main([*command, "named", *given]) == 0
    with rasterio.open("maps/stack_L3.tif") as stacked, rasterio.open("named/place_GF2_L3.tif") as direct:
        assert (direct.crs, direct.transform, direct.shape) == grid
        np.testing.assert_array_equal(direct.read(), stacked.read())
    capsys.readouterr()
    for arguments, status, said in (
        (given[:2], 2, "Expected the sources ge, gaofen2, sentinel2, as the model was trained with, but got"),
        ([*given, given[0]], 2, "Expected every source once, but got sentinel2 twice"),
        ([*given, "other.tif"], 2, "Expected NAME=PATH for every source, but got"),
        ([*given[:2], f"gaofen2={place}/*.tif"], 2, "Expected one image of gaofen2, but got"),
        ([*given, "--nodata", "0"], 2, "Expected no nodata with several sources"),
        ([str(place / "place_S2.tif")], 1, "Give ge=PATH gaofen2=PATH sentinel2=PATH, or a raster of all"),
    ):
        assert main([*command, "other", *arguments]) == status
        assert said in (error := capsys.readouterr().err)
        assert error.count("\n") == 1


@pytest.fixture
def dated(tmp_path):
    """Fine images of two days and coarse ones of two others, pixel values the day; as options."""

    def day(folder, number, res, size):
        date = pd.Timestamp(2020, 1, 1) + pd.Timedelta(days=number)
        return write(tmp_path / folder / f"s_{date:%Y%m%d}.tif", np.full((1, size, size), number), res=res)

    (tmp_path / "tree.yaml").write_text(tree().to_yaml())
    return {
        "sources": [
            {"sensor": "generic", "name": "fine", "images": [day("a", 10, 5, 80), day("a", 50, 5, 80)]},
            {"sensor": "generic", "name": "coarse", "images": [day("b", 47, 10, 40), day("b", 120, 10, 40)]},
        ],
        "labels": [write(tmp_path / "l.tif", np.ones((40, 40), dtype=np.uint8))],
        "taxonomy": str(tmp_path / "tree.yaml"),
        "chips": {"size": 16, "per_epoch": 16},
        "loader": {"batch_size": 2},
        "splits": {"val_fraction": 0.0, "test_fraction": 0.0},
    }


@pytest.mark.parametrize(
    ("pairing", "expected"),
    [
        ({"time": "within", "days": 5}, {(50, 47)}),
        ({"time": "nearest"}, {(10, 47), (50, 47)}),
        ({"time": "nearest", "grid": "coarse"}, {(50, 47), (50, 120)}),
    ],
)
def test_dates_meet_as_the_policy_says(dated, pairing, expected):
    data = SceneDataModule(**dated, pairing=pairing)
    assert data.bands == ["fine:band_1", "coarse:band_1"]
    found = {tuple(chip[:, 0, 0].tolist()) for batch in data.train_dataloader() for chip in batch["image"]}
    assert found == expected


def test_every_source_has_its_divisor_and_its_scenes_of_a_split(dated, tmp_path):
    far = {"left": X0 + 9000}
    other = [
        write(tmp_path / f"far{res}.tif", np.full((1, 400 // res, 400 // res), res), res=res, **far)
        for res in (5, 10)
    ]
    sources = [entry | {"test_images": [path]} for entry, path in zip(dated["sources"], other, strict=True)]
    sources[1]["reading"] = {"resampling": "cubic"}
    labels = [write(tmp_path / "far_l.tif", np.ones((40, 40), dtype=np.uint8), **far)]
    data = SceneDataModule(
        **dated | {"sources": sources, "splits": {"val_fraction": 0.0, "test_labels": labels}},
        normalization={"method": "scale"},
    )
    assert data.std == [1.0, 1.0]
    (first, *_) = data.test_dataloader()
    assert first["image"].amax(dim=(0, 2, 3)).tolist() == [5, 10]


def test_a_batch_names_its_files(dated, tmp_path):
    data = SceneDataModule(**dated, pairing={"time": "within", "days": 5})
    batch = next(iter(data.train_dataloader()))
    assert batch["files"] == [f"{tmp_path}/a/s_20200220.tif, {tmp_path}/b/s_20200217.tif"] * 2
    moved = data.transfer_batch_to_device(batch, torch.device("cpu"), 0)
    assert moved["files"] == batch["files"]
    left, right = (
        write(tmp_path / f"{side}.tif", coordinates(20, 20), left=X0 + 200 * i) for i, side in enumerate("lr")
    )
    both = SceneRaster([left, right])[X0 + 100 : X0 + 300, Y0 - 100 : Y0]
    assert both["files"] == f"{left}, {right}"
    apart = SceneIntersection(SceneRaster(left), SceneRaster(left, res=20.0), stack=False)
    assert apart[X0 : X0 + 100, Y0 - 100 : Y0]["files"] == f"{left}, {left}"


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"bands": ["red"]}, "sources or bands, but got both"),
        ({"images": ["a.tif"]}, "sources or images, but got both"),
        ({"sources": None}, "images or sources to read, but got neither"),
        ({"sources": [{"sensor": "generic"}]}, "sources with images and sensor, but got one with sensor"),
        (
            {"sources": [{"sensor": "generic", "images": ["a"], "colour": 1}]},
            "SourceOptions to be of bands, .* but got colour",
        ),
        ({"sources": [{"sensor": "generic", "images": ["a"]}] * 2}, "name each, but got generic, generic"),
        ({"sources": [{"sensor": "landsat", "images": ["a"]}]}, "sensor to be one of .*gaofen2"),
        ({"splits": {"test_labels": ["l.tif"]}}, "test_images of every source and test_labels together"),
        ({"pairing": {"grid": "sentinel2"}}, "grid to be one of fine, coarse"),
    ],
)
def test_wrong_sources_are_said_plainly(dated, wrong, match):
    with pytest.raises(HieraRSError, match=match):
        SceneDataModule(**dated | wrong).setup("fit")


SIDE = 400


@pytest.fixture
def files(tmp_path):
    """An image of 400 px and 40 points in two classes; the class of a point is told by its place."""
    rng = np.random.default_rng(2)
    rows, cols = rng.integers(5, SIDE - 5, (2, 40))
    places = [shapely.Point(X0 + 10 * c + 5, Y0 - 10 * r - 5) for r, c in zip(rows, cols, strict=True)]
    kinds = ["Pond" if c < SIDE // 2 else "Road" for c in cols]
    gpd.GeoDataFrame({"kind": kinds}, geometry=places, crs=UTM).to_file(tmp_path / "points.gpkg")
    image = write(tmp_path / "i.tif", coordinates(SIDE, SIDE) + 1)
    return {
        "images": [str(image)],
        "sensor": "generic",
        "taxonomy": "mm5b",
        "labels": [{"path": str(tmp_path / "points.gpkg"), "attribute": "kind"}],
        "chips": {"size": 32, "per_epoch": 40},
        "loader": {"batch_size": 8},
        "normalization": {"method": "none"},
    }, {(r, c) for r, c in zip(rows.tolist(), cols.tolist(), strict=True)}


def labelled(loader):
    """Rows and columns of the image that chips label, and how many chips there are without a label."""
    found, empty = set(), 0
    for batch in loader:
        for mask, (left, _, _, top) in zip(batch["mask"].numpy(), batch["bounds"], strict=True):
            row, col = round((Y0 - top) / 10), round((left - X0) / 10)
            here = np.argwhere(mask >= 0)
            empty += not len(here)
            found |= {(row + r, col + c) for r, c in here.tolist()}
    return found, empty


@pytest.mark.parametrize("sampler", ["random", "balanced"])
def test_every_chip_shows_a_point_and_no_point_is_in_two_splits(files, sampler):
    options, points = files
    options["chips"] |= {"sampler": sampler}
    data = SceneDataModule(**options, splits={"val_fraction": 0.3, "test_fraction": 0.2, "block_m": 400})
    data.setup("fit")
    train, empty = labelled(data.train_dataloader())
    val, _ = labelled(data.val_dataloader())
    test, _ = labelled(data.test_dataloader())
    assert empty == 0
    assert train | val | test <= points
    assert len(train) > 10
    assert not train & (val | test)
    assert not val & test


def test_chips_of_two_splits_show_no_points_that_are_near_each_other(files):
    """A chip's ground by default; the product beside the points trains where val and test are not."""
    options, points = files
    product = write(Path(options["images"][0]).with_name("product.tif"), np.full((SIDE, SIDE), 80, np.uint8))
    labels = [
        options["labels"][0] | {"priority": 1},
        {"path": str(product), "taxonomy": "esa_worldcover", "weight": 0.5},
    ]
    splits = {"by": "clusters", "val_fraction": 0.3, "test_fraction": 0.2}
    data = SceneDataModule(**options | {"labels": labels}, splits=splits)
    data.setup("fit")
    shown = [labelled(data.sample_dataloader(name, 10**6))[0] & points for name in data.parts]
    assert sum(map(len, shown)) == len(set.union(*shown)) == len(points)
    for one, other in itertools.combinations(shown, 2):
        assert min(math.dist(a, b) for a in one for b in other) > 32
    assert sum(data.class_frequencies[0]) > 0.5 * 0.4 * SIDE**2  # the product, at half weight


def test_points_outside_the_images_are_counted_with_their_file(files, tmp_path):
    options, _ = files
    places = [shapely.Point(X0 + 100, Y0 - 100), shapely.Point(X0 - 9000, Y0), shapely.Point(X0, Y0 + 9000)]
    gpd.GeoDataFrame({"kind": ["Pond"] * 3}, geometry=places, crs=UTM).to_file(tmp_path / "points.gpkg")
    with pytest.warns(DataNotice, match=r"2 of 3 points and lines of .*points\.gpkg lie outside the images"):
        _ = SceneDataModule(**options, splits={"val_fraction": 0, "test_fraction": 0}).scenes.dataset
