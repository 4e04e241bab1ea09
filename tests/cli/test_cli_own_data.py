"""fit on data of one's own: images, labels and a tree, and no line of Python."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import yaml
from raster_factory import write_raster
from shapely import box

from hierars_geo.cli import main

TREE = """
name: mine
nodata: 0
levels:
  - name: L1
    classes:
      - {name: green, value: 1, color: [0, 160, 0]}
      - {name: grey, value: 2, color: [120, 120, 120]}
  - name: L2
    classes:
      - {name: crop, value: 10, color: [200, 220, 0], parent: green}
      - {name: wood, value: 11, color: [0, 100, 0], parent: green}
      - {name: town, value: 20, color: [200, 0, 0], parent: grey}
"""

#: What a user writes: no sensor that the package knows, no mean, no class weights, no Python.
CONFIG = """
trainer: {max_steps: 4, accelerator: cpu, devices: 1, enable_progress_bar: false, enable_model_summary: false}
model:
  class_path: hierars_geo.tasks.BHCCMTask
  init_args:
    {architecture: unet, encoder: tu-test_resnet, model_options: {decoder_channels: [16, 16, 8, 8, 8]}}
data:
  class_path: hierars_geo.datamodules.SceneDataModule
  init_args:
    images: ["images/*.tif"]
    labels: [labels]
    taxonomy: mine.yaml
    sensor: generic
    chips: {size: 32, per_epoch: 8, sampler: balanced, max_class_share: 0.9}
    augmentation: {flips: true, brightness: 0.1}
    loader: {batch_size: 2, cache_dir: cache}
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Two tiles of six bands, byte labels, and the two texts above; the working folder is theirs."""
    generator = np.random.default_rng(0)
    for i in range(2):
        rows, cols = np.mgrid[0:128, 0:128]
        labels = np.choose((rows // 40 + cols // 40 + i) % 3, (10, 11, 20)).astype(np.uint8)
        image = generator.normal(labels[None] * 30.0, 20.0, (6, 128, 128)).clip(1).astype(np.uint16)
        for folder, array in (("images", image), ("labels", labels[None])):
            place = {"crs": "EPSG:32633", "left": 400_000 + 1280 * i, "top": 5_000_000}
            write_raster(tmp_path / folder / f"tile_{i}.tif", array, **place)
    (tmp_path / "mine.yaml").write_text(TREE)
    (tmp_path / "config.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rasters_and_a_tree_are_enough(own, capsys):
    assert main(["fit", "--config", "config.yaml"]) == 0
    checkpoint = capsys.readouterr().out.strip().splitlines()[-1]
    run = Path(checkpoint).parents[1]
    histograms = json.loads((run / "class_histograms.json").read_text(encoding="utf-8"))
    assert [row["class"] for row in histograms["classes"]] == ["green", "grey", "crop", "wood", "town"]
    assert histograms["classes"][0]["train_px"] > 0
    assert json.loads((run / "statistics.json").read_text(encoding="utf-8"))["train"]["bands"][0] == "band_1"
    assert sorted(path.name.split("-")[0] for path in (own / "cache").iterdir()) == [
        "label",
        *["statistics"] * 3,
    ]
    assert main(["test", "--config", "config.yaml", "--ckpt_path", checkpoint]) == 0
    assert main(["predict", checkpoint, "images/tile_0.tif", "-o", "maps", "--device", "cpu"]) == 0
    with rasterio.open("maps/tile_0_L2.tif") as dataset:
        assert set(np.unique(dataset.read(1))) <= {10, 11, 20}


def test_polygons_in_another_crs_are_enough(own, capsys):
    cells = [
        (
            (row // 40 + col // 40) % 3,
            box(400_000 + col * 10, 5e6 - row * 10 - 400, 400_400 + col * 10, 5e6 - row * 10),
        )
        for row in range(0, 128, 40)
        for col in range(0, 256, 40)
    ]
    frame = gpd.GeoDataFrame(
        {"use": [("crop", "wood", "grey")[cls] for cls, _ in cells]},
        geometry=[cell for _, cell in cells],
        crs="EPSG:32633",
    )
    frame.to_crs("EPSG:4326").to_file(own / "fields.gpkg")
    content = yaml.safe_load(CONFIG)
    content["data"]["init_args"] |= {"labels": ["fields.gpkg"], "label_options": {"attribute": "use"}}
    (own / "config.yaml").write_text(yaml.safe_dump(content))
    assert main(["fit", "--config", "config.yaml"]) == 0
    run = Path(capsys.readouterr().out.strip().splitlines()[-1]).parents[1]
    rows = json.loads((run / "class_histograms.json").read_text(encoding="utf-8"))["classes"]
    found = {row["class"]: row["train_px"] for row in rows}
    assert found["crop"] > 0
    assert found["town"] == found["grey"]  # its only class
    assert found["green"] == found["crop"] + found["wood"]


def test_what_is_wrong_with_ones_data_is_said_in_a_line(own, capsys):
    content = yaml.safe_load(CONFIG)
    content["data"]["init_args"]["chips"]["balance"] = {"meadow": 0.5}
    (own / "config.yaml").write_text(yaml.safe_dump(content))
    assert main(["fit", "--config", "config.yaml"]) == 2
    assert "got 'meadow'" in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_run_without_loggers_keeps_all_beside_its_checkpoints(own):
    before = set(own.iterdir())
    assert main(["fit", "--config", "config.yaml", "--trainer.logger", "false"]) == 0
    assert set(own.iterdir()) - before == {own / "checkpoints", own / "cache"}
    names = {path.name for path in (own / "checkpoints").iterdir()}
    assert {"config.yaml", "last.ckpt"} <= names
