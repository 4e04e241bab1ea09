"""export_model: a checkpoint in, a graph that needs no other code and its STAC item out."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch.export import Dim, ExportedProgram

from ..errors import OptionError
from ..models.checkpoint import load
from ..output import (
    as_output_error,
    check_writable_folder,
    move_into_place,
    refuse_existing,
    staging_folder,
)
from ..predict.exported import GRAPH_ENTRY, RECORD_ENTRY
from ..predict.network.graph import check_onnx_is_installed, trace, translate
from ..predict.onnx_file import seal
from .graph import DeepnessGraph, MapGraph
from .model_item import DEFAULT_TILE_PX, deepness_metadata, model_item

#: Sides of the example that the graph is traced with; height and width odd, so that padding and cropping are
#: part of it, and all different, so that no two are taken for one.
_EXAMPLE = {"batch": 2, "dates": 3, "height": 75, "width": 109}

#: A Protocol Buffers file, as ONNX files are, ends at 2 GiB.
_MAX_ONNX_BYTES = 2_000_000_000


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
    sides = _EXAMPLE | {"bands": bands}
    if tile_px is not None:
        sides |= {"height": tile_px, "width": tile_px}
    fixed = {"bands"} if tile_px is None else {"bands", "height", "width"}
    shapes = [[sides[axis] for axis in axes] for axes in graph.inputs.values()]
    dynamic = tuple(
        {place: Dim.DYNAMIC for place, axis in enumerate(axes) if axis not in fixed}
        for axes in graph.inputs.values()
    )
    with torch.random.fork_rng(devices=()):
        example = torch.randn(shapes[0]), *(torch.randint(1, 367, shape) for shape in shapes[1:])
    return trace(graph, example, dynamic, name)


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
    translated = translate(program, list(graph.inputs), graph.output_names, name)
    _name_dimensions(translated.model, graph)
    translated.model.metadata_props.update(metadata)
    translated.save(path)
    seal(path)


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


Format = Literal["onnx", "torch"]
FORMATS: tuple[Format, ...] = get_args(Format)

#: Format -> how its files end.
SUFFIXES: dict[str, str] = {"onnx": ".onnx", "torch": ".pt2"}


@dataclass(frozen=True)
class ExportedModel:
    """What was written.

    Attributes:
        model: The graph.
        item: Its STAC item, beside it.
        outputs: Names of the graph's outputs, in order.
    """

    model: Path
    item: Path
    outputs: tuple[str, ...]


def export_model(
    checkpoint: str | Path,
    out: str | Path | None = None,
    format: Format = "onnx",
    deepness: bool = False,
    tile_px: int | None = None,
    overwrite: bool = False,
) -> ExportedModel:
    """Export a model as one graph.

    The graph takes values as stored in the raster, (B, C, H, W) float32 of any batch, height and width, of a
    series (B, D, C, H, W) of any number of dates with the days of the year, and does the rest itself:
    normalisation, padding, model, joint semantic path search. See :class:`MapGraph`
    for its outputs, and :class:`DeepnessGraph` for those with ``deepness``, whose height and width are fixed.

    Args:
        checkpoint: Path of a checkpoint.
        out: File to write, ending in ``.onnx`` or ``.pt2``; default beside the checkpoint. The STAC item has
            the same name and ends in ``.json``.
        format: ``onnx``, or ``torch`` for a program of torch.export.
        deepness: Lay the outputs out for the QGIS plugin Deepness and write the metadata that it reads.
        tile_px: Height and width with ``deepness``; default 512, or the side of larger training chips.
        overwrite: Replace files that exist.

    Raises:
        OptionError: Options contradict each other, a package is missing, or the model cannot be exported.
        HieraRSError: The checkpoint cannot be loaded, or the files cannot be written.
    """
    _check(format, deepness, tile_px)
    loaded = load(checkpoint)
    record = loaded.record
    if deepness and record.model.temporal is not None:
        raise OptionError(
            f"Expected a model of single images for Deepness, but {loaded.path} takes series (temporal: "
            f"{record.model.temporal}). Leave --deepness out."
        )
    if record.model.temporal == "presto":
        raise OptionError(
            f"Expected a model whose graph fits into memory, but {loaded.path} is Presto's: 70 tokens of "
            "each pixel, of all pixels of a window. Use hierars-geo predict, which takes some at a time."
        )
    if record.read.standardize:
        raise OptionError(
            f"Expected a model that normalises values as stored, but {loaded.path} was trained with "
            "normalization.method scene, whose numbers are those of each scene and of no graph. Predict with "
            "hierars-geo predict, or train with statistics."
        )
    target = Path(out) if out is not None else loaded.path.with_suffix(SUFFIXES[format])
    if target.suffix.lower() != SUFFIXES[format]:
        raise OptionError(
            f"Expected the output of format {format} to end in {SUFFIXES[format]}, but got '{target.name}'."
        )
    item = target.with_suffix(".json")
    refuse_existing([target, item], overwrite, [loaded.path])
    check_writable_folder(target.parent)
    side = (tile_px or max(DEFAULT_TILE_PX, record.chip_size or 0)) if deepness else None
    graph = (DeepnessGraph if deepness else MapGraph)(loaded.network, record).eval()
    name = f"{record.model.architecture} with {record.model.encoder}"
    branches = [record] if record.transfer is None else [record, record.transfer.source]
    if side is None and any("swin" in branch.model.encoder for branch in branches):
        raise OptionError(
            f"Expected a model whose graph serves every height and width, but {name} cannot: PyTorch's "
            "tracer does not come to an end with Swin's windows. Use another encoder, or hierars-geo predict."
        )
    program = trace_map(graph, len(record.bands), side, name)
    content = json.dumps(record.to_dict(), ensure_ascii=False)
    with staging_folder(target) as folder, as_output_error(target):
        unfinished = folder / target.name
        if format == "onnx":
            told = {"sees_window": loaded.network.sees_window, "outputs": list(graph.output_names)}
            metadata = {RECORD_ENTRY: content, GRAPH_ENTRY: json.dumps(told)}
            if side is not None:
                metadata |= deepness_metadata(record, side)
            save_onnx(program, graph, unfinished, metadata, name)
        else:
            save_torch(program, unfinished, content)
        library = version("onnx") if format == "onnx" else torch.__version__
        described = model_item(loaded, graph, target.name, format, library, side)
        text = json.dumps(described, indent=2, ensure_ascii=False, allow_nan=False)
        (folder / item.name).write_text(text, encoding="utf-8")
        item.unlink(missing_ok=True)  # the item says that the pair is complete: gone first, back last
        move_into_place(unfinished, target)
        move_into_place(folder / item.name, item)
    return ExportedModel(target, item, graph.output_names)


def _check(format: str, deepness: bool, tile_px: int | None) -> None:
    if format not in FORMATS:
        raise OptionError(f"Expected format to be one of {', '.join(FORMATS)}, but got '{format}'.")
    if deepness and format != "onnx":
        raise OptionError(f"Expected format onnx for Deepness, but got '{format}'.")
    if tile_px is not None and not deepness:
        raise OptionError("Expected tile_px together with deepness, but got it alone: all sizes are open.")
    if tile_px is not None and tile_px < 32:
        raise OptionError(f"Expected tile_px to be 32 or more, but got {tile_px}.")
    if format == "onnx":
        check_onnx_is_installed()
