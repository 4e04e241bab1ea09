"""publish_model: a checkpoint in; a folder with the model, its STAC item and its card out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from .. import __version__
from ..errors import OptionError
from ..models.checkpoint import Checkpoint, Model, load
from ..models.published import (
    CARD,
    ITEM,
    PublishedModel,
    check_name,
    check_place,
    checksum_of,
    models_folder,
    place_model,
)
from ..models.record import RECORD_KEY, ModelRecord
from ..output import as_output_error, check_writable_folder, staging_folder
from ..predict.network.graph import MapGraph
from .model_item import model_item
from .writing import export_model

_FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"

#: Options of a task that name files of whoever trained it; where the weights came from is no part of them.
_STARTS = ("start", "source")


@dataclass(frozen=True)
class ModelCard:
    """What only people know of a model.

    Attributes:
        licence: SPDX identifier, ``CC-BY-4.0``, or another name.
        title: For people; the name where empty.
        ground: Where and on which labels it was trained.
        limits: Where it should not be used.
        scores: Per level its name, and overall accuracy and mIoU, 0..1 or None, on ground that the training
            never saw.
    """

    licence: str
    title: str = ""
    ground: str = ""
    limits: str = ""
    scores: Sequence[tuple[str, float | None, float | None]] = ()

    def __post_init__(self) -> None:
        if not self.licence.strip():
            raise OptionError(
                "Expected a licence, but got none. Say what others may do: CC-BY-4.0, for example."
            )


def publish_model(
    checkpoint: str | Path,
    name: str,
    card: ModelCard,
    format: Literal["checkpoint", "onnx"] = "checkpoint",
    folder: Path | None = None,
    overwrite: bool = False,
) -> PublishedModel:
    """Write a model as others can use it: found by its name, or fetched from where its folder is put.

    The file holds the weights and the record alone: no state of an optimiser, no path of this machine.

    Args:
        checkpoint: The model.
        name: Letters, digits, hyphen and underscore.
        card: What only people know of it.
        format: The checkpoint itself, or its graph, which is predicted with without PyTorch.
        folder: Of models; default the one where names are looked up, see :func:`~.models.models_folder`.
        overwrite: Replace a model of that name.

    Raises:
        OptionError: The name cannot be one, or the model cannot be exported.
        HieraRSError: The checkpoint cannot be loaded, or the folder cannot be written.
    """
    check_name(name)
    parent = check_writable_folder(folder or models_folder())
    check_place(parent / name, overwrite)
    with staging_folder(parent / name) as staging:
        unfinished = staging / name
        unfinished.mkdir()
        file = unfinished / ("model.onnx" if format == "onnx" else "model.ckpt")
        if format == "onnx":
            export_model(checkpoint, file)
            loaded = load(checkpoint)
            item = json.loads((unfinished / ITEM).read_text(encoding="utf-8"))
        else:
            with as_output_error(file):
                torch.save(_without_training(Checkpoint.read(checkpoint)), file)
            loaded = load(file)
            graph = MapGraph(loaded.network, loaded.record)
            item = model_item(loaded, graph, file.name, format, torch.__version__, None)
        _complete(item, name, card, file)
        with as_output_error(parent / name):
            (unfinished / CARD).write_text(_text(name, card, loaded, file.name), encoding="utf-8")
            text = json.dumps(item, indent=2, ensure_ascii=False, allow_nan=False)
            (unfinished / ITEM).write_text(text, encoding="utf-8")
        return place_model(unfinished, parent / name)


def _without_training(checkpoint: Checkpoint) -> dict[str, Any]:
    """Keep weights and record of a checkpoint."""
    record = dict(checkpoint.content[RECORD_KEY])
    training = {key: value for key, value in checkpoint.training.items() if key not in _STARTS}
    if isinstance(options := training.get("options"), Mapping):
        training["options"] = {key: value for key, value in options.items() if key not in _STARTS}
    return {"state_dict": checkpoint.content["state_dict"], RECORD_KEY: record | {"training": training}}


def _complete(item: dict[str, Any], name: str, card: ModelCard, file: Path) -> None:
    """Say in an item what the record does not: licence, card, size and checksum."""
    item["id"] = name
    item["stac_extensions"].append(_FILE_EXTENSION)
    item["properties"] |= {"title": card.title or name, "license": card.licence}
    item["assets"]["model"] |= {"file:size": file.stat().st_size, "file:checksum": checksum_of(file)}
    item["assets"]["card"] = {
        "href": f"./{CARD}", "title": "Model card", "type": "text/markdown", "roles": ["metadata"],
    }  # fmt: skip


def _text(name: str, card: ModelCard, loaded: Model, file_name: str) -> str:
    """Compose the card, in Markdown."""
    record = loaded.record
    parts = sum(parameter.numel() for parameter in loaded.network.parameters())
    sections = {
        "What it maps": [_maps(record)],
        "What it takes": _input(record),
        "Where it learned": [card.ground or "Whoever published it does not say."],
        "How good it is": [*_scores(card), *_trust(record)],
        "Where not to use it": [*([card.limits] if card.limits else []), *_limits(record)],
        "Licence": [card.licence],
        "Use": [
            f"```sh\nhierars-geo predict {name} scene.tif -o maps\n```",
            f"`{file_name}` in place of the name does without the folder of models. `{ITEM}` describes it "
            "for catalogs, with its SHA-256.",
        ],
    }
    config = record.model
    made = f"{config.architecture} over {config.encoder}, {config.mode}, {parts / 1e6:.1f} million parameters"
    head = f"# {card.title or name}\n\n{made}; written by hierars-geo {__version__}.\n"
    body = "".join(f"\n## {title}\n\n" + "\n\n".join(texts) + "\n" for title, texts in sections.items())
    return head + body


def _maps(record: ModelRecord) -> str:
    tree = record.taxonomy
    lines = [f"Class tree {tree.name}, {tree.num_levels} levels; no class contradicts another level's.\n"]
    lines += [
        f"* {title}, {tree.num_classes[level - 1]} classes: {'; '.join(tree.class_names(level))}"
        for level, title in enumerate(tree.level_labels, start=1)
    ]
    return "\n".join(lines)


def _input(record: ModelRecord) -> list[str]:
    read = record.read
    sensors = [f"{key}: {own.sensor or 'any sensor'}" for key, own in read.sources.items()]
    what = ", ".join(sensors) or read.sensor or "rasters of any sensor"
    facts = [f"{what}; bands in this order: {', '.join(record.bands)}. Values as stored in the raster"]
    if record.gsd_m is not None:
        facts.append(f"pixels of about {record.gsd_m:g} m")
    if read.nodata is not None:
        facts.append(f"{read.nodata:g} is nodata")
    if read.harmonize:
        facts.append("Sentinel-2 baselines from 04.00 on as those before")
    if read.mask is not None:
        facts.append("clouds and what else the training left out masked likewise")
    if record.model.temporal is not None:
        facts.append("all dates of a season together")
    if record.chip_size is not None:
        facts.append(f"trained on chips of {record.chip_size} px")
    return ["; ".join(facts) + "."]


def _scores(card: ModelCard) -> list[str]:
    if not card.scores:
        return ["No scores on ground of its own were given."]
    rows = [
        f"| {level} | " + " | ".join("" if value is None else f"{100 * value:.1f}" for value in values) + " |"
        for level, *values in card.scores
    ]
    head = ["On ground that the training never saw, in per cent:\n", "| level | OA | mIoU |", "|---|---|---|"]
    return ["\n".join([*head, *rows])]


def _trust(record: ModelRecord) -> list[str]:
    found = record.calibration
    if found is None:
        return ["Its confidence was not calibrated."]
    kept = [promise.risk for promise in found.promises if promise.threshold is not None]
    return [
        f"Its confidence was calibrated on {found.blocks} blocks of {found.block_m:g} m of the {found.split} "
        "ground.",
        *(found.describe(risk) for risk in kept),
    ]


def _limits(record: ModelRecord) -> list[str]:
    known = record.applicability
    if known is None:
        return ["It does not know its training ground: nothing warns where other ground is unlike it."]
    return [
        "It knows its training ground: `predict --applicability` shows where a scene is unlike it. Of the "
        f"ground kept apart {100 * known.outside:.1f} % was."
    ]
