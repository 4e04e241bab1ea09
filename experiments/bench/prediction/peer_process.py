"""Predict one raster with another tool, in that tool's own environment, and print time and peak memory.

Needs neither this project nor its dependencies. Usage: python peer_process.py JSON, where JSON holds
``tool``, ``model`` (an exported program), ``raster``, ``out``, ``window``, ``overlap_px``, ``classes``,
``batch`` and ``rounds``. Each tool is called the way its own documentation says, with its default blending.
"""

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peak
import rasterio
import torch
from torch import Tensor, nn

Job = dict[str, Any]


class Exported(nn.Module):
    """The exported program as a module in eval mode, which knows nothing but stored values."""

    def __init__(self, path: str, factor: float = 1.0) -> None:
        super().__init__()
        self.program = torch.export.load(path).module()
        self.factor = factor

    def forward(self, image: Tensor) -> Tensor:
        """Return (B, K, h, w)."""
        result: Tensor = self.program(image * self.factor if self.factor != 1 else image)
        return result

    def train(self, mode: bool = True) -> "Exported":
        """Stay as exported: a program has one mode."""
        return self


def geoai_predict_geotiff(job: Job) -> Callable[[], object]:
    """geoai.inference.predict_geotiff; classes by argmax."""
    from geoai.inference import predict_geotiff

    model = Exported(job["model"])
    return lambda: predict_geotiff(
        model,
        job["raster"],
        job["out"],
        tile_size=job["window"],
        overlap=job["overlap_px"],
        batch_size=job["batch"],
        num_classes=job["classes"],
        output_dtype="uint8",
        output_nodata=255,
        preprocess_fn=lambda tile: tile.astype(np.float32),
        postprocess_fn=lambda scores: scores.argmax(axis=0, keepdims=True).astype(np.uint8),
        device="cpu",
        verbose=False,
    )


def geoai_semantic(job: Job) -> Callable[[], object]:
    """geoai.train.semantic_inference_on_geotiff, which divides what is stored by 255."""
    from geoai.train import semantic_inference_on_geotiff

    model = Exported(job["model"], factor=255.0)
    return lambda: semantic_inference_on_geotiff(
        model,
        job["raster"],
        job["out"],
        window_size=job["window"],
        overlap=job["overlap_px"],
        batch_size=job["batch"],
        num_channels=4,
        num_classes=job["classes"],
        device=torch.device("cpu"),
        quiet=True,
    )


def terratorch(job: Job) -> Callable[[], object]:
    """Call tiled_inference of terratorch between a read and a write, which it leaves to its user."""
    from terratorch.tasks.tiled_inference import tiled_inference

    model = Exported(job["model"])

    def run() -> None:
        with rasterio.open(job["raster"]) as source:
            image = torch.from_numpy(source.read().astype(np.float32))[None]
            profile = source.profile
        scores = tiled_inference(
            model,
            image,
            out_channels=job["classes"],
            crop=job["window"],
            stride=job["window"] - job["overlap_px"],
            delta=0,
            batch_size=job["batch"],
            padding=False,
            device="cpu",
        )
        classes = scores[0].argmax(dim=0).numpy().astype(np.uint8)
        with rasterio.open(job["out"], "w", **(profile | {"count": 1, "dtype": "uint8"})) as target:
            target.write(classes, 1)

    return run


def raster_vision(job: Job) -> Callable[[], object]:
    """Raster Vision: sliding windows of a RasterioSource, smooth labels, saved as a raster of classes."""
    from rastervision.core.data import ClassConfig, RasterioSource, SemanticSegmentationLabels

    model = Exported(job["model"])
    names = [f"class {number}" for number in range(job["classes"])]
    classes = ClassConfig(names=names, null_class=names[0])

    def run() -> None:
        source = RasterioSource(job["raster"])
        windows = source.extent.get_windows(job["window"], job["window"] - job["overlap_px"])
        labels = SemanticSegmentationLabels.from_predictions(
            windows,
            (scores for batch in _batches(windows, job["batch"]) for scores in predict(source, batch)),
            extent=source.extent,
            num_classes=job["classes"],
            smooth=True,
        )
        labels.save(
            str(Path(job["out"]).with_suffix("")), source.crs_transformer, classes, smooth_output=False
        )

    def predict(source: Any, windows: list[Any]) -> np.ndarray:
        chips = np.stack([source.get_chip(window) for window in windows]).transpose(0, 3, 1, 2)
        with torch.inference_mode():
            return model(torch.from_numpy(chips.astype(np.float32))).softmax(dim=1).numpy()  # type: ignore[no-any-return]

    return run


def _batches(items: list[Any], size: int) -> list[list[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


TOOLS = {
    "geoai predict_geotiff": geoai_predict_geotiff,
    "geoai semantic_inference_on_geotiff": geoai_semantic,
    "terratorch tiled_inference + read and write": terratorch,
    "Raster Vision smooth labels": raster_vision,
}


def main(job: Job) -> None:
    """Measure: the model once, then a run with its peak, then the timed runs."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    run = TOOLS[job["tool"]](job)
    model = Exported(job["model"])
    with torch.inference_mode():
        model(torch.rand(job["batch"], 4, job["window"], job["window"]))
    level = peak.start_peak()
    seconds = []
    for _ in range(job["rounds"]):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "peak_bytes": peak.peak_above(level)}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
