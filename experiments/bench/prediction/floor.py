"""Time over the floor: a prediction, file to files, against the bare model on the same windows in memory."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from hierars_geo.predict import Predictor, WindowPlan
from hierars_geo.raster import open_scene

from .models import write_checkpoint
from .scenes import write_scene


def time_over_floor(
    folder: Path,
    model: str,
    side_px: int,
    window_px: int,
    overlap: float,
    batch: int,
    rounds: int,
    device: str,
) -> tuple[float, float, float]:
    """Time both in turns, after one run of each that does not count.

    Returns:
        Median seconds of the prediction and of the bare model, and the median of the rounds' ratios.
    """
    checkpoint = folder / f"{model}.ckpt"
    write_checkpoint(checkpoint, model, window_px)
    scene = write_scene(folder / f"scene_{side_px}.tif", side_px)
    predictor = Predictor(checkpoint, device, window=window_px, overlap=overlap, batch_size=batch)
    bare = _bare_model(predictor, scene, batch)
    with tempfile.TemporaryDirectory(dir=folder) as out:

        def predict() -> None:
            predictor.predict(scene, out, overwrite=True)

        for work in (predict, bare):
            work()
        rows = []
        for number in range(rounds):
            order = (predict, bare) if number % 2 else (bare, predict)
            seconds = {work: _seconds(work) for work in order}
            rows.append((seconds[predict], seconds[bare]))
    ours, floor = (statistics.median(column) for column in zip(*rows, strict=True))
    return ours, floor, statistics.median(a / b for a, b in rows)


def _bare_model(predictor: Predictor, scene: Path, batch: int) -> Callable[[], None]:
    """Return the floor: every window is in memory, its path logits are computed and dropped."""
    options = predictor.options
    with open_scene(scene, predictor.loaded.record.bands) as source:
        plan = WindowPlan.of(source.grid.shape, predictor.window_px, options.overlap)
        windows = [source.read(window) for window in plan.windows]
    batches = [
        tuple(torch.stack([torch.from_numpy(part) for part in parts]) for parts in zip(*group, strict=True))
        for group in (windows[start : start + batch] for start in range(0, len(windows), batch))
    ]
    model = predictor.loaded.model
    device = next(model.parameters()).device
    batches = [(image.to(device), valid.to(device)) for image, valid in batches]
    paths = torch.from_numpy(predictor.loaded.record.taxonomy.paths.copy()).to(device)

    def run() -> None:
        with torch.inference_mode():
            for image, valid in batches:
                model.path_logits(image, valid, paths)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


__all__ = ("time_over_floor",)
