"""The good files of the corpus: a tree of two levels, a model of two bands, a scene, its maps, labels."""

from pathlib import Path

import numpy as np
import torch
import yaml
from fault_case import Bench
from raster_factory import placed
from raster_factory import write_raster as write
from tree_factory import tree_content

from hierars_geo.models import RECORD_KEY, ModelConfig, ModelRecord, build_model
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

BANDS = ("red", "nir")
SIDE_PX = 40
UTM = "EPSG:32633"
TRANSFORM = placed(top=5_600_000)
TREE = tree_content(
    "tiny",
    L1={"land": 1, "water": 2},
    L2={"field": (1, "land"), "forest": (2, "land"), "river": (3, "water"), "pond": (4, "water")},
)


def checkpoint_content():
    """What a training would have written, with random weights that make maps of several classes."""
    torch.manual_seed(0)
    model = ModelConfig("unet", "tu-test_resnet", options={"decoder_channels": [16, 8, 8, 8, 8]})
    record = ModelRecord(
        Taxonomy.from_dict(TREE), ReadRecipe(BANDS), (1000.0,) * 2, (500.0,) * 2, model, 32, 10.0
    )
    built = build_model(record)
    for classifier in built.segmenter.head.classifiers:
        torch.nn.init.normal_(classifier.weight, std=2.0)
    weights = {f"model.{key}": value for key, value in built.state_dict().items()}
    return {"state_dict": weights, RECORD_KEY: record.to_dict()}


def write_raster(path, array, names=None, **profile):
    """Write (C, H, W) or (H, W); options of GDAL by keyword."""
    return write(path, array, names, **({"crs": UTM, "transform": TRANSFORM} | profile))


def image(height=SIDE_PX, width=SIDE_PX, dtype="uint16", count=2):
    """(C, H, W) about 1000 +- 500, none of them 0."""
    rng = np.random.default_rng(0)
    return np.clip(rng.normal(1000, 500, (count, height, width)), 1, 3000).astype(dtype)


def leaves(height=SIDE_PX, width=SIDE_PX, dtype="uint8"):
    """(H, W) values 1..4 in four quarters."""
    rows, cols = np.mgrid[:height, :width]
    return (1 + 2 * (rows >= height // 2) + (cols >= width // 2)).astype(dtype)


def make_bench(folder: Path) -> Bench:
    """Write everything but the maps, which a prediction makes."""
    torch.save(checkpoint_content(), folder / "model.ckpt")
    (folder / "tree.yaml").write_text(yaml.safe_dump(TREE), encoding="utf-8")
    write_raster(folder / "scene.tif", image(), BANDS, nodata=0)
    write_raster(folder / "leaves.tif", leaves(), nodata=0)
    names = {"CKPT": "model.ckpt", "TREE": "tree.yaml", "SCENE": "scene.tif", "LEAVES": "leaves.tif"}
    names["MAPS"] = "maps"
    return Bench(folder, {word: str(folder / name) for word, name in names.items()})
