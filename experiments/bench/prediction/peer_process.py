"""Predict one raster with another tool, in that tool's own environment, and print time and peak memory.

Needs neither this project nor its dependencies, but for its own row. Usage: python peer_process.py JSON, with
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
from rasterio.windows import Window
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


def hierars_geo(job: Job) -> Callable[[], object]:
    """This project, in its own environment: three levels, each a cloud-optimised file."""
    from hierars_geo.predict import PredictOptions, Predictor

    options = PredictOptions(
        window=job["window"],
        overlap=job["overlap_px"] / job["window"],
        batch_size=job["batch"],
        runtime="onnx" if "onnx" in job["tool"] else "torch",
        cache_dir=str(Path(job["out"]).parent / "graphs"),
    )
    predictor = Predictor(job["model"], options, device="cpu")
    return lambda: predictor.predict(job["raster"], Path(job["out"]).parent / "ours", overwrite=True)


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


def _terratorch_tiling(job: Job) -> dict[str, Any]:
    """Return how both ways of terratorch cut an image."""
    return {
        "crop": job["window"],
        "stride": job["window"] - job["overlap_px"],
        "delta": 0,
        "batch_size": job["batch"],
        "padding": False,
        "device": "cpu",
    }


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
            **_terratorch_tiling(job),
        )
        classes = scores[0].argmax(dim=0).numpy().astype(np.uint8)
        with rasterio.open(job["out"], "w", **(profile | {"count": 1, "dtype": "uint8"})) as target:
            target.write(classes, 1)

    return run


def terratorch_sink(job: Job) -> Callable[[], object]:
    """tiled_inference of terratorch with a source that reads windows, and a sink that blends in memory.

    As its documentation shows them; the sink leaves out what classes do not depend on (the division by the
    sum of weights), and decides on classes in strips of rows.
    """
    from terratorch.tasks.tiled_inference import tiled_inference

    model = Exported(job["model"])

    class Sink:
        def __init__(self, profile: dict[str, Any]) -> None:
            self.profile = profile | {"count": 1, "dtype": "uint8"}
            self.sums = torch.zeros(job["classes"], profile["height"], profile["width"])

        def write(self, tile: Any, scores: Tensor) -> None:
            inside = scores if tile.output_crop is None else scores[:, *tile.output_crop]
            self.sums[:, *tile.input_coords] += inside * tile.blend_mask

        def finalize(self) -> None:
            with rasterio.open(job["out"], "w", **self.profile) as target:
                for row in range(0, target.height, 512):
                    classes = self.sums[:, row : row + 512].argmax(dim=0).numpy().astype(np.uint8)
                    target.write(classes, 1, window=Window(0, row, target.width, len(classes)))

    def run() -> None:
        with rasterio.open(job["raster"]) as scene:

            def source(tile: Any) -> Tensor:
                rows, cols = tile.input_coords
                window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
                return torch.from_numpy(scene.read(window=window).astype(np.float32))

            tiled_inference(
                model,
                torch.zeros(1, 1, 1, 1).expand(1, scene.count, scene.height, scene.width),  # only its shape
                **_terratorch_tiling(job),
                source=source,
                sink=Sink(scene.profile),
            )

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
    "hierars-geo, torch": hierars_geo,
    "hierars-geo, --runtime onnx": hierars_geo,
    "geoai predict_geotiff": geoai_predict_geotiff,
    "geoai semantic_inference_on_geotiff": geoai_semantic,
    "terratorch tiled_inference, source and sink": terratorch_sink,
    "terratorch tiled_inference + read and write": terratorch,
    "Raster Vision smooth labels": raster_vision,
}


def main(job: Job) -> None:
    """Measure: the model once, then a run with its peak, then the timed runs."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    run = TOOLS[job["tool"]](job)
    if TOOLS[job["tool"]] is not hierars_geo:
        model = Exported(job["model"])
        with torch.inference_mode():
            model(torch.rand(job["batch"], 4, job["window"], job["window"]))
    level = peak.start_peak()
    seconds, cpu_seconds = [], []
    for _ in range(job["rounds"]):
        start, cpu = time.perf_counter(), time.process_time()
        run()
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu)
    found = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak.peak_above(level)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
