"""The libraries that may run the network: time of one window against PyTorch, and pixels of another class."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hierars_geo.models import ModelRecord
from hierars_geo.predict import NetworkOptions, PredictOptions, Runtime
from hierars_geo.predict.graph_session import GraphLibrary
from hierars_geo.predict.network import CheckpointRunner
from hierars_geo.predict.network.graph_runtime import graph_runtime, quantised_runtime
from hierars_geo.predict.options import Precision
from hierars_geo.predict.quantization import CALIBRATION_WINDOWS

from .models import write_checkpoint

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


def by_runtime(folder: Path, model: str, window_px: int, rounds: int) -> list[RuntimeRow]:
    """Time one window of noise, coarse and fine, in turns, after one run of each that does not count.

    It is CPU time, so that other programs on the machine count for little.

    Args:
        folder: For the checkpoint and its graphs.
        model: See :mod:`.models`; weights are random.
        window_px: Side of the window.
        rounds: Times that each is run.
    """
    checkpoint = folder / f"{model}.ckpt"
    write_checkpoint(checkpoint, model, window_px)
    size = window_px, window_px
    runtimes: list[Runtime] = []
    for library, precision in _WAYS:
        options = NetworkOptions(cache_dir=str(folder), precision=precision)
        runner = CheckpointRunner(checkpoint, PredictOptions(network=options), "cpu")
        plain = runner.runtime
        if library is None:
            runtimes.append(plain)
        elif precision == "int8":
            windows = [_noise(runner.loaded.record, size, seed) for seed in range(1, 1 + CALIBRATION_WINDOWS)]
            runtimes.append(quantised_runtime(runner.loaded, plain, options, library, size, windows))
        else:
            runtimes.append(graph_runtime(runner.loaded, plain, options, library, size))
    image, valid = _noise(runner.loaded.record, size, 0)
    classes = [runtime(image, valid).argmax(axis=1) for runtime in runtimes]
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
