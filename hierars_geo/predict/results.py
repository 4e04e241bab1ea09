"""The files of a prediction: which there will be, made from complete rows, and given their names together."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..maps import Maps
from ..maps.cog import place_raster
from ..models.record import ModelFile
from ..output import as_output_error, move_into_place
from ..scenes.scene import Scene
from ..taxonomy import Taxonomy
from .layers import APPLICABILITY_LAYER, STACK_LAYER, STACK_NAME, Layer, wanted_layers
from .maps import share_outside, stored_layer, write_layer, write_stack
from .options import OutputOptions, PredictOptions
from .provenance import prediction_item
from .rows import RowStore, StoredLayer
from .run_folder import RunFolder, manifest_digest


@dataclass(frozen=True)
class PlannedFiles:
    """What is written for one scene.

    Attributes:
        name: Of the scene.
        layers: File of every layer, by the layer's name: ``L1``, ``conf_L1``, ``depth``.
        item: The STAC item.
    """

    name: str
    layers: dict[str, Path]
    item: Path

    def exist(self) -> bool:
        """Tell whether every file is there."""
        return all(path.is_file() for path in (*self.layers.values(), self.item))

    def open(self) -> Maps:
        """Open them as maps.

        Raises:
            HieraRSError: They have changed since.
        """
        return Maps.open(next(iter(self.layers.values())))


def planned_outputs(
    scene_name: str, options: OutputOptions, levels: tuple[int, ...], folder: Path
) -> PlannedFiles:
    """Name the files of a scene.

    Args:
        scene_name: Stem of all of them.
        options: What is written.
        levels: Levels that are written.
        folder: Where.
    """
    names = [layer.name for layer in wanted_layers(options, levels)]
    if options.stack:
        names = [STACK_NAME, *names[len(levels) :]]
    files = {name: folder / f"{scene_name}_{name}.tif" for name in names}
    return PlannedFiles(scene_name, files, folder / f"{scene_name}.json")


def write_results(
    scene: Scene,
    store: RowStore,
    outputs: PlannedFiles,
    run: RunFolder,
    loaded: ModelFile,
    options: PredictOptions,
    manifest: Mapping[str, Any],
) -> None:
    """Turn complete rows into files, and give them their names when all of them are finished.

    Raises:
        OutputError: A file cannot be written.
    """
    taxonomy = loaded.record.taxonomy
    tags = {"HIERARS_TAXONOMY": taxonomy.name, "HIERARS_CHECKPOINT_SHA256": loaded.sha256}
    finished = run.path / "finished"
    shutil.rmtree(finished, ignore_errors=True)
    with as_output_error(finished):
        finished.mkdir()
    levels = options.output.resolved_levels(taxonomy.num_levels)
    layers: dict[str, Layer] = {layer.name: layer for layer in wanted_layers(options.output, levels)}

    for name, path in outputs.layers.items():
        final = finished / path.name
        if name == STACK_NAME:
            classes = [layer for layer in layers.values() if layer.kind == "class"]
            write_stack(classes, store, scene.grid, taxonomy, final, tags)
        else:
            write_layer(layers[name], store, scene.grid, taxonomy, final, tags)
    written = {layers.get(name, STACK_LAYER): path.name for name, path in outputs.layers.items()}
    notes = _unseen(scene, store, stored_layer(next(iter(layers.values())), taxonomy), taxonomy)
    versions, folder = manifest["versions"], outputs.item.parent
    content = prediction_item(scene, written, loaded, options, versions, folder=folder, notes=notes)
    content["properties"]["hierars:run"] = manifest_digest(manifest)
    content["properties"]["hierars:runtime"] = manifest["runtime"]
    if options.output.applicability:
        kept = stored_layer(APPLICABILITY_LAYER, taxonomy)
        content["properties"]["hierars:outside"] = share_outside(store.strips(kept))
    item = finished / outputs.item.name
    with as_output_error(item):
        item.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
    run.begin_placing()
    outputs.item.unlink(missing_ok=True)  # the item says that the set is complete: gone first, back last
    for path in outputs.layers.values():
        place_raster(finished / path.name, path)
    move_into_place(item, outputs.item)


def _unseen(scene: Scene, store: RowStore, classes: StoredLayer, taxonomy: Taxonomy) -> tuple[str, ...]:
    """Count, of a season, the pixels that are nodata because no date shows them."""
    if not scene.days:
        return ()
    empty = sum(int((strip == taxonomy.nodata_value).sum()) for strip in store.strips(classes))
    share = 100 * empty / (scene.grid.height * scene.grid.width)
    return (f"{empty} pixels ({share:.2g} %) are valid at none of {len(scene.days)} dates: nodata",)
