"""ONNX Runtime and OpenVINO: libraries that run a network's graph on a CPU, faster than PyTorch does."""

import importlib
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from .onnx_file import narrowed
from .options import NetworkOptions, Precision, PredictOptions

GraphLibrary: TypeAlias = Literal["onnx", "openvino"]

#: Runs a graph: its inputs, in order, to the output asked for.
GraphRun: TypeAlias = Callable[..., NDArray[np.float32]]

#: What NumPy can do to a window, and undo; a scale takes PyTorch's resizing.
_VIEWS: Final = frozenset({"flips", "turns"})

#: Option -> package that runs the graph.
PACKAGES: Final[dict[GraphLibrary, str]] = {"onnx": "onnxruntime", "openvino": "openvino"}


def obstacle_of(predicted: PredictOptions, library: str) -> str | None:
    """Say what is asked for that a graph cannot do, and the remedy; None for nothing.

    Args:
        predicted: What is asked for.
        library: Who is to run the graph, or ``auto``.
    """
    options = predicted.network
    if options.compile:
        return "--compile, but it is PyTorch's. Leave it out"
    if others := sorted(set(options.views) - _VIEWS):
        return f"views {', '.join(others)}, which PyTorch alone makes. Use --tta {' '.join(sorted(_VIEWS))}"
    if options.precision == "fp16":
        return "precision fp16, but CPUs have bf16 at most. Use --precision bf16"
    if options.precision == "int8" and set(options.views):
        return "precision int8 with views, whose ranges are others. Leave --tta out"
    if options.precision == "bf16" and library == "onnx":
        return "precision bf16, but ONNX Runtime has none. Use --runtime openvino"
    if options.precision != "float32" and predicted.output.applicability:
        return f"--applicability with precision {options.precision}. Use --precision float32"
    return None


def graph_library(options: NetworkOptions) -> GraphLibrary:
    """Say who runs a graph: as asked for, else OpenVINO for bf16, and for int8 where it is installed."""
    if options.runtime in ("onnx", "openvino"):
        return "openvino" if options.runtime == "openvino" else "onnx"
    if options.precision == "int8":
        return "openvino" if find_spec(PACKAGES["openvino"]) is not None else "onnx"
    return "openvino" if options.precision == "bf16" else "onnx"


def check_is_installed(library: GraphLibrary) -> None:
    """Refuse a library that is not installed.

    Raises:
        OptionError: With the command that installs it.
    """
    package = PACKAGES[library]
    if find_spec(package) is None:
        raise OptionError(
            f"Expected {package} to be installed for --runtime {library}, but it is not. "
            f"Install it: pip install 'hierars-geo[{library}]'."
        )


def open_graph(
    path: Path,
    library: GraphLibrary,
    outputs: Sequence[str],
    precision: Precision,
    threads: int | None = None,
) -> GraphRun:
    """Make a graph ready to run.

    Args:
        path: An ONNX file.
        library: Who runs it.
        outputs: Names of the outputs that are wanted, whose channels follow each other in what comes back;
            what only others need is not computed.
        precision: Inside the network.
        threads: None for ``OMP_NUM_THREADS``, or what the library takes by itself.

    Raises:
        RuntimeError: The library cannot run it.
    """
    threads = threads or int(os.environ.get("OMP_NUM_THREADS") or 0)
    with narrowed(path, outputs) as narrow:
        return _OPENERS[library](narrow, outputs, precision, threads)


def window_by_window(run: GraphRun) -> Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]:
    """Run windows one after another: what one gets does not depend on the others."""

    def path_logits(image: NDArray[Any], valid: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([run(image[n : n + 1], valid[n : n + 1]) for n in range(len(image))])

    return path_logits


def import_onnxruntime(module: str = "onnxruntime") -> Any:  # noqa: ANN401
    """Import ONNX Runtime, in seconds, without what its wheels bring along: reports to their maker.

    They begin with the import and a file in the folder of temporary files; a variable alone prevents that.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return importlib.import_module(module)


def _open_onnx(path: Path, outputs: Sequence[str], precision: str, threads: int) -> GraphRun:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # weights apart from what is taken and given back: 27 MB less for a ResNet-18
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(*inputs: NDArray[Any]) -> NDArray[np.float32]:
        given = {name: np.ascontiguousarray(value) for name, value in zip(names, inputs, strict=True)}
        return _joined(session.run(list(outputs), given))

    return run


def _open_openvino(path: Path, outputs: Sequence[str], precision: str, threads: int) -> GraphRun:
    core: Any = importlib.import_module("openvino").Core()  # seconds, and not installed everywhere
    settings = {
        # said, because it takes bfloat16 by itself where the CPU has it
        "INFERENCE_PRECISION_HINT": "f32" if precision == "float32" else "bf16",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    model = core.read_model(path)

    @lru_cache(maxsize=4)
    def compiled(*shapes: tuple[int, ...]) -> Any:  # noqa: ANN401
        """A graph for one size is a twentieth faster than one for any, and made in less than a second."""
        sized = model.clone()
        sized.reshape(dict(enumerate(shapes)))
        return core.compile_model(sized, "CPU", settings)

    def run(*inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        given = [np.ascontiguousarray(value) for value in inputs]
        found = compiled(*(value.shape for value in given))(given)
        return _joined([found[name] for name in outputs]).copy()  # the library fills its own again

    return run


def _joined(outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=1)


_OPENERS: Final = {"onnx": _open_onnx, "openvino": _open_openvino}
