"""The libraries that may run the network: time of one window against PyTorch, and pixels of another class."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from hierars_geo.grid import Window
from hierars_geo.models import ModelRecord
from hierars_geo.predict import NetworkOptions, PredictOptions, Predictor, Runtime, WindowPlan
from hierars_geo.predict.checkpoint_runner import CheckpointRunner
from hierars_geo.predict.graph_session import GraphLibrary
from hierars_geo.predict.options import Precision
from hierars_geo.predict.quantization import CALIBRATION_WINDOWS, some_windows

#: What is measured: library, precision.
_WAYS: tuple[tuple[GraphLibrary | None, Precision], ...] = (
    (None, "float32"),
    (None, "bf16"),
    ("onnx", "float32"),
    ("openvino", "float32"),
    ("openvino", "bf16"),
    ("onnx", "int8"),
    ("openvino", "int8"),
)


@dataclass(frozen=True)
class RuntimeRow:
    """A way to run a network.

    Attributes:
        name: Library, version and precision.
        seconds: Median CPU seconds of a window.
        changed: Share of pixels with another class than PyTorch gives in float32, per cent.
    """

    name: str
    seconds: float
    changed: float


#: Image (1, C, h, w) and validity (1, h, w).
_Windows: TypeAlias = list[tuple[NDArray[np.float32], NDArray[np.bool_]]]


def by_runtime(
    folder: Path, checkpoint: Path, window_px: int, rounds: int, scene: Path | None = None
) -> list[RuntimeRow]:
    """Time one window in turns, after one run of each that does not count, and count changed classes.

    It is CPU time, so that other programs on the machine count for little.

    Args:
        folder: For graphs.
        checkpoint: The model.
        window_px: Side of the window of noise.
        rounds: Times that each is run.
        scene: Whose windows, of the size that the model is predicted with, are predicted side by side, eight
            of them also for the ranges of int8; None for noise, coarse and fine.
    """
    runtimes: list[Runtime] = []
    shown, ranges = _windows(checkpoint, window_px, scene)
    image, valid = shown[0]
    size = valid.shape[1], valid.shape[2]
    for library, precision in _WAYS:
        options = NetworkOptions(runtime=library or "torch", cache_dir=str(folder), precision=precision)
        runner = CheckpointRunner(checkpoint, PredictOptions(network=options), "cpu")
        runtimes.append(runner.runtime_of(size, size[0] * size[1], lambda: ranges))
    inside = np.concatenate([valid for _, valid in shown])
    classes = [_classes(runtime, shown)[inside] for runtime in runtimes]
    seconds: list[list[float]] = [[] for _ in runtimes]
    for _ in range(rounds):
        for runtime, taken in zip(runtimes, seconds, strict=True):
            started = time.process_time()
            runtime(image, valid)
            taken.append(time.process_time() - started)
    return [
        RuntimeRow(runtime.describe(), statistics.median(taken), 100 * float((found != classes[0]).mean()))
        for runtime, taken, found in zip(runtimes, seconds, classes, strict=True)
    ]


def _classes(runtime: Runtime, windows: _Windows) -> NDArray[np.intp]:
    """Finest classes (B, h, w)."""
    return np.concatenate([runtime(image, valid).argmax(axis=1) for image, valid in windows])


def _windows(checkpoint: Path, noise_px: int, scene: Path | None) -> tuple[_Windows, _Windows]:
    """Windows to predict, and those that int8 takes its ranges from."""
    predictor = Predictor(checkpoint, PredictOptions(runtime="torch"), "cpu")
    if scene is None:
        record, size = predictor.loaded.record, (noise_px, noise_px)
        noise = [_noise(record, size, seed) for seed in range(1 + CALIBRATION_WINDOWS)]
        return noise[:1], noise[1:]
    with predictor.open(scene) as source:
        plan = WindowPlan.of(source.grid.shape, predictor.window_px, 0.0)
        read = (source.read(window) for window in plan.windows)
        found = [(image[None], valid[None]) for image, valid in read]
        return found, some_windows(source, plan, Window(0, 0, *source.grid.shape))


def _noise(
    record: ModelRecord, size: tuple[int, int], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Make a window (1, C, h, w) of noise, coarse and fine, and its validity."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, len(record.bands), size[0] // 16, size[1] // 16, generator=generator)
    noise = torch.nn.functional.interpolate(coarse, size=size, mode="bicubic")
    noise += 0.3 * torch.randn(noise.shape, generator=generator)
    mean, std = (torch.tensor(values)[None, :, None, None] for values in (record.mean, record.std))
    return (mean + std * noise).numpy(), np.ones((1, *size), bool)
