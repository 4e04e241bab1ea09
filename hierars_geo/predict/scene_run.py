"""SceneRun: a scene between the moment when its prediction has begun and its finished files."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..scenes.dataset import bounded_block_cache
from ..scenes.scene import Scene
from .chunks import Chunk
from .memory import MemoryBudget
from .notes import note_of
from .results import PlannedFiles
from .rows import Rows, RowStore
from .run_folder import RunFolder

#: Called with (windows done, windows in all).
Progress: TypeAlias = Callable[[int, int], None]

#: Has what is missing stored, tells how many windows were done, and says whether a pixel of it holds data.
Compute: TypeAlias = Callable[[Callable[[int], None]], bool]


@dataclass(frozen=True)
class SceneRun:
    """A scene whose prediction has begun; several may have before the first is finished.

    Attributes:
        outputs: Its files.
        missing: Chunks that are to be computed.
        finish: Computes them, or waits for whoever does, and makes the files; given what to call with
            progress.
    """

    outputs: PlannedFiles
    missing: int
    finish: Callable[[Progress | None], None]


def compute_here(
    store: RowStore,
    missing: Sequence[tuple[Chunk, int]],
    rows_of: Callable[..., Generator[Rows, None, None]],
    progress: Callable[[int], None],
) -> bool:
    """Compute what is missing in this process.

    Args:
        store: Where rows go.
        missing: Chunks, and the row of the raster to go on from.
        rows_of: Given a rectangle of the scene, predicts its rows; tells ``progress`` as it goes.
        progress: Called with the number of windows done since the last call.

    Returns:
        Whether a pixel of it holds data.
    """
    any_data = False
    for chunk, row in missing:
        with (
            store.open_chunk(chunk) as writer,
            closing(rows_of(chunk.below(row), progress=progress)) as found,
        ):
            for rows in found:
                any_data = any_data or rows.any_data
                writer.append(rows)
    return any_data


def finish_run(
    scene: Scene,
    run: RunFolder,
    manifest: Mapping[str, Any],
    memory: MemoryBudget,
    windows: int,
    compute: Compute,
    write: Callable[[], None],
    progress: Progress | None = None,
) -> None:
    """Have computed what is missing, and make the files.

    Args:
        scene: Open.
        run: Its locked folder.
        manifest: What the result depends on.
        memory: Bounds what GDAL keeps.
        windows: That are missing.
        compute: Stores what is missing.
        write: Makes the files of what is stored.
        progress: Called with (windows done, windows in all).

    Raises:
        HieraRSError: The scene cannot be read or has changed, or results cannot be written.
    """
    done = 0

    def report(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, windows)

    with bounded_block_cache(memory.block_cache_bytes):
        if not (compute(report) or run.resumed):
            note_of(scene.name, "no pixel holds data in every band: its maps are nodata throughout")
        run.check_unchanged(scene, manifest)
        write()
