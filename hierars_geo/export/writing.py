"""export_model: a checkpoint in, a graph that needs no other code and its STAC item out."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal, get_args

import torch

from ..errors import OptionError
from ..models.checkpoint import load
from ..output.output import as_output_error, check_writable_folder, move_into_place, refuse_existing
from ..output.staging import staging_folder
from ..predict.graph import check_onnx_is_installed
from .deepness import DEFAULT_TILE_PX, deepness_metadata
from .graph import DeepnessGraph, MapGraph
from .model_item import model_item
from .program import RECORD_ENTRY, save_onnx, save_torch, trace_map

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

    The graph takes values as stored in the raster, (B, C, H, W) float32 of any batch, height and width, and
    does the rest itself: normalisation, padding, model, joint semantic path search. See :class:`MapGraph`
    for its outputs, and :class:`DeepnessGraph` for those with ``deepness``, whose height and width are fixed.

    Args:
        checkpoint: Path of a checkpoint.
        out: File to write, ending in ``.onnx`` or ``.pt2``; default beside the checkpoint. The STAC item has
            the same name and ends in ``.json``.
        format: ``onnx``, or ``torch`` for a program of torch.export.
        deepness: Lay the outputs out for the QGIS plugin Deepness and write the metadata that it reads.
        tile_px: Height and width with ``deepness``; default 512, or the side of larger training chips.
        overwrite: Replace files that exist.

    Returns:
        The files.

    Raises:
        OptionError: Options contradict each other, a package is missing, or the model cannot be exported.
        HieraRSError: The checkpoint cannot be loaded, or the files cannot be written.
    """
    _check(format, deepness, tile_px)
    loaded = load(checkpoint)
    record = loaded.record
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
            metadata = {RECORD_ENTRY: content}
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


__all__ = ("FORMATS", "SUFFIXES", "ExportedModel", "Format", "export_model")
