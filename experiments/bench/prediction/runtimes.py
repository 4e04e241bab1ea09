"""The libraries that may run the network: time of one window against PyTorch, and pixels of another class."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hierars_geo.predict import NetworkOptions, PredictOptions, Runtime
from hierars_geo.predict.graph_session import GraphLibrary
from hierars_geo.predict.network import CheckpointRunner
from hierars_geo.predict.network.graph_runtime import graph_runtime

from .models import write_checkpoint

#: What is measured: library, precision.
_WAYS: tuple[tuple[GraphLibrary | None, str], ...] = (
    (None, "float32"),
    (None, "bf16"),
    ("onnx", "float32"),
    ("openvino", "float32"),
    ("openvino", "bf16"),
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
        runtimes.append(
            plain if library is None else graph_runtime(runner.loaded, plain, options, library, size)
        )
    record = runner.loaded.record
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, len(record.bands), window_px // 16, window_px // 16, generator=generator)
    noise = torch.nn.functional.interpolate(coarse, size=size, mode="bicubic")
    noise += 0.3 * torch.randn(noise.shape, generator=generator)
    mean, std = (torch.tensor(values)[None, :, None, None] for values in (record.mean, record.std))
    image, valid = (mean + std * noise).numpy(), np.ones((1, *size), bool)
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
