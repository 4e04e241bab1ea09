"""SceneRun: a scene between the moment when its prediction has begun and its finished files."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..models.record import ModelFile
from ..scenes.dataset import bounded_block_cache
from ..scenes.scene import Scene
from .chunks import Chunk, ChunkPlan
from .memory import MemoryBudget
from .notes import note_of
from .options import PredictOptions
from .results import PlannedFiles, write_results
from .rows import Rows, RowStore
from .run_folder import RunFolder

#: Called with (windows done, windows in all).
Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True)
class SceneRun:
    """A scene whose prediction has begun; several may have before the first is finished.

    Attributes:
        outputs: Its files.
        missing: Chunks that are to be computed, each with the row of the raster to go on from.
    """

    outputs: PlannedFiles
    missing: Sequence[tuple[Chunk, int]]

    def finish(self, progress: Progress | None = None) -> None:
        """Do nothing: its files are there from an earlier run."""


@dataclass(frozen=True)
class OpenRun(SceneRun):
    """A scene whose files are still to be made.

    Attributes:
        scene: Open.
        folder: The run's, locked.
        manifest: What the result depends on.
        plan: The chunks.
        store: Where their rows go.
        loaded: The model.
        options: How it predicts.
        memory: Bounds what GDAL keeps.
        rows_of: Given a rectangle of the scene, predicts its rows; tells ``progress`` as it goes.
        arriving: Number of each missing chunk and its rows as an engine finishes them; None where this
            process computes.
    """

    scene: Scene
    folder: RunFolder
    manifest: Mapping[str, Any]
    plan: ChunkPlan
    store: RowStore
    loaded: ModelFile
    options: PredictOptions
    memory: MemoryBudget
    rows_of: Callable[..., Generator[Rows, None, None]]
    arriving: Iterator[tuple[int, Rows]] | None

    def finish(self, progress: Progress | None = None) -> None:
        """Compute what is missing, or wait for whoever does, and make the files.

        Args:
            progress: Called with (windows done, windows in all).

        Raises:
            HieraRSError: The scene cannot be read or has changed, or results cannot be written.
        """
        windows = sum(self.plan.windows.count_within(chunk.below(row)) for chunk, row in self.missing)
        done, any_data = 0, self.folder.resumed

        def report(count: int) -> None:
            nonlocal done
            done += count
            if progress is not None:
                progress(done, windows)

        with bounded_block_cache(self.memory.block_cache_bytes):
            with closing(self._computed(report)) as computed:
                for chunk, found in computed:
                    with self.store.open_chunk(chunk) as writer:
                        for rows in found:
                            any_data = any_data or rows.any_data
                            writer.append(rows)
            if not any_data:
                note_of(self.scene.name, "no pixel holds data in every band: its maps are nodata throughout")
            self.folder.check_unchanged(self.scene, self.manifest)
            write_results(
                self.scene,
                self.store,
                self.outputs,
                self.folder,
                self.loaded,
                self.options,
                self.manifest,
            )

    def _computed(self, report: Callable[[int], None]) -> Generator[tuple[Chunk, Iterable[Rows]], None, None]:
        """Yield chunks, or what is missing of them, and their rows."""
        if self.arriving is None:
            for chunk, row in self.missing:
                with closing(self.rows_of(chunk.below(row), progress=report)) as found:
                    yield chunk, found
            return
        for number, rows in self.arriving:
            yield self.plan[number], [rows]
            report(self.plan.windows.count_within(rows.window))
