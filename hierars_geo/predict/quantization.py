"""int8: a graph whose convolutions and products are quantised, calibrated on windows of the scene itself."""

import importlib
import logging
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..grid import Window
from .graph_session import PACKAGES, GraphLibrary, GraphRun, import_onnxruntime, open_graph
from .runtime import Runtime
from .stream import WindowSource
from .window_plan import WindowPlan

#: Windows of a scene that ranges are taken from.
CALIBRATION_WINDOWS = 8

#: Operations whose inputs and weights are bytes, but for the first one; all others stay as they are.
_QUANTISED = ("Conv", "MatMul", "Gemm")

#: What a graph is given for one window, and where the window holds data, (1, h, w).
Sample: TypeAlias = tuple[tuple[NDArray[Any], ...], NDArray[np.bool_]]


def check_can_quantise() -> None:
    """Refuse int8 where what quantises a graph is missing.

    Raises:
        OptionError: It is; the command that installs it is named.
    """
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise OptionError(
            f"Expected {' and '.join(missing)} to be installed for --precision int8, but it is not there. "
            f"Install it: pip install {' '.join(missing)}."
        )


def some_windows(
    scene: WindowSource, plan: WindowPlan, part: Window
) -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Read windows that hold data, spread over a scene: always the same ones.

    Returns:
        At most :data:`CALIBRATION_WINDOWS` of image (1, C, h, w), 0 where not valid, and validity (1, h, w).
    """
    windows = [window for batch in plan.batches(1, part) for window in batch]
    step = max(1, len(windows) // (4 * CALIBRATION_WINDOWS))
    found: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []
    # every fourth of those looked at is enough where all hold data
    for number in sorted(range(0, len(windows), step), key=lambda place: (place // step) % 4):
        image, valid = scene.read(windows[number])
        if valid.any():
            found.append((image[None], valid[None]))
        if len(found) == CALIBRATION_WINDOWS:
            break
    return found


def open_quantised(
    path: Path,
    library: GraphLibrary,
    outputs: Sequence[str],
    samples: Sequence[Sample],
    channels: int,
    threads: int,
) -> tuple[GraphRun, float]:
    """Quantise a graph, and say what that changes.

    Ranges are the least and the largest values met in the samples: the same scene gives the same graph.

    Args:
        path: An ONNX file.
        library: Who runs the result.
        outputs: As of :func:`.open_graph`, path logits first.
        samples: Windows of the scene, at least one.
        channels: T, path logits among the channels.
        threads: As of :func:`.open_graph`.

    Returns:
        The graph, ready to run, and the share of the samples' pixels to which it gives another class, 0..1.

    Raises:
        RuntimeError: The library cannot quantise or run it.
    """
    plain = open_graph(path, library, outputs, "float32", threads)
    with TemporaryDirectory(prefix="hierars-int8-") as folder:
        quantised = Path(folder) / "int8.onnx"
        _quantise(path, quantised, samples)
        run = open_graph(quantised, library, outputs, "float32", threads)
    changed, counted = 0, 0
    for inputs, valid in samples:
        ours, theirs = (each(*inputs)[:, :channels].argmax(axis=1) for each in (run, plain))
        changed += int((ours != theirs)[valid].sum())
        counted += int(valid.sum())
    return run, changed / counted


def int8_runtime(
    run: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]],
    library: GraphLibrary,
    channels: int,
    changed: float,
    windows: int,
) -> Runtime:
    """Describe a quantised graph, and what :func:`open_quantised` found it to change, in so many windows."""
    package = PACKAGES[library]
    note = (
        f"int8 gives {changed:.2%} of the pixels of {windows} windows of this scene another class than "
        "float32 does"
    )
    return Runtime(run, channels, "cpu", "int8", package, version(package), notes=(note,))


class _Windows:
    """Samples as ONNX Runtime's calibration asks for them."""

    def __init__(self, names: Sequence[str], samples: Sequence[Sample]) -> None:
        self._left: Iterator[Sample] = iter(samples)
        self._names = names

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Return the inputs of the next window by name; None after the last."""
        sample = next(self._left, None)
        return None if sample is None else dict(zip(self._names, sample[0], strict=True))


def _quantise(path: Path, out: Path, samples: Sequence[Sample]) -> None:
    quantization = import_onnxruntime("onnxruntime.quantization")  # needs onnx
    shapes = import_onnxruntime("onnxruntime.quantization.shape_inference")
    onnx: Any = importlib.import_module("onnx")
    prepared = out.with_name("prepared.onnx")
    logging.getLogger().addFilter(_is_no_advice)
    try:
        shapes.quant_pre_process(path, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared, load_external_data=False).graph
        quantised = [node.name for node in graph.node if node.op_type in _QUANTISED]
        quantization.quantize_static(
            prepared,
            out,
            _Windows([each.name for each in graph.input], samples),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTISED),
            nodes_to_exclude=quantised[:1],  # a third of the changed classes, and no time, comes of the first
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
    finally:
        logging.getLogger().removeFilter(_is_no_advice)


def _is_no_advice(record: logging.LogRecord) -> bool:
    """The quantiser advises, through the root logger, to prepare a graph that was prepared."""
    return record.levelno > logging.WARNING
