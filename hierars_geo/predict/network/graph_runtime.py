"""The graph of a checkpoint in place of PyTorch, where another library runs it faster."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import HieraRSWarning, OptionError, OutputError
from ...models.checkpoint import Model
from ..augment import averaged_over_views
from ..graph_session import (
    PACKAGES,
    GraphLibrary,
    check_is_installed,
    graph_library,
    obstacle_of,
    open_graph,
    window_by_window,
)
from ..options import NetworkOptions
from ..quantization import check_can_quantise, int8_runtime, open_quantised
from ..runtime import Runtime
from .graph import OUTPUT, window_graph

#: Pixels of windows from which an export of some seconds pays by far: 128 windows of 512 px.
WORTHWHILE_PX = 128 * 512 * 512

#: Share of a trial window's pixels that may change class, by precision: rounding alone, or half precision.
_MAY_CHANGE = {"float32": 1e-4, "bf16": 0.02}

#: A quarter turn of a window of one height and width may be of another.
_VIEWS = frozenset({"flips"})


def chosen_library(options: NetworkOptions, device: torch.device, pixels: int) -> GraphLibrary | None:
    """Say which library runs the graph; None where PyTorch runs the model.

    ``auto`` depends on what is installed and on the size of the scene alone, so that a run can be resumed:
    ONNX Runtime for float32, OpenVINO for bf16, on CPUs, where there is enough to predict.

    Args:
        options: How the network runs.
        device: Where.
        pixels: Of all windows together.

    Raises:
        OptionError: A library was asked for that is not installed, or that cannot do what else is asked for.
    """
    if options.runtime == "torch" and options.precision == "int8":
        raise OptionError("Expected --runtime onnx or openvino with --precision int8, but got torch.")
    if options.runtime == "torch":
        return None
    obstacle = (
        f"device {device.type}, but this runtime is for CPUs. Use --device cpu"
        if device.type != "cpu"
        else obstacle_of(options, options.runtime, _VIEWS)
    )
    library: GraphLibrary
    if options.runtime == "auto" and options.precision != "int8":
        library = "onnx" if options.precision == "float32" else "openvino"
        needed = (PACKAGES[library], "onnx", "onnxscript")
        usable = obstacle is None and all(find_spec(package) is not None for package in needed)
        return library if usable and pixels >= WORTHWHILE_PX else None
    if obstacle is not None:
        raise OptionError(f"Expected runtime torch with {obstacle}, or --runtime torch.")
    library = graph_library(options)
    check_is_installed(library)
    return library


def graph_runtime(
    loaded: Model, plain: Runtime, options: NetworkOptions, library: GraphLibrary, size: tuple[int, int]
) -> Runtime:
    """Run a model's graph; PyTorch where that cannot be done, with one note.

    A trial window is predicted both ways first.

    Args:
        loaded: The checkpoint.
        plain: PyTorch's runtime of it.
        options: How the network runs.
        library: Who runs the graph.
        size: (height, width) of every window in pixels.
    """
    package = PACKAGES[library]
    try:
        cache_dir = None if options.cache_dir is None else Path(options.cache_dir)
        path = window_graph(loaded, size, cache_dir, plain.channels > loaded.record.taxonomy.num_paths)
        run = open_graph(path, library, [OUTPUT], options.precision, torch.get_num_threads())
    except (OptionError, OutputError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        return _instead(plain, f"{package} cannot run this model: {reason[:300]}")

    averaged = averaged_over_views(window_by_window(run), options.views)
    changed = _share_changed(averaged, plain, loaded, size)
    if changed > _MAY_CHANGE[options.precision]:
        return _instead(plain, f"{package} gives {changed:.2%} of a trial window's pixels other values")
    return replace(plain, run=averaged, name=package, version=version(package))


def quantised_runtime(
    loaded: Model,
    plain: Runtime,
    options: NetworkOptions,
    library: GraphLibrary,
    size: tuple[int, int],
    windows: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]],
) -> Runtime:
    """Run a model's graph in int8, calibrated on windows of a scene.

    Args:
        loaded: The checkpoint.
        plain: PyTorch's runtime of it.
        options: How the network runs.
        library: Who runs the graph.
        size: (height, width) of every window in pixels.
        windows: Of the scene; none where nothing of it holds data.

    Raises:
        OptionError: The exporter or the quantiser is not installed, or the model cannot be exported.
    """
    check_can_quantise()
    if not windows:
        return plain
    path = window_graph(loaded, size, None if options.cache_dir is None else Path(options.cache_dir))
    samples = [((image, valid), valid) for image, valid in windows]
    count, threads = loaded.record.taxonomy.num_paths, torch.get_num_threads()
    run, changed = open_quantised(path, library, [OUTPUT], samples, count, threads)
    return int8_runtime(window_by_window(run), library, count, changed, len(samples))


def _instead(plain: Runtime, reason: str) -> Runtime:
    warnings.warn(f"{reason.rstrip('.')}: predicting with PyTorch.", HieraRSWarning, stacklevel=6)
    return plain


def _share_changed(
    run: Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[Any]],
    plain: Runtime,
    loaded: Model,
    size: tuple[int, int],
) -> float:
    """Share of the pixels of a window of noise, coarse and fine, to which two runtimes give other classes.

    Or another dissimilarity, where there is one: by more than a per cent of it.
    """
    record, generator = loaded.record, torch.Generator().manual_seed(0)
    coarse = torch.randn(1, len(record.bands), *(side // 16 + 1 for side in size), generator=generator)
    noise = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")
    noise += 0.3 * torch.randn(noise.shape, generator=generator)
    mean, std = (torch.tensor(values)[None, :, None, None] for values in (record.mean, record.std))
    image, valid = (mean + std * noise).numpy(), np.ones((1, *size), np.bool_)
    valid[:, : size[0] // 8, : size[1] // 8] = False
    ours, theirs = run(image, valid), plain(image, valid)
    if not np.isfinite(ours[:, :, valid[0]]).all():
        return 1.0
    count = record.taxonomy.num_paths
    changed = ours[:, :count].argmax(axis=1) != theirs[:, :count].argmax(axis=1)
    if plain.channels > count:
        changed |= np.abs(ours[:, count] - theirs[:, count]) > 0.01 * theirs[:, count] + 1e-3
    return float(changed[valid].mean())
