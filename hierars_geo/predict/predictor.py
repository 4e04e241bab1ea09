"""Predictor: a checkpoint and a raster in, one georeferenced map per level out."""

import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import OptionError
from ..grid import Window
from ..maps import Maps
from ..models.applicability import applicability_of
from ..models.calibration import threshold_of
from ..models.namespace import namespace_of
from ..models.published import model_file
from ..models.record import ModelFile
from ..output import check_writable_folder, refuse_existing
from ..scenes.dataset import bounded_block_cache
from ..scenes.regions import cut_to_region
from ..scenes.scene import Scene
from ..scenes.stack import SourcePaths, open_scene
from ..types import ReadRecipe, SeriesRule
from .accumulator import Block
from .checkpoint_runner import CheckpointRunner
from .chunks import ChunkPlan
from .engine import Engine, SceneJob, documents, named_everywhere
from .exported import SUFFIX, exported_runner
from .layers import Layer, LayerDecoder, wanted_layers
from .maps import stored_layer
from .memory import MemoryBudget
from .notes import baseline_notes, note_of, recipe_of, refuse_for_series, training_notes
from .options import PredictOptions
from .quantization import some_windows
from .results import planned_outputs
from .rows import Rows, RowStore, across
from .run_folder import run_folder, run_manifest, run_path, stored_sizes, was_finished
from .runtime import Runner, Runtime
from .scene_run import OpenRun, Progress, SceneRun
from .stream import stream_blocks
from .window_plan import WindowPlan

#: Side of a window where the caller does not say, no chip was larger, and no layer sees all of a window.
DEFAULT_WINDOW_PX = 512

#: What is predicted as one scene.
ScenePath: TypeAlias = SourcePaths


