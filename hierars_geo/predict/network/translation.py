"""A network's graph translated for other libraries than PyTorch."""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.nn import functional as F

from ...errors import OptionError
from ...models.checkpoint import Model
from ..exported import GRAPH_ENTRY, RECORD_ENTRY
from ..onnx_file import seal
from .graph import MapGraph

#: What the ONNX exporter needs besides torch.
_ONNX_PACKAGES = ("onnx", "onnxscript")

#: Sides of the example that a graph is traced with; height and width odd, so that padding and cropping are
#: part of it, and all different, so that no two are taken for one.
_EXAMPLE = {"batch": 2, "dates": 3, "height": 75, "width": 109}

#: A Protocol Buffers file, as ONNX files are, ends at 2 GiB.
_MAX_ONNX_BYTES = 2_000_000_000


def check_onnx_is_installed() -> None:
    """Refuse to start where the packages behind the ONNX exporter are missing.

    Raises:
        OptionError: One is; the command that installs it is named.
    """
    missing = [name for name in _ONNX_PACKAGES if find_spec(name) is None]
    if missing:
        raise OptionError(
            f"Expected {' and '.join(missing)} to translate a model to ONNX, but got no such package. "
            "Install it: pip install 'hierars-geo[onnx]'."
        )


def trace(graph: MapGraph, loaded: Model, size: tuple[int, int] | None = None) -> ExportedProgram:
    """Trace a graph.

    Args:
        graph: In eval mode, on the CPU.
        loaded: Whose graph it is.
        size: Fixed height and width in pixels; None leaves both open. The batch always is.

    Raises:
        OptionError: The model holds something that torch.export cannot trace.
    """
    record = loaded.record
    branches = [record] if record.transfer is None else [record, record.transfer.source]
    if size is None and any("swin" in branch.model.encoder for branch in branches):
        raise OptionError(
            f"Expected a model whose graph serves every height and width, but {_name(loaded)} cannot: "
            "PyTorch's tracer does not come to an end with Swin's windows. Use another encoder, or "
            "hierars-geo predict."
        )
    sides = _EXAMPLE | {"bands": len(record.bands)}
    fixed = {"bands"}
    if size is not None:
        sides |= {"height": size[0], "width": size[1]}
        fixed |= {"height", "width"}
    shapes = [[sides[axis] for axis in axes] for axes in graph.inputs.values()]
    dynamic = tuple(
        {place: Dim.DYNAMIC for place, axis in enumerate(axes) if axis not in fixed}
        for axes in graph.inputs.values()
    )
    with torch.random.fork_rng(devices=()):
        example = torch.randn(shapes[0]), *(torch.randint(1, 367, shape) for shape in shapes[1:])
    with _in_one_line(loaded, "torch"), _known_factors(), torch.no_grad():
        return torch.export.export(graph, example, dynamic_shapes=dynamic)


def save_onnx(
    program: ExportedProgram,
    graph: MapGraph,
    path: Path,
    loaded: Model,
    described: Mapping[str, Any],
    metadata: Mapping[str, str],
) -> None:
    """Translate a program and write it as an ONNX file that says what it is.

    Args:
        program: Of :func:`trace`.
        graph: What was traced.
        path: The file.
        loaded: Whose graph it is.
        described: What predicting has to know besides the record.
        metadata: Further entries, key -> text.

    Raises:
        OptionError: An operation has no counterpart in ONNX, or the model is too large for one file.
    """
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size > _MAX_ONNX_BYTES:
        raise OptionError(
            f"Expected at most {_MAX_ONNX_BYTES / 1e9:g} GB of weights in an ONNX file, but got "
            f"{size / 1e9:.1f} GB. Use --format torch."
        )
    with _in_one_line(loaded, "onnx"):
        translated: Any = torch.onnx.export(
            program,
            dynamo=True,
            input_names=list(graph.inputs),
            output_names=list(graph.output_names),
            verbose=False,
        )
    _name_dimensions(translated.model, graph)
    told = {"sees_window": loaded.network.sees_window, "outputs": list(graph.output_names), **described}
    translated.model.metadata_props.update(
        {RECORD_ENTRY: record_json(loaded), GRAPH_ENTRY: json.dumps(told), **metadata}
    )
    translated.save(path)
    seal(path)


def record_json(loaded: Model) -> str:
    """Say what a checkpoint says of its model."""
    return json.dumps(loaded.record.to_dict(), ensure_ascii=False)


def _name_dimensions(model: Any, graph: MapGraph) -> None:  # noqa: ANN401  # onnx_ir's Model
    """Call the open dimensions batch, height and width, in place of the tracer's s40, s73 and s6."""
    names = {
        str(side): axis
        for given, axes in zip(model.graph.inputs, graph.inputs.values(), strict=True)
        for side, axis in zip(given.shape, axes, strict=True)
        if not isinstance(side, int)
    }
    values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
    for value in values:
        for axis, side in enumerate(value.shape or ()):
            if str(side) in names:
                value.shape[axis] = names[str(side)]


def _name(loaded: Model) -> str:
    return f"{loaded.record.model.architecture} with {loaded.record.model.encoder}"


@contextmanager
def _known_factors() -> Iterator[None]:
    """Let decoders enlarge by a factor where all sizes have the same, not to a size that a graph computes.

    ONNX Runtime has a faster kernel for the former: a twentieth of a U-Net's time.
    """
    original = F.interpolate

    def interpolate(
        image: Tensor,
        size: Any = None,  # noqa: ANN401
        scale_factor: Any = None,  # noqa: ANN401
        *mode: Any,  # noqa: ANN401
        **how: Any,  # noqa: ANN401
    ) -> Tensor:
        if isinstance(size, tuple | list):
            sides = zip(size, image.shape[2:], strict=True)
            factors = [_factor(wanted, side) for wanted, side in sides]
            if all(factors):
                size, scale_factor = None, factors
        return original(image, size, scale_factor, *mode, **how)

    with mock.patch.object(F, "interpolate", interpolate):
        yield


def _factor(wanted: int, side: int) -> float:
    """By which power of 2 a side grows, whatever it is; 0 where that is not known."""
    # here, for it brings SymPy, which predicting does without
    shapes = import_module("torch.fx.experimental.symbolic_shapes")
    powers = (2**power for power in range(6))
    return float(next((n for n in powers if shapes.statically_known_true(wanted == n * side)), 0))


@contextmanager
def _in_one_line(loaded: Model, form: str) -> Iterator[None]:
    """Let PyTorch's exporters say in one line what they cannot, and nothing of their own internals."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        lines = (line.strip() for line in str(error).splitlines())
        reason = next(filter(None, lines), type(error).__name__)
        raise OptionError(
            f"Expected a model that can be exported as {form}, but {_name(loaded)} cannot: {reason[:200]}. "
            "Use another encoder, or hierars-geo predict with --runtime torch."
        ) from error
