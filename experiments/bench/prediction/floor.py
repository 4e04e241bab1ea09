"""Time over the floor: a prediction, file to files, against the bare model on the same windows in memory."""

import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hierars_geo.models import load
from hierars_geo.predict import PredictOptions, Predictor, WindowPlan
from hierars_geo.scenes import Scene

from .models import write_checkpoint
from .scenes import write_scene


@dataclass(frozen=True)
class Floor:
    """The bare model.

    Attributes:
        batch: Windows per forward pass.
        seconds: Median of the rounds.
        ratio: Median of the rounds' prediction over it.
    """

    batch: int
    seconds: float
    ratio: float


def time_over_floor(
    folder: Path,
    model: str,
    side_px: int,
    window_px: int,
    overlap: float,
    batch: int,
    rounds: int,
    device: str,
    **network: Any,
) -> tuple[float, list[Floor]]:
    """Time all in turns, after one run of each that does not count; ``network`` are its options.

    Returns:
        Median seconds of the prediction; the bare model in batches as asked for, and in the predictor's own
        where those are others.
    """
    checkpoint = folder / f"{model}.ckpt"
    write_checkpoint(checkpoint, model, window_px)
    scene = write_scene(folder / f"scene_{side_px}.tif", side_px)
    network |= {"cache_dir": str(folder)}
    options = PredictOptions(window=window_px, overlap=overlap, batch_size=batch, **network)
    predictor = Predictor(checkpoint, options, device=device)
    batches = list(dict.fromkeys((batch, predictor.batch_size((window_px, window_px)))))
    bare = [_bare_model(predictor, scene, size, device) for size in batches]
    with tempfile.TemporaryDirectory(dir=folder) as out:

        def predict() -> None:
            predictor.predict(scene, out, overwrite=True)

        works = [predict, *bare]
        for work in works:
            work()
        rows = []
        for number in range(rounds):
            seconds = {work: _seconds(work) for work in (works if number % 2 else works[::-1])}
            rows.append([seconds[work] for work in works])
    ours, *floors = zip(*rows, strict=True)
    return statistics.median(ours), [
        Floor(
            size,
            statistics.median(floor),
            statistics.median(a / b for a, b in zip(ours, floor, strict=True)),
        )
        for size, floor in zip(batches, floors, strict=True)
    ]


def _bare_model(predictor: Predictor, scene: Path, batch: int, device: str) -> Callable[[], None]:
    """Return the floor: every window is in memory, its path logits are computed and dropped."""
    with Scene.open(scene, bands=predictor.loaded.record.bands) as source:
        plan = WindowPlan.of(source.grid.shape, predictor.window_px, predictor.options.windows.overlap)
        windows = [source.read(window) for window in plan.windows]
    batches = [
        tuple(torch.stack([torch.from_numpy(part) for part in parts]) for parts in zip(*group, strict=True))
        for group in (windows[start : start + batch] for start in range(0, len(windows), batch))
    ]
    model = load(predictor.loaded.path, device).network
    batches = [(image.to(device), valid.to(device)) for image, valid in batches]
    paths = torch.from_numpy(predictor.loaded.record.taxonomy.paths.copy()).to(device)

    def run() -> None:
        with torch.inference_mode():
            for image, valid in batches:
                model.path_logits(image, valid, paths)
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def _seconds(work: Callable[[], None]) -> float:
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
