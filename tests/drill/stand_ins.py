"""Small files that take the place of the reader's own, when the commands of the documentation are run.

``docs_commands.yaml`` says which file of which document is made by which function here, or copied from where.
Everything is of one generated place of 1280 m, and of models of two training steps.
"""

import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import date, timedelta
from functools import cached_property
from io import StringIO
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import yaml
from rasterio.transform import from_origin
from rasterio.windows import Window
from shapely.geometry import box

from hierars_geo.cli import main
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.taxonomy.yaml_reader import resolve_catalog_file

SIZE_M = "1280"
SMALL_ENCODER = "tu-test_resnet"


class GeneratedPlace:
    """Scenes, maps and models that stand-ins are made of, each made when it is first asked for and then kept.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def demo(self) -> Path:
        """Folder of a small demonstration: scenes, model.ckpt, maps."""
        out = self.folder / "demo_out"
        small = ["--size-m", SIZE_M, "--steps", "2", "--chip-size", "32", "--encoder", SMALL_ENCODER]
        if not (out / "report.html").exists():
            _run("demo", str(out), *small, "--overwrite")
        return out

    @cached_property
    def scenes(self) -> Path:
        """Scenes of all sensors, and those of crops."""
        out = self.folder / "scenes"
        if not (out / "crop_test" / "crop_test_labels.tif").exists():
            _run("synth", str(out), "--size-m", SIZE_M, "--crops", "--dates", "4", "--overwrite")
        return out

    @cached_property
    def crop_model(self) -> Path:
        """Checkpoint of a model of the tree crop10m."""
        config, folder = self.folder / "crop_model.yaml", self.folder / "crop_model"
        crop_config(self, config, "crop10m", folder)
        _run("fit", "--config", str(config))
        return next(folder.rglob("last.ckpt"))

    def find(self, name: str) -> Path:
        """Return a file or folder of the demonstration or the scenes: ``demo_out/...`` or ``scenes/...``."""
        return {"demo_out": self.demo, "scenes": self.scenes}[Path(name).parts[0]].parent / name

    @property
    def image(self) -> Path:
        """Sentinel-2 image of the test scene."""
        return self.demo / "scenes" / "test_0" / "test_0_S2.tif"


def _run(*words: str) -> None:
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as errors:
        status = main(list(words))
    if status:
        raise RuntimeError(f"Expected {' '.join(words)} to succeed, but: {errors.getvalue()}")


def districts(place: GeneratedPlace, path: Path) -> None:
    """Write four polygons over the test scene; ``name`` and ``field`` tell them apart."""
    with rasterio.open(place.image) as scene:
        left, bottom, right, top = scene.bounds
        x, y = (left + right) / 2, (bottom + top) / 2
        corners = [(left, bottom, x, y), (x, bottom, right, y), (left, y, x, top), (x, y, right, top)]
        names = ["south-west", "south-east", "north-west", "north-east"]
        content = {"name": names, "field": range(4)}
        layer = gpd.GeoDataFrame(content, geometry=[box(*corner) for corner in corners], crs=scene.crs)
    layer.to_file(path, driver="GPKG")


def fields(place: GeneratedPlace, path: Path) -> None:
    """Write two polygons over the crop scene for tests; ``field`` tells them apart."""
    with rasterio.open(place.scenes / "crop_test" / "crop_test_S2.tif") as scene:
        left, bottom, right, top = scene.bounds
        x = (left + right) / 2
        halves = [box(left, bottom, x, top), box(x, bottom, right, top)]
        layer = gpd.GeoDataFrame({"field": ["a", "b"]}, geometry=halves, crs=scene.crs)
    layer.to_file(path, driver="GPKG")


def country(place: GeneratedPlace, path: Path) -> None:
    """Write one polygon over the middle of the test scene."""
    with rasterio.open(place.image) as scene:
        shape = box(*scene.bounds).buffer(-200)
        gpd.GeoDataFrame({"name": ["country"]}, geometry=[shape], crs=scene.crs).to_file(path, driver="GPKG")


def tiles(place: GeneratedPlace, path: Path) -> None:
    """Write the test scene as two tiles, a.tif and b.tif, that share a strip."""
    with rasterio.open(place.image) as scene:
        half, share = scene.width // 2, 16
        for name, start, width in (("a", 0, half + share), ("b", half, scene.width - half)):
            window = Window(start, 0, width, scene.height)
            profile = scene.profile | {"width": width, "transform": scene.window_transform(window)}
            _write(path / f"{name}.tif", scene.read(window=window), profile, scene.descriptions)


def tiles_of_a_region(place: GeneratedPlace, path: Path) -> None:
    """Write two coarse tiles around 5.25 degrees east, 47.35 north."""
    with rasterio.open(place.image) as scene:
        values, names = scene.read(), scene.descriptions
        for name, left in (("west", 5.0), ("east", 5.25)):
            profile = scene.profile | {
                "crs": "EPSG:4326",
                "transform": from_origin(left, 47.6, 0.3 / scene.width, 0.5 / scene.height),
            }
            _write(path / f"{name}.tif", values, profile, names)


def _write(path: Path, values: np.ndarray, profile: dict, names: tuple[str, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **profile) as file:
        file.write(values)
        file.descriptions = names


def three_class_labels(place: GeneratedPlace, path: Path) -> None:
    """Write the labels of the test scene with the classes 1, 2 and 3 alone."""
    _relabel(
        place.image.with_name("test_0_labels.tif"), path, lambda values: np.where(values, values % 3 + 1, 0)
    )


def three_class_training(place: GeneratedPlace, path: Path) -> None:
    """Write the labels of the training scenes likewise, into a folder."""
    for source in sorted(place.demo.glob("scenes/train_*/*_labels.tif")):
        _relabel(source, path / source.name, lambda values: np.where(values, values % 3 + 1, 0))


def two_crop_labels(place: GeneratedPlace, path: Path) -> None:
    """Write the labels of the crop scene without soybean, into a folder."""
    source = place.scenes / "crop_train" / "crop_train_labels.tif"
    _relabel(source, path / "crops.tif", lambda values: np.where(values == 3, 0, values))


def _relabel(source: Path, path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    with rasterio.open(source) as labels:
        profile = labels.profile
        values = change(labels.read()).astype(labels.dtypes[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **profile) as file:
        file.write(values)


def training_images(place: GeneratedPlace, path: Path) -> None:
    """Copy the images of the training scenes into a folder."""
    path.mkdir(parents=True)
    for source in sorted(place.demo.glob("scenes/train_*/*_S2.tif")):
        shutil.copy(source, path)


def crop_image(place: GeneratedPlace, path: Path) -> None:
    """Copy the image of the crop scene into a folder."""
    path.mkdir(parents=True)
    shutil.copy(place.scenes / "crop_train" / "crop_train_S2.tif", path)


def image_of_the_month(place: GeneratedPlace, path: Path) -> None:
    """Copy a Sentinel-2 image into a folder, dated a few days after the GaoFen-2 image of the same place."""
    source = place.scenes / "train_0" / "train_0_S2.tif"
    with rasterio.open(source.with_name("train_0_GF2.tif")) as other:
        day = date.fromisoformat(other.tags()["ACQUISITION_DATE"]) + timedelta(days=5)
    path.mkdir(parents=True)
    shutil.copy(source, path)
    with rasterio.open(path / source.name, "r+") as image:
        image.update_tags(ACQUISITION_DATE=day.isoformat())


def crops_with_wheat(_place: GeneratedPlace, path: Path) -> None:
    """Write the tree crop10m with a class more: wheat."""
    leaf = {"name": "wheat", "value": 4, "color": "#ffe4a0", "parent": "cropland"}
    tree = yaml.safe_load(resolve_catalog_file("taxonomies", "crop10m").read_text(encoding="utf-8"))
    tree["name"] = path.stem
    tree["levels"][-1]["classes"].append(leaf)
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")


def crop_model(place: GeneratedPlace, path: Path) -> None:
    """Copy the checkpoint of a model of the tree crop10m."""
    shutil.copy(place.crop_model, path)


def crop_config(
    place: GeneratedPlace, path: Path, taxonomy: str = "crops_with_wheat.yaml", runs: Path = Path("runs")
) -> None:
    """Write the configuration of a training on the crop scene."""
    scene = place.scenes / "crop_train"
    data = {
        "sensor": "sentinel2",
        "images": [str(scene / "crop_train_S2.tif")],
        "labels": [str(scene / "crop_train_labels.tif")],
        "taxonomy": taxonomy,
        "chips": {"size": 32, "per_epoch": 4},
        "loader": {"batch_size": 2},
    }
    model = {"architecture": "unet", "encoder": SMALL_ENCODER, "optimizer": {"lr": 0.001}}
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(runs)}}
    content = {
        "model": {"class_path": "hierars_geo.tasks.BHCCMTask", "init_args": model},
        "data": {"class_path": "hierars_geo.datamodules.SceneDataModule", "init_args": data},
        "trainer": {"max_steps": 2, "accelerator": "cpu", "log_every_n_steps": 1, "logger": logger},
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def model_config(_place: GeneratedPlace, path: Path) -> None:
    """Write the model's part of a configuration."""
    model = {"architecture": "unet", "encoder": SMALL_ENCODER, "optimizer": {"lr": 0.001}}
    content = {"model": {"class_path": "hierars_geo.tasks.BHCCMTask", "init_args": model}}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def crop_data_layer(_place: GeneratedPlace, path: Path) -> None:
    """Write a class raster of the tree cdl."""
    values = Taxonomy.from_yaml("cdl").class_values(2)[:4]
    blocks = np.random.default_rng(0).choice(values, (1, 8, 8)).astype("uint8")
    pixels = np.kron(blocks, np.ones((1, 16, 16), dtype="uint8"))
    profile = {"driver": "GTiff", "count": 1, "height": 128, "width": 128, "dtype": "uint8", "nodata": 0}
    _write(path, pixels, profile | {"crs": "EPSG:5070", "transform": from_origin(0, 2e6, 30, 30)}, ("class",))


def predicted_maps(place: GeneratedPlace, path: Path) -> None:
    """Copy the rasters of the demonstration's prediction, without what was made of them."""
    path.mkdir(parents=True)
    for source in sorted((place.demo / "maps").glob("test_0_S2*")):
        shutil.copy(source, path)


MAKERS: dict[str, Callable[[GeneratedPlace, Path], None]] = {
    maker.__name__: maker
    for maker in (
        country,
        crop_config,
        crop_data_layer,
        crop_image,
        crop_model,
        crops_with_wheat,
        districts,
        fields,
        image_of_the_month,
        model_config,
        predicted_maps,
        three_class_labels,
        three_class_training,
        tiles,
        tiles_of_a_region,
        training_images,
        two_crop_labels,
    )
}
