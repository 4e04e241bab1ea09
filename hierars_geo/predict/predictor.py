"""Predictor: a checkpoint and a raster in, one georeferenced map per level out."""

import json
import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import HieraRSWarning
from ..raster import (
    CONFIDENCE_NODATA,
    SceneReader,
    StripWriter,
    as_output_error,
    bounded_block_cache,
    check_writable_folder,
    class_dtype,
    finalise_class_cog,
    finalise_confidence_cog,
    move_into_place,
    open_scene,
    place_raster,
    refuse_existing,
    staging_folder,
)
from .augment import averaged_over_flips
from .checkpoint import LoadedModel, load_checkpoint, resolve_device
from .layers import (
    DEPTH_LAYER,
    DEPTH_NODATA,
    Layer,
    LayerDecoder,
    class_layer,
    confidence_layer,
    depth_taxonomy,
)
from .options import PredictOptions
from .provenance import prediction_item
from .stream import PathModel, WindowPlan, stream_rows

#: Side of a window where neither the caller nor the checkpoint says.
DEFAULT_WINDOW_PX = 512

#: A scene whose GSD differs from the training GSD by more than this factor is worth a warning.
_GSD_TOLERANCE = 1.25

#: Called with (windows done, windows in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Prediction:
    """What was written for one scene.

    Attributes:
        name: Of the scene.
        layers: File of every layer, by the layer's name: ``L1``, ``conf_L1``, ``depth``.
        item: The STAC item.
    """

    name: str
    layers: dict[str, Path]
    item: Path


