"""export_model: a checkpoint in, a graph that needs no other code and its STAC item out."""

import io
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal, get_args

import torch

from ..errors import OptionError
from ..models.checkpoint import load
from ..output import (
    as_output_error,
    check_writable_folder,
    move_into_place,
    refuse_existing,
    staging_folder,
)
from ..predict.exported import RECORD_ENTRY
from ..predict.network.graph import MapGraph
from ..predict.network.translation import check_onnx_is_installed, record_json, save_onnx, trace
from .deepness import DeepnessGraph
from .model_item import DEFAULT_TILE_PX, deepness_metadata, model_item

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
    program = trace(graph, loaded, None if side is None else (side, side))
    with staging_folder(target) as folder, as_output_error(target):
        unfinished = folder / target.name
        if format == "onnx":
            metadata = {} if side is None else deepness_metadata(record, side)
            save_onnx(program, graph, unfinished, loaded, {}, metadata)
        else:
            buffer = io.BytesIO()
            torch.export.save(program, buffer, extra_files={RECORD_ENTRY: record_json(loaded)})
            unfinished.write_bytes(buffer.getbuffer())
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
