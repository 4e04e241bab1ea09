"""The model as a STAC item (extension MLM 1.4) and as metadata for the QGIS plugin Deepness."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import torch
from pystac.asset import Asset
from pystac.item import Item

from .. import __version__
from ..maps.styles.stac import classification_classes, href_of
from ..models.checkpoint import Model
from ..models.record import ModelRecord
from ..predict.network.graph import MapGraph
from ..taxonomy import Taxonomy
from .deepness import DeepnessGraph

_EXTENSIONS = (
    "https://stac-extensions.github.io/mlm/v1.4.0/schema.json",
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
)
_TASKS = ["semantic-segmentation"]

#: Format -> framework, media type and artifact type.
_FORMATS = {
    "onnx": ("ONNX", "application/octet-stream; framework=onnx; profile=onnx", "onnx"),
    "torch": ("PyTorch", "application/octet-stream; framework=pytorch", "torch.export.save"),
    "checkpoint": ("PyTorch", "application/octet-stream; framework=pytorch", "torch.save"),
}


def model_item(
    loaded: Model,
    graph: MapGraph,
    file_name: str,
    format: str,
    framework_version: str,
    tile_px: int | None,
    created: datetime | None = None,
) -> dict[str, Any]:
    """Describe an exported model.

    A model has no place on the Earth: the item has no geometry. Its ``mlm:input`` asks for no scaling, since
    the normalisation is part of the graph; the numbers stand among the hyperparameters.

    Args:
        loaded: The checkpoint.
        graph: What was exported.
        file_name: Of the model, relative to the item.
        format: ``onnx``, ``torch`` or ``checkpoint``.
        framework_version: Of the library that runs the file.
        tile_px: Fixed height and width; None where they are open.
        created: When; default now.

    Returns:
        A STAC item as plain values.
    """
    record = loaded.record
    config = record.describe_model()
    framework, media_type, artifact = _FORMATS[format]
    options = config.pop("options")
    side = -1 if tile_px is None else tile_px
    item = Item(
        id=re.sub(r"[^\w.-]+", "_", file_name.rsplit(".", 1)[0]),
        geometry=None,
        bbox=None,
        datetime=created or datetime.now(UTC),
        properties={
            "mlm:name": _plain(f"hierars-geo {record.model.architecture} {record.model.encoder}"),
            "mlm:architecture": f"{record.model.architecture} {record.model.encoder} {record.model.mode}"
            + ("" if record.transfer is None else " with a source branch (TransLU)"),
            "mlm:tasks": _TASKS,
            "mlm:framework": framework,
            "mlm:framework_version": framework_version,
            "mlm:total_parameters": sum(p.numel() for p in graph.model.parameters()),
            "mlm:pretrained": True,
            "mlm:accelerator": None,
            "mlm:accelerator_constrained": False,
            "mlm:input": [_input(name, axes, record.bands, side) for name, axes in graph.inputs.items()],
            "mlm:output": _outputs(graph, record.taxonomy, side),
            "mlm:hyperparameters": {
                **config,
                **options,
                "mean": list(record.mean),
                "std": list(record.std),
                "chip_size": record.chip_size,
            },
            "bands": [{"name": band} for band in record.bands],
            **({} if record.gsd_m is None else {"gsd": record.gsd_m}),
            "processing:software": {"hierars-geo": __version__, "torch": torch.__version__},
            "hierars:taxonomy": record.taxonomy.to_dict(),
            "hierars:checkpoint": loaded.path.name,
            "hierars:checkpoint_sha256": loaded.sha256,
        },
        stac_extensions=list(_EXTENSIONS),
    )
    asset = Asset(
        href=href_of(f"./{file_name}"),
        title="Stored image values in, classes and confidences of every level out",
        media_type=media_type,
        roles=["mlm:model", "mlm:weights"],
        # the core schema of STAC 1.1 allows bands of an item only where an asset has some
        extra_fields={"mlm:artifact_type": artifact, "bands": [{"name": band} for band in record.bands]},
    )
    item.add_asset("model", asset)
    return item.to_dict(include_self_link=False)


def _input(name: str, axes: tuple[str, ...], bands: tuple[str, ...], side: int) -> dict[str, Any]:
    sides = {"bands": len(bands), "height": side, "width": side}
    pixels = "bands" in axes
    return {
        "name": name,
        "description": "Values as stored in the raster; NaN or infinite in any band means no data."
        if pixels
        else "Day of the year of every date, 1 to 366.",
        "bands": list(bands) if pixels else [],
        "input": {
            "shape": [sides.get(axis, -1) for axis in axes],
            "dim_order": list(axes),
            "data_type": "float32" if pixels else "int64",
        },
        "value_scaling": None,
        "resize_type": None,
        "pre_processing_function": None,
    }


def _outputs(graph: MapGraph, taxonomy: Taxonomy, side: int) -> list[dict[str, Any]]:
    levels = range(1, taxonomy.num_levels + 1)
    if isinstance(graph, DeepnessGraph):
        return [
            _output(
                name,
                "Confidence of the decoded class in its channel, 0 in the others; channel 0 is no data.",
                ("class", 1 + taxonomy.num_classes[level - 1]),
                side,
                "float32",
                [
                    {"value": 0, "name": "no_data", "title": NO_DATA, "nodata": True},
                    *(
                        entry | {"value": channel}
                        for channel, entry in enumerate(classification_classes(taxonomy, level), start=1)
                    ),
                ],
            )
            for level, name in zip(levels, graph.output_names, strict=True)
        ]
    logits, *others = graph.output_names
    unlike = [others.pop()] if graph.cell else []
    found = [
        _output(
            logits,
            "Score of every legal path; softmax gives its probability.",
            ("path", taxonomy.num_paths),
            side,
            "float32",
            [],
        )
    ]
    for level, name in zip(levels, others, strict=False):
        text = f"Raster values of level {taxonomy.level_names[level - 1]}; {taxonomy.nodata_value} is nodata."
        found.append(_output(name, text, None, side, "int32", classification_classes(taxonomy, level)))
    for level, name in zip(levels, others[len(levels) :], strict=True):
        text = f"Confidence of the class of level {taxonomy.level_names[level - 1]}, 0..1."
        found.append(_output(name, text, None, side, "float32", []))
    text = "How unlike the training ground; above 1 is outside the area of applicability."
    return found + [_output(name, text, ("dissimilarity", 1), side, "float32", []) for name in unlike]


def _output(
    name: str,
    description: str,
    channels: tuple[str, int] | None,
    side: int,
    data_type: str,
    classes: list[dict[str, Any]],
) -> dict[str, Any]:
    inner = [] if channels is None else [channels]
    return {
        "name": name,
        "description": description,
        "tasks": _TASKS,
        "result": {
            "shape": [-1, *(count for _, count in inner), side, side],
            "dim_order": ["batch", *(axis for axis, _ in inner), "height", "width"],
            "data_type": data_type,
        },
        "classification:classes": classes,
    }


def _plain(name: str) -> str:
    """Keep what the extension allows in a name."""
    return re.sub(r"[^A-Za-z0-9_.\s-]+", "-", name).rstrip("-_. ")


#: Side of a tile where no training chip was larger: that of a window of ``hierars-geo predict``.
DEFAULT_TILE_PX = 512

#: Name of the first channel of every output.
NO_DATA = "no data"

#: The plugin divides what it reads by this, before its standardisation.
_FULL_SCALE = 255.0

#: Share of a tile that neighbours have in common, per cent: the default of ``hierars-geo predict``.
_OVERLAP_PERCENT = 25


def deepness_metadata(record: ModelRecord, tile_px: int) -> dict[str, str]:
    """Return key -> JSON, as release 0.6.5 of the plugin reads them.

    The plugin standardises ``value / 255`` by a mean and a std; 0 and 1 / 255 give the stored values back,
    which is what the graph takes. Without threshold and smoothing, what it shows is what the graph decodes.

    Args:
        record: What the checkpoint says of the model.
        tile_px: Height and width of the graph's input.
    """
    taxonomy = record.taxonomy
    names = [
        {str(index): name for index, name in enumerate((NO_DATA, *taxonomy.class_names(level)))}
        for level in range(1, taxonomy.num_levels + 1)
    ]
    bands = len(record.bands)
    content: dict[str, object] = {
        "model_type": "Segmentor",
        "class_names": names if len(names) > 1 else names[0],
        "tile_size": tile_px,
        "tiles_overlap": _OVERLAP_PERCENT,
        "standardization_mean": [0.0] * bands,
        "standardization_std": [1.0 / _FULL_SCALE] * bands,
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
    }
    if record.gsd_m is not None:
        content["resolution"] = round(100.0 * record.gsd_m, 3)  # centimetres per pixel
    return {key: json.dumps(value, ensure_ascii=False) for key, value in content.items()}
