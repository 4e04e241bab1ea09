"""From a module to a graph of the library asked for: torch.export's program, and ONNX from it."""

import io
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from ..errors import OptionError
from .graph import INPUT_NAME, MapGraph

#: What the ONNX exporter needs besides torch.
_ONNX_PACKAGES = ("onnx", "onnxscript")

#: Names of the dimensions that stay open, by their place in the input.
_OPEN = {0: "batch", 2: "height", 3: "width"}

#: Height and width of the example that the graph is traced with; odd, so that padding and cropping are part
#: of it, and different, so that the two are not taken for one.
_EXAMPLE_PX = (75, 109)

#: A Protocol Buffers file, as ONNX files are, ends at 2 GiB.
_MAX_ONNX_BYTES = 2_000_000_000

#: Key under which a file holds what its checkpoint says of the model, as JSON.
RECORD_ENTRY = "hierars_geo"


def check_onnx_is_installed() -> None:
    """Refuse to start where the packages behind the ONNX exporter are missing.

    Raises:
        OptionError: One is; the command that installs it is named.
    """
    missing = [name for name in _ONNX_PACKAGES if find_spec(name) is None]
    if missing:
        raise OptionError(
            f"Expected {' and '.join(missing)} for format onnx, but got no such package. "
            "Install it: pip install 'hierars-geo[onnx]'."
        )


def trace(graph: MapGraph, bands: int, tile_px: int | None, name: str) -> ExportedProgram:
    """Trace a graph.

    Args:
        graph: In eval mode, on the CPU.
        bands: C.
        tile_px: Fixed height and width; None leaves both open. The batch always is.
        name: Of the model, for messages.

    Raises:
        OptionError: The model holds something that torch.export cannot trace.
    """
    height, width = _EXAMPLE_PX if tile_px is None else (tile_px, tile_px)
    open_sides = _OPEN if tile_px is None else {0: _OPEN[0]}
    with torch.random.fork_rng(devices=()):
        example = torch.randn(2, bands, height, width)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # PyTorch's exporter warns of its own internals, which whoever exports can do nothing about
            warnings.simplefilter("ignore")
            return torch.export.export(
                graph, (example,), dynamic_shapes=(dict.fromkeys(open_sides, Dim.DYNAMIC),)
            )
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise _cannot(name, "torch", error) from error


def save_torch(program: ExportedProgram, path: Path, record: str) -> None:
    """Write a program as a .pt2 file; ``record`` (JSON) goes along as an extra file."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={RECORD_ENTRY: record})
    path.write_bytes(buffer.getbuffer())


def save_onnx(
    program: ExportedProgram, graph: MapGraph, path: Path, metadata: Mapping[str, str], name: str
) -> None:
    """Translate a program and write it as an ONNX file.

    Args:
        program: Of :func:`trace`.
        graph: What was traced.
        path: The file.
        metadata: Key -> text, stored in the file.
        name: Of the model, for messages.

    Raises:
        OptionError: An operation has no counterpart in ONNX, or the model is too large for one file.
    """
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size > _MAX_ONNX_BYTES:
        raise OptionError(
            f"Expected at most {_MAX_ONNX_BYTES / 1e9:g} GB of weights in an ONNX file, but got "
            f"{size / 1e9:.1f} GB. Use --format torch."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as in trace()
            translated: Any = torch.onnx.export(
                program,
                dynamo=True,
                input_names=[INPUT_NAME],
                output_names=list(graph.output_names),
                verbose=False,
            )
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise _cannot(name, "onnx", error) from error
    _name_dimensions(translated.model)
    translated.model.metadata_props.update(metadata)
    translated.save(path)


def _name_dimensions(model: Any) -> None:  # noqa: ANN401  # onnx_ir's Model
    """Call the open dimensions batch, height and width, in place of the tracer's s40, s73 and s6."""
    shape = model.graph.inputs[0].shape
    names = {str(shape[axis]): name for axis, name in _OPEN.items() if not isinstance(shape[axis], int)}
    values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
    for value in values:
        for axis, side in enumerate(value.shape or ()):
            if str(side) in names:
                value.shape[axis] = names[str(side)]


def _cannot(name: str, form: str, error: Exception) -> OptionError:
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return OptionError(
        f"Expected a model that can be exported as {form}, but {name} cannot: {reason[:200]}. "
        "Use another encoder, or hierars-geo predict."
    )


__all__ = ("RECORD_ENTRY", "check_onnx_is_installed", "save_onnx", "save_torch", "trace")
