"""ONNX Runtime and OpenVINO: libraries that run the network's graph on a CPU, faster than PyTorch does."""

import importlib
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import HieraRSWarning, OptionError, OutputError
from ..models.checkpoint import Model
from .augment import averaged_over_views
from .graph import INPUTS, window_graph
from .options import NetworkOptions
from .runtime import Runtime

GraphLibrary: TypeAlias = Literal["onnx", "openvino"]

#: Option -> package that runs the graph.
_PACKAGES: dict[GraphLibrary, str] = {"onnx": "onnxruntime", "openvino": "openvino"}

#: Pixels of windows from which an export of some seconds pays by far: 128 windows of 512 px.
WORTHWHILE_PX = 128 * 512 * 512

#: Share of a trial window's pixels that may change class, by precision: rounding alone, or half precision.
_MAY_CHANGE = {"float32": 1e-4, "bf16": 0.02}


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
    if options.runtime == "torch":
        return None
    views = set(options.views) - {"flips"}
    obstacle = (
        f"device {device.type}, but this runtime is for CPUs. Use --device cpu"
        if device.type != "cpu"
        else "--compile, but it is PyTorch's. Leave it out"
        if options.compile
        else f"views {', '.join(sorted(views))}, but its windows have one size. Use --tta flips"
        if views
        else "precision fp16, but CPUs have bf16 at most. Use --precision bf16"
        if options.precision == "fp16"
        else "precision bf16, but ONNX Runtime has none. Use --runtime openvino"
        if options.precision == "bf16" and options.runtime == "onnx"
        else None
    )
    if options.runtime == "auto":
        library: GraphLibrary = "onnx" if options.precision == "float32" else "openvino"
        needed = (_PACKAGES[library], "onnx", "onnxscript")
        usable = obstacle is None and all(find_spec(package) is not None for package in needed)
        return library if usable and pixels >= WORTHWHILE_PX else None
    if obstacle is not None:
        raise OptionError(f"Expected runtime torch with {obstacle}, or --runtime torch.")
    if find_spec(_PACKAGES[options.runtime]) is None:
        raise OptionError(
            f"Expected {_PACKAGES[options.runtime]} to be installed for --runtime {options.runtime}, but it "
            f"is not. Install it: pip install 'hierars-geo[{options.runtime}]'."
        )
    return options.runtime


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
    try:
        cache_dir = None if options.cache_dir is None else Path(options.cache_dir)
        applicability = plain.channels > loaded.record.taxonomy.num_paths
        path = window_graph(loaded, size, cache_dir, applicability)
        run = _OPENERS[library](path, options.precision)
    except (OptionError, OutputError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        return _instead(plain, f"{_PACKAGES[library]} cannot run this model: {reason[:300]}")

    def path_logits(image: Tensor, valid: Tensor) -> Tensor:
        # window by window: what one gets does not depend on the others
        parts = [
            run(image[number : number + 1].numpy(), valid[number : number + 1].numpy())
            for number in range(len(image))
        ]
        return torch.from_numpy(np.concatenate(parts))

    averaged = averaged_over_views(path_logits, options.views)
    changed = _share_changed(averaged, plain, loaded, size)
    if changed > _MAY_CHANGE[options.precision]:
        return _instead(
            plain, f"{_PACKAGES[library]} gives {changed:.2%} of a trial window's pixels other values"
        )
    package = _PACKAGES[library]
    return replace(plain, run=averaged, name=package, version=version(package))


def _instead(plain: Runtime, reason: str) -> Runtime:
    warnings.warn(f"{reason.rstrip('.')}: predicting with PyTorch.", HieraRSWarning, stacklevel=5)
    return plain


def _share_changed(
    run: Callable[[Tensor, Tensor], Tensor], plain: Runtime, loaded: Model, size: tuple[int, int]
) -> float:
    """Share of the pixels of a window of noise, coarse and fine, to which two runtimes give other classes.

    Or another dissimilarity, where there is one: by more than a per cent of it.
    """
    record, generator = loaded.record, torch.Generator().manual_seed(0)
    coarse = torch.randn(1, len(record.bands), *(side // 16 + 1 for side in size), generator=generator)
    noise = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")
    noise += 0.3 * torch.randn(noise.shape, generator=generator)
    mean, std = (torch.tensor(values)[None, :, None, None] for values in (record.mean, record.std))
    image, valid = mean + std * noise, torch.ones(1, *size, dtype=torch.bool)
    valid[:, : size[0] // 8, : size[1] // 8] = False
    with torch.inference_mode():
        ours, theirs = run(image, valid), plain(image, valid)
    if not bool(torch.isfinite(ours[:, :, valid[0]]).all()):
        return 1.0
    count = record.taxonomy.num_paths
    changed = ours[:, :count].argmax(dim=1) != theirs[:, :count].argmax(dim=1)
    if plain.channels > count:
        changed |= (ours[:, count] - theirs[:, count]).abs() > 0.01 * theirs[:, count] + 1e-3
    return float(changed[valid].float().mean())


_Run: TypeAlias = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[np.float32]]


def _open_onnx(path: Path, precision: str) -> _Run:
    onnxruntime = importlib.import_module("onnxruntime")  # seconds, and not installed everywhere
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = session.run(None, dict(zip(INPUTS, (image, valid), strict=True)))[0]
        return result

    return run


def _open_openvino(path: Path, precision: str) -> _Run:
    core = importlib.import_module("openvino").Core()  # seconds, and not installed everywhere
    settings = {
        # said, because it takes bfloat16 by itself where the CPU has it
        "INFERENCE_PRECISION_HINT": "f32" if precision == "float32" else "bf16",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled: Any = core.compile_model(core.read_model(path), "CPU", settings)

    def run(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        return np.array(compiled([image, valid])[0])

    return run


_OPENERS: dict[GraphLibrary, Callable[[Path, str], _Run]] = {"onnx": _open_onnx, "openvino": _open_openvino}


__all__ = ("WORTHWHILE_PX", "GraphLibrary", "chosen_library", "graph_runtime")