class Predictor:
    """Predict rasters of any size with a trained model.

    Args:
        model: A model, or the path of its checkpoint; or of an ONNX file that was exported from it, which
            needs no PyTorch; or the name of a published model.
        options: How to predict.
        device: ``auto``, ``cpu``, ``cuda``, ``all`` for every GPU, or several with commas.

    Attributes:
        loaded: The model: what its file says, and a checkpoint's network.
        runner: Who runs the network.
        window_px: Side of a window.
        memory: Of what grows with a raster.

    Raises:
        HieraRSError: The model cannot be loaded, or an option is out of range.

    Examples:
        .. code-block:: python

            Predictor("model.ckpt", PredictOptions(confidence=True)).predict("scene.tif", "maps")
    """

    def __init__(
        self, model: str | Path | ModelFile, options: PredictOptions | None = None, device: str = "auto"
    ) -> None:
        self.options = options or PredictOptions()
        self._device_name = device
        self.runner: Runner = _runner(model, self.options, device)
        self.loaded: ModelFile = self.runner.loaded
        record = self.loaded.record
        if (risk := self.options.output.risk) is not None:
            threshold = threshold_of(
                record.calibration, risk, str(self.loaded.path), self.options.output.sets
            )
            self.options = self.options.replaced(depth_threshold=threshold)
        if self.options.output.applicability:
            applicability_of(record.applicability, str(self.loaded.path))
        if self.of_series:
            refuse_for_series(self.options, self.loaded.path)
        self.levels = self.options.output.resolved_levels(record.taxonomy.num_levels)
        usual = DEFAULT_WINDOW_PX
        if record.chip_size is not None:
            usual = record.chip_size if self.runner.sees_window else max(usual, record.chip_size)
        self.window_px = self.options.windows.window or usual
        self.memory = MemoryBudget.of(self.options.windows.memory_mb)
        self._quantised: dict[tuple[Any, ...], Runtime] = {}  # of one scene

    @property
    def _channels(self) -> int:
        """What is blended: path logits, and the dissimilarity where it is asked for."""
        return self.loaded.record.taxonomy.num_paths + self.options.output.applicability

    def replaced(self, **options: Any) -> "Predictor":  # noqa: ANN401
        """Return the same with another ``until`` or ``batch_size``; the model is not opened again."""
        other = copy(self)
        other.options = self.options.replaced(**options)
        return other

    @property
    def of_series(self) -> bool:
        """Whether the model takes all dates of a season together."""
        return self.loaded.record.model.temporal is not None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What is computed, in order."""
        return wanted_layers(self.options.output, self.levels)

    def runtime_of(self, plan: ChunkPlan, scene: Scene) -> Runtime:
        """Say who runs the network over a scene; asked again for the same one, it says the same.

        Raises:
            OptionError: A library was asked for that is not installed, or cannot do what else is asked for.
        """
        size, part = plan.windows.size, Window(0, 0, *plan.shape)
        key = size, scene.region, *map(str, scene.paths)
        if key in self._quantised:
            return self._quantised[key]
        pixels = plan.windows.count_within(part) * size[0] * size[1]
        runtime = self.runner.runtime_of(size, pixels, partial(some_windows, scene, plan.windows, part))
        if runtime.precision == "int8":  # made for this scene, in many seconds
            self._quantised.clear()
            self._quantised[key] = runtime
        return runtime

    def batch_size(self, window: tuple[int, int]) -> int:
        """Windows of (height, width) px per forward pass: as asked for, or what the devices take."""
        return self.runner.batch_size(self.options.windows.batch_size, window)

    @property
    def recipe(self) -> ReadRecipe:
        """How scenes are read: as the training's were, but for what the options say."""
        recipe = self.options.reading.overruled(self.loaded.record.read)
        return replace(recipe, series=recipe.series or SeriesRule()) if self.of_series else recipe

    def open(self, raster_path: ScenePath) -> Scene:
        """Open a scene with the bands of the checkpoint.

        Raises:
            HieraRSError: It cannot be read, or lacks bands.
        """
        options, recipe = self.options.reading, self.recipe
        if options.until is not None and not self.of_series:
            raise OptionError(
                "Expected --until with a model of series, but got one of single images. Leave it out."
            )
        if isinstance(raster_path, Mapping):
            options.refuse_for_sources()
        with recipe_of(self.loaded, recipe):
            scene = open_scene(raster_path, recipe, options.mosaic, options.until)
        harmonized = any(own.harmonize for own in (recipe, *recipe.sources.values()))
        if not harmonized and options.harmonize is None:
            scene.notes += baseline_notes(scene.baselines)
        if options.region is None:
            return scene
        try:
            return cut_to_region(scene, options.region, options.region_crs)
        except BaseException:
            scene.close()
            raise

    def chunk_plan(
        self, scene: Scene, chunk_px: int | None = None, chunk_rows: int | None = None
    ) -> ChunkPlan:
        """Lay windows over a scene and cut it into chunks.

        Windows are those of the whole scene where it is cut to a region: its pixels are the whole scene's.

        Args:
            scene: The scene.
            chunk_px: Most columns of a chunk; None for what the options say.
            chunk_rows: Most rows of a chunk; None for all.

        Raises:
            OptionError: A size is absurd.
        """
        extent, channels = scene.extent, self._channels
        shape, options = (extent.height, extent.width), self.options.windows
        windows = WindowPlan.of(shape, self.window_px, options.overlap, options.blend)
        windows = windows.shifted(extent.row, extent.col)
        columns = chunk_px or options.chunk_px
        return ChunkPlan.of(scene.grid.shape, windows, channels, columns, chunk_rows, self.memory)

    def rows(
        self,
        scene: Scene,
        plan: ChunkPlan,
        part: Window,
        batch_size: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Generator[Rows, None, None]:
        """Predict and decode a part of a scene.

        Args:
            scene: The scene.
            plan: Of the scene.
            part: A chunk of the plan, or what is below a row of it.
            batch_size: Windows per forward pass; None for :meth:`batch_size`.
            progress: Called with the number of windows done since the last call.

        Yields:
            Rows of the part, complete and in order.

        Raises:
            HieraRSError: The scene cannot be read.
        """
        record, threshold = self.loaded.record, self.options.output.depth_threshold
        curves = () if record.calibration is None else record.calibration.curves
        decoder = LayerDecoder(record.taxonomy, self.layers, threshold, curves)
        batch_size = batch_size or self.batch_size(plan.windows.size)
        # closed before the scene: an interrupt leaves no thread reading a closed file
        runtime = self.runtime_of(plan, scene)
        with closing(
            stream_blocks(scene, runtime, plan.windows, batch_size, part, progress, self.memory)
        ) as blocks:
            yield from across((decoder.decode(_inside(scene, block)) for block in blocks), part)

    def predict(
        self,
        raster_path: ScenePath,
        out_dir: str | Path,
        overwrite: bool = False,
        progress: Progress | None = None,
        resume: bool = False,
        engine: Engine | None = None,
    ) -> Maps:
        """Predict a scene into a folder.

        Every raster has the scene's CRS, geotransform and size; pixels without data are nodata. Files get
        their final names only when all of them are finished. Until then finished rows lie in a hidden folder
        beside them, from which ``resume`` goes on after any kind of end.

        Args:
            raster_path: A raster, or a folder with one file per band; of a model of series a folder or list
                with an image per date; of a model of several sources such a path for each, by its name.
            out_dir: Folder of the results, made where missing.
            overwrite: Replace results that exist.
            progress: Called with (windows done, windows in all).
            resume: Compute only what an earlier run of the same scene, checkpoint and options lacks.
            engine: Who computes; None for this process.

        Raises:
            HieraRSError: The raster cannot be read, lacks bands of the checkpoint, or results cannot be
                written; or what is to be resumed was a different run, or is still at work.
        """
        with self.begin(raster_path, out_dir, overwrite, resume, engine) as run:
            run.finish(progress)
        return run.outputs.open()

    @contextmanager
    def begin(
        self,
        raster_path: ScenePath,
        out_dir: str | Path,
        overwrite: bool = False,
        resume: bool = False,
        engine: Engine | None = None,
    ) -> Iterator[SceneRun]:
        """Begin to predict a scene: what an engine lacks is with it from now on, other runs are kept off.

        Several scenes may be begun before the first is finished. Leaving the block before gives up what is
        not stored.

        Args:
            raster_path: As of :meth:`predict`, like all others.
            out_dir: Folder of the results.
            overwrite: Replace results that exist.
            resume: Compute only what an earlier run lacks.
            engine: Who computes.

        Yields:
            What finishes it.

        Raises:
            HieraRSError: As of :meth:`predict`.
        """
        with ExitStack() as held:
            with bounded_block_cache(self.memory.block_cache_bytes):
                run = self._begun(
                    held, raster_path, check_writable_folder(out_dir), overwrite, resume, engine
                )
            yield run

    def _begun(
        self,
        held: ExitStack,
        raster_path: ScenePath,
        folder: Path,
        overwrite: bool,
        resume: bool,
        engine: Engine | None,
    ) -> SceneRun:
        scene = held.enter_context(self.open(raster_path))
        outputs = planned_outputs(scene.name, self.options.output, self.levels, folder)
        # of what is resumed, whatever the memory of the machine that it is resumed on
        batch, columns = stored_sizes(run_path(folder, scene.name)) if resume else (None, None)
        columns = self.options.windows.chunk_px or columns
        plan = self.chunk_plan(scene, columns, engine.chunk_rows if engine else None)
        job = self._job(raster_path, engine.chunk_rows, columns) if engine else None
        batch_size = self._run_batch_size(batch, plan, engine, job)
        runtime = self.runtime_of(plan, scene)
        scene.notes += runtime.notes
        manifest = run_manifest(scene, self.loaded, self.options, plan, runtime, batch_size)
        if resume and was_finished(outputs.item, manifest) and outputs.exist():
            note_of(scene.name, "is finished already: nothing is left to compute")
            shutil.rmtree(run_path(folder, scene.name), ignore_errors=True)
            return SceneRun(outputs, [])
        self._warn(scene)
        run, replaced = held.enter_context(run_folder(folder, scene.name, manifest, resume))
        if replaced:
            note_of(scene.name, "what an unfinished run had computed is thrown away (see --resume)")
        if not run.is_placing:
            inputs: list[str | Path] = [*scene.inputs, *documents(raster_path), self.loaded.path]
            refuse_existing([*outputs.layers.values(), outputs.item], overwrite, inputs)
        taxonomy = self.loaded.record.taxonomy
        store = RowStore(run.path, plan, tuple(stored_layer(layer, taxonomy) for layer in self.layers))
        chunks = [(plan[number], store.next_row(plan[number])) for number in range(len(plan))]
        missing = [(chunk, row) for chunk, row in chunks if row < chunk.window.row_stop]
        rows_of = partial(self.rows, scene, plan, batch_size=batch_size)
        arriving = None
        if engine is not None and job is not None:
            settled = replace(job, options=job.options.replaced(batch_size=batch_size))
            starts = [(chunk.number, row) for chunk, row in missing]
            arriving = held.enter_context(engine.chunks(settled, starts))
        predicting = self.loaded, self.options, self.memory, rows_of, arriving
        return OpenRun(outputs, missing, scene, run, manifest, plan, store, *predicting)

    def _run_batch_size(
        self, earlier: int | None, plan: ChunkPlan, engine: Engine | None, job: SceneJob | None
    ) -> int:
        """Choose the batches of a whole run once: those of the run that is resumed, or what the device takes.

        The last bits of path logits depend on them.
        """
        if not isinstance(self.options.windows.batch_size, int):
            if earlier is not None:
                return earlier
            if engine is not None and job is not None:
                return engine.batch_size(job, plan.windows.size)
        return self.batch_size(plan.windows.size)

    def _job(self, raster_path: ScenePath, chunk_rows: int, chunk_px: int | None) -> SceneJob:
        checkpoint, scene = str(self.loaded.path.resolve()), named_everywhere(raster_path)
        options = self.options.replaced(memory_mb=self.memory.total_mb)  # a worker's own would cut otherwise
        return SceneJob(
            checkpoint, self.loaded.sha256, self._device_name, scene, options, chunk_rows, chunk_px
        )

    def _warn(self, scene: Scene) -> None:
        """Say what the reader noted, and what differs from training."""
        training = training_notes(scene, self.loaded, self.runner.sees_window, self.window_px)
        for note in (*self.loaded.notes, *scene.notes, *training):
            note_of(scene.name, note)


def _runner(model: str | Path | ModelFile, options: PredictOptions, device: str) -> Runner:
    """Open a model, by what its file is."""
    if isinstance(model, str | Path):
        model = model_file(model)
        if model.suffix.lower() == SUFFIX:
            return exported_runner(model, options, device)
    return CheckpointRunner(model, options, device)


def _inside(scene: Scene, block: Block[Any]) -> Block[Any]:
    """Make what a scene does not ask for a pixel without data."""
    wanted = scene.wanted(block.window)
    if wanted is None:
        return block
    xp = namespace_of(block.valid)
    return replace(block, valid=block.valid & xp.asarray(wanted, device=block.valid.device))