class Predictor:
    """Predict rasters of any size with a trained model.

    Args:
        checkpoint: Path of a checkpoint.
        device: ``auto``, ``cpu``, ``cuda``, ...
        **options: See :class:`PredictOptions`.

    Raises:
        HieraRSError: The checkpoint cannot be loaded, or an option is out of range.

    Example:
        .. code-block:: python

            Predictor("model.ckpt", confidence=True).predict("scene.tif", "maps")
    """

    def __init__(self, checkpoint: str | Path, device: str = "auto", **options: Any) -> None:  # noqa: ANN401
        self.options = PredictOptions(**options)
        self.device = resolve_device(device)
        self.loaded: LoadedModel = load_checkpoint(checkpoint, self.device)
        record = self.loaded.record
        self.levels = self.options.resolved_levels(record.taxonomy.num_levels)
        self.window_px = self.options.window or record.chip_size or DEFAULT_WINDOW_PX
        self._paths = torch.from_numpy(record.taxonomy.paths.copy()).to(self.device)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What is written, in order."""
        layers = [class_layer(level) for level in self.levels]
        if self.options.confidence:
            layers += [confidence_layer(level) for level in self.levels]
        if self.options.depth_threshold is not None:
            layers.append(DEPTH_LAYER)
        return tuple(layers)

    def path_model(self) -> PathModel:
        """Return the map from stored values and validity to path logits, test-time augmentation included."""
        model: PathModel = self._path_logits
        return averaged_over_flips(model) if self.options.tta else model

    def _path_logits(self, image: Tensor, valid: Tensor) -> Tensor:
        return self.loaded.model.path_logits(image, valid, self._paths)

    def predict(
        self,
        raster_path: str | Path | Sequence[str | Path],
        out_dir: str | Path,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Prediction:
        """Predict a scene into a folder.

        Every raster has the scene's CRS, geotransform and size; pixels without data are nodata. Files get
        their final names only when all of them are finished.

        Args:
            raster_path: A raster, or a folder with one file per band.
            out_dir: Folder of the results, made where missing.
            overwrite: Replace results that exist.
            progress: Called with (windows done, windows in all).

        Returns:
            The files.

        Raises:
            HieraRSError: The raster cannot be read, lacks bands of the checkpoint, or results cannot be
            written.
        """
        with bounded_block_cache(), open_scene(raster_path, self.loaded.record.bands) as scene:
            self._warn(scene)
            folder = check_writable_folder(out_dir)
            files = {layer: folder / f"{scene.name}_{layer.name}.tif" for layer in self.layers}
            item = folder / f"{scene.name}.json"
            refuse_existing([*files.values(), item], overwrite)
            with staging_folder(item) as staging:
                unfinished = {layer: staging / path.name for layer, path in files.items()}
                self._write(scene, unfinished, progress)
                finished = staging / "finished"
                finished.mkdir()
                for layer, path in unfinished.items():
                    self._finalise(layer, path, finished / path.name)
                    path.unlink()
                self._write_item(scene, files, finished / item.name)
                item.unlink(missing_ok=True)  # the item says that the set is complete: gone first, back last
                for path in files.values():
                    place_raster(finished / path.name, path)
                move_into_place(finished / item.name, item)
        return Prediction(scene.name, {layer.name: path for layer, path in files.items()}, item)

    def _write(self, scene: SceneReader, files: dict[Layer, Path], progress: Progress | None) -> None:
        """Stream the scene through the model into unfinished rasters."""
        taxonomy = self.loaded.record.taxonomy
        plan = WindowPlan.of(scene.grid.shape, self.window_px, self.options.overlap)
        decoder = LayerDecoder(taxonomy, tuple(files), self.options.depth_threshold)
        done = 0

        def report(count: int) -> None:
            nonlocal done
            done += count
            if progress is not None:
                progress(done, len(plan.windows))

        any_data = False
        with ExitStack() as stack:
            writers = {
                layer: stack.enter_context(StripWriter(path, scene.grid, *self._storage(layer)))
                for layer, path in files.items()
            }
            # closed with the writers, before the scene: an interrupt leaves no thread reading a closed file
            stream = stack.enter_context(
                closing(
                    stream_rows(
                        scene,
                        self.path_model(),
                        taxonomy.num_paths,
                        plan,
                        self.options.blend,
                        self.options.batch_size,
                        self.device,
                        report,
                    )
                )
            )
            for rows in stream:
                any_data = any_data or bool(rows.valid.any())
                for layer, array in decoder.decode(rows).items():
                    writers[layer].write(array)
        if not any_data:
            _note(scene.name, "no pixel holds data in every band: its maps are nodata throughout")

    def _storage(self, layer: Layer) -> tuple[str, int]:
        """Data type and nodata of a layer."""
        if layer.kind == "class":
            taxonomy = self.loaded.record.taxonomy
            return class_dtype(taxonomy), taxonomy.nodata_value
        return "uint8", CONFIDENCE_NODATA if layer.kind == "confidence" else DEPTH_NODATA

    def _finalise(self, layer: Layer, unfinished: Path, final: Path) -> None:
        taxonomy = self.loaded.record.taxonomy
        tags = {"HIERARS_TAXONOMY": taxonomy.name, "HIERARS_CHECKPOINT_SHA256": self.loaded.sha256}
        if layer.level is None:
            finalise_class_cog(unfinished, final, depth_taxonomy(taxonomy), 1, tags)
        elif layer.kind == "class":
            finalise_class_cog(unfinished, final, taxonomy, layer.level, tags)
        else:
            finalise_confidence_cog(unfinished, final, tags)

    def _write_item(self, scene: SceneReader, files: dict[Layer, Path], item: Path) -> None:
        names = {layer: path.name for layer, path in files.items()}
        content = prediction_item(scene, names, self.loaded, self.options)
        with as_output_error(item):
            item.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")

    def _warn(self, scene: SceneReader) -> None:
        """Say what differs from training: window, GSD, and what the reader noted."""
        record = self.loaded.record
        notes = list(scene.notes)
        if record.chip_size is not None and self.window_px != record.chip_size:
            notes.append(
                f"the window is {self.window_px} px, the training chips had {record.chip_size} px: the "
                f"model's gates "
                "see another context than in training"
            )
        if record.gsd_m is not None:
            gsd_m = scene.grid.gsd_m()
            if abs(math.log(gsd_m / record.gsd_m)) > math.log(_GSD_TOLERANCE):
                notes.append(
                    f"the scene's GSD is {gsd_m:.3g} m, the training scenes' was {record.gsd_m:.3g} m: "
                    "expect poorer maps, or resample the scene"
                )
        for note in notes:
            _note(scene.name, note)


def _note(scene_name: str, note: str) -> None:
    warnings.warn(f"{scene_name}: {note.rstrip('.')}.", HieraRSWarning, stacklevel=4)


__all__ = ("DEFAULT_WINDOW_PX", "Prediction", "Predictor", "Progress")
