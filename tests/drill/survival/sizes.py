"""Very many tiny rasters, and one that is very large and almost empty."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
import torch
from affine import Affine
from rasterio.windows import Window

from hierars_geo.models import RECORD_KEY, ModelConfig, ModelRecord, build_model
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

from .commands import CHECKPOINT, SCENE
from .contents import leftovers
from .killing import Tick
from .outcome import Outcome
from .running import Ended, run
from .trial import Bench

_LIMIT_S = 3600.0
_TILE_PX = 16
_VALID_PX = 1024


def many_rasters(bench: Bench, count: int, predicted: int, tick: Tick) -> list[Outcome]:
    """Scan a folder of tiny rasters, predict all of them as one mosaic, and some of them one by one."""
    with bench.trial() as trial:
        _write_tiles(trial / SCENE, trial / "in" / "tiles", count)
        catalog = run(("catalog", "build", "in/tiles", "-o", "out/catalog"), trial, _LIMIT_S)
        items = len(list((trial / "out" / "catalog").glob("*/*.json")))
        tick()
        predict = ("predict", CHECKPOINT, "in/tiles", "-o", "out/mosaic", "--mosaic", "--device", "cpu")
        mosaic = run((*predict, "--window", "64"), trial, _LIMIT_S)
        covered = _valid_pixels(next((trial / "out" / "mosaic").glob("*_L3.tif"), None))
        tick()
        few = trial / "in" / "few"
        few.mkdir()
        for path in sorted((trial / "in" / "tiles").iterdir())[:predicted]:
            os.link(path, few / path.name)
        words = ("predict", CHECKPOINT, "in/few/*.tif", "-o", "out/single", "--device", "cpu")
        single = run(words, trial, _LIMIT_S)
        maps = len(list((trial / "out" / "single").glob("*_L3.tif")))
        left = leftovers(trial)
        tick()
    tiles = f"{count} rasters of {_TILE_PX} px"
    return [
        _sized(tiles, "catalog build", catalog, items == count, f"{items} items"),
        _sized(
            tiles, "predict --mosaic", mosaic, covered == count * _TILE_PX**2, f"{covered} px with a class"
        ),
        _sized(
            f"{predicted} rasters of {_TILE_PX} px",
            "predict",
            single,
            maps == predicted and not left,
            f"{maps} maps",
        ),
    ]


def sparse_raster(bench: Bench, side_px: int, tick: Tick) -> list[Outcome]:
    """Predict, vectorize and report a raster that holds data in one small place."""
    with bench.trial() as trial:
        _write_model(trial / "in" / "wide.ckpt")
        _write_sparse(trial / "in" / "sparse.tif", side_px)
        predict = ("predict", "in/wide.ckpt", "in/sparse.tif", "-o", "out/maps", "--device", "cpu")
        maps = run(predict, trial, _LIMIT_S)
        covered = _valid_pixels(next((trial / "out" / "maps").glob("*_L2.tif"), None))
        tick()
        polygons = run(("vectorize", "out/maps", "-o", "out/maps.gpkg"), trial, _LIMIT_S)
        tick()
        report = run(("report", "out/maps", "-o", "out/report.html"), trial, _LIMIT_S)
        left = leftovers(trial)
        tick()
    what = f"sparse raster of {side_px:,} x {side_px:,} px, {_VALID_PX} x {_VALID_PX} with data"
    return [
        _sized(what, "predict", maps, covered == _VALID_PX**2, f"{covered} px with a class"),
        _sized(what, "vectorize", polygons, True, "polygons"),
        _sized(what, "report", report, not left, "report"),
    ]


def _sized(fault: str, command: str, ended: Ended, right: bool, what: str) -> Outcome:
    problem = None
    if ended.status != 0:
        problem = f"status {ended.status}: {ended.stderr.strip()[-300:]}"
    elif not right:
        problem = f"wrong: {what}"
    note = f"{what} in {ended.seconds:.0f} s, at most {ended.peak_bytes / 2**20:.0f} MiB with all imports"
    return Outcome(fault, command, 1, (problem,) if problem else (), note)


def _write_tiles(scene: Path, folder: Path, count: int) -> None:
    """Lay tiles side by side, in rows of a hundred, each a piece of the scene."""
    folder.mkdir()
    with rasterio.open(scene) as source:
        image, tags = source.read(), source.tags()
        profile = {key: source.profile[key] for key in ("driver", "count", "dtype", "crs", "nodata")}
        names, transform = source.descriptions, source.transform
    room = image.shape[1] - _TILE_PX
    for number in range(count):
        row, col = divmod(number, 100)
        top, left = (row * 7) % room, (col * 11) % room
        piece = np.maximum(image[:, top : top + _TILE_PX, left : left + _TILE_PX], 1)
        place = transform @ Affine.translation(col * _TILE_PX, row * _TILE_PX)
        size = {"height": _TILE_PX, "width": _TILE_PX, "transform": place}
        with rasterio.open(folder / f"t_{number:06d}.tif", "w", **profile, **size) as sink:
            sink.write(piece)
            sink.descriptions = names
            sink.update_tags(**tags)


def _valid_pixels(path: Path | None) -> int:
    if path is None:
        return 0
    with rasterio.open(path) as dataset:
        return sum(
            int((dataset.read(1, window=window) != dataset.nodata).sum())
            for _, window in dataset.block_windows(1)
        )


def _write_model(path: Path) -> None:
    """Write a small model of two bands for windows of 512 px."""
    torch.manual_seed(0)
    network = ModelConfig("unet", "tu-test_resnet", options={"decoder_channels": [16, 8, 8, 8, 8]})
    tree, bands = Taxonomy.from_yaml("crop10m"), ("B04", "B08")
    record = ModelRecord(tree, ReadRecipe(bands), (1000.0,) * 2, (500.0,) * 2, network, 512, 10.0)
    model = build_model(record)
    for classifier in model.segmenter.head.classifiers:
        torch.nn.init.normal_(classifier.weight, std=2.0)
    weights = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": weights, RECORD_KEY: record.to_dict()}, path)


def _write_sparse(path: Path, side_px: int, bands: Sequence[str] = ("B04", "B08")) -> None:
    """Write a raster whose blocks are not stored but for one place."""
    profile = {
        "driver": "GTiff",
        "height": side_px,
        "width": side_px,
        "count": len(bands),
        "dtype": "uint16",
        "crs": "EPSG:32650",
        "transform": Affine(10, 0, 300_000, 0, -10, 5_000_000),
        "nodata": 0,
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "deflate",
        "sparse_ok": True,
        "bigtiff": "yes",
    }
    rng = np.random.default_rng(0)
    side = min(_VALID_PX, side_px)
    fields = rng.integers(300, 3000, size=(len(bands), 16, 16)).astype(np.uint16)
    image = fields.repeat(side // 16, axis=1).repeat(side // 16, axis=2)
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.descriptions = bands
        place = Window(side_px // 3, (side_px - side) // 2, side, side)
        dataset.write(image, window=place)


__all__ = ("many_rasters", "sparse_raster")
