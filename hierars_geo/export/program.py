"""From a module to a graph of the library asked for: torch.export's program, and ONNX from it."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from ..errors import OptionError
from ..predict.graph import trace, translate
from .graph import INPUT_NAME, MapGraph

#: Names of the dimensions that stay open, by their place in the input.
_OPEN = {0: "batch", 2: "height", 3: "width"}

#: Height and width of the example that the graph is traced with; odd, so that padding and cropping are part
#: of it, and different, so that the two are not taken for one.
_EXAMPLE_PX = (75, 109)

#: A Protocol Buffers file, as ONNX files are, ends at 2 GiB.
_MAX_ONNX_BYTES = 2_000_000_000

#: Key under which a file holds what its checkpoint says of the model, as JSON.
RECORD_ENTRY = "hierars_geo"


def trace_map(graph: MapGraph, bands: int, tile_px: int | None, name: str) -> ExportedProgram:
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
    return trace(graph, (example,), (dict.fromkeys(open_sides, Dim.DYNAMIC),), name)


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
        program: Of :func:`trace_map`.
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
    translated = translate(program, [INPUT_NAME], graph.output_names, name)
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


__all__ = ("RECORD_ENTRY", "save_onnx", "save_torch", "trace_map")
