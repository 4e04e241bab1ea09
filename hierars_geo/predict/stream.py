"""From a scene to finished blocks of path logits: read ahead, run the model, blend."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ..grid import GeoGrid, Window
from ..scenes.patch import Patch
from .accumulator import Accumulator, Block
from .memory import MemoryBudget
from .runtime import DatedBatch, Runtime, SeriesRun
from .window_plan import WindowPlan

ReadT = TypeVar("ReadT")


class WindowSource(Protocol):
    """What is predicted: anything that has a grid and can be read by windows, by a second thread."""

    @property
    def grid(self) -> GeoGrid:
        """Where the pixels lie."""

    def read(self, window: Window, /) -> Iterable[NDArray[Any]]:
        """Read image (C, h, w) and validity (h, w) of a window inside the grid."""


class DatedSource(WindowSource, Protocol):
    """What is predicted date by date, by a model of series."""

    def dates(self, windows: Sequence[Window], /) -> Iterator[Sequence[tuple[date, Patch] | None]]:
        """Read windows date by date: per window its day and what lies there, None for nothing."""


@dataclass(frozen=True)
class _ReadBatch:
    """Windows read together: image (B, C, h, w) and validity (B, h, w)."""

    windows: tuple[Window, ...]
    image: NDArray[np.float32]
    valid: NDArray[np.bool_]


def stream_blocks(
    source: WindowSource,
    runtime: Runtime,
    plan: WindowPlan,
    batch_size: int = 4,
    part: Window | None = None,
    progress: Callable[[int], None] | None = None,
    memory: MemoryBudget | None = None,
) -> Generator[Block[Any], None, None]:
    """Predict a scene, or a rectangle of it, from top to bottom.

    Memory is that of the rows that windows share with those below, across the part, plus the batches read
    ahead, whatever the scene's height. Windows without any valid pixel are not run. A pixel gets the same
    bits whatever the part it is predicted in.

    Args:
        source: The scene.
        runtime: Who maps stored values and validity to path logits.
        plan: Windows over the scene's grid.
        batch_size: Windows per forward pass; the last bits of the path logits depend on it.
        part: Rectangle of the scene to predict; None for all of it.
        progress: Called with the number of windows done since the last call.
        memory: What batches read ahead take a share of; None for the budget of this machine.

    Yields:
        Blocks that cover the part once: row of windows by row of windows, each from left to right.

    Raises:
        RasterError: A window cannot be read.
    """
    part = part or Window(0, 0, *source.grid.shape)
    weights = runtime.place(plan.weights())
    accumulator: Accumulator[Any] = Accumulator(runtime.channels, weights, part, plan.most_shared_rows)
    # closed before the caller closes the source: no thread reads on after an interrupt
    groups = plan.batches(batch_size, part)
    memory = memory or MemoryBudget.of(None)
    computed = _computed(source, runtime, groups, memory)
    if runtime.run_dates is not None:
        computed = _computed_by_date(cast(DatedSource, source), runtime.run_dates, groups, memory)
    with closing(computed) as batches:
        for windows, found_valid, values in batches:
            valid = runtime.place(found_valid)
            wanted = [n for n, window in enumerate(windows) if window.intersection(part)]
            for number in wanted:
                window = windows[number]
                settled = plan.settled_by(window, part)
                block = accumulator.add(window, valid[number], values[number], settled)
                if block is not None:
                    yield block
            if progress is not None:
                progress(len(wanted))


#: Windows, their validity (B, h, w), and of each path logits (T, h, w), None where nothing is valid.
_Computed: TypeAlias = tuple[tuple[Window, ...], NDArray[np.bool_], list[Any]]


def _computed(
    source: WindowSource, runtime: Runtime, groups: Iterator[tuple[Window, ...]], memory: MemoryBudget
) -> Generator[_Computed, None, None]:
    """Run the model over windows, reading ahead."""
    read = (_read_batch(source, group) for group in groups)
    with closing(_read_ahead(read, lambda one: memory.batches_ahead(one.image.nbytes))) as batches:
        for batch in batches:
            yield batch.windows, batch.valid, _run(runtime, batch)


def _computed_by_date(
    source: DatedSource, run_dates: SeriesRun, groups: Iterator[tuple[Window, ...]], memory: MemoryBudget
) -> Generator[_Computed, None, None]:
    """Run a model of series over windows, reading a date or two ahead of the one that is with the model."""
    for windows in groups:
        found_dates = (_read_date(windows, found) for found in source.dates(windows))
        with closing(_read_ahead(found_dates, lambda one: memory.batches_ahead(one[0].nbytes))) as dates:
            first = next(dates, None)
            if first is None:
                nothing = np.zeros((len(windows), windows[0].height, windows[0].width), np.bool_)
                yield windows, nothing, [None] * len(windows)
                continue
            logits, valid = run_dates(chain([first], dates))
        values = [own if there.any() else None for own, there in zip(logits, valid, strict=True)]
        yield windows, valid, values


def _read_date(windows: Sequence[Window], found: Sequence[tuple[date, Patch] | None]) -> DatedBatch:
    """Stack what windows hold at a date."""
    bands = next(len(one[1].data) for one in found if one is not None)
    patches = [
        Patch.empty(bands, window, "float32") if one is None else one[1]
        for window, one in zip(windows, found, strict=True)
    ]
    doy = [0 if one is None else one[0].timetuple().tm_yday for one in found]
    image, valid = (np.stack(parts) for parts in zip(*patches, strict=True))
    return image, valid, np.array(doy)


def _run(runtime: Runtime, batch: _ReadBatch) -> list[Any]:
    """Path logits (T, h, w) per window, None for windows without a valid pixel."""
    wanted = np.flatnonzero(batch.valid.any(axis=(1, 2)))
    values: list[Any] = [None] * len(batch.windows)
    if len(wanted):
        for number, logits in zip(wanted, runtime(batch.image[wanted], batch.valid[wanted]), strict=True):
            values[number] = logits
    return values


def _read_ahead(reads: Iterator[ReadT], ahead: Callable[[ReadT], int]) -> Generator[ReadT, None, None]:
    """Let a second thread read as many as one of them says while the model works on what was read before."""
    end = object()
    pending: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
        try:
            pending.append(pool.submit(next, reads, end))
            while (found := pending.popleft().result()) is not end:
                pending.extend(pool.submit(next, reads, end) for _ in range(ahead(found) - len(pending)))
                yield found
        finally:
            for future in pending:
                future.cancel()


def _read_batch(source: WindowSource, windows: tuple[Window, ...]) -> _ReadBatch:
    images, valids = zip(*(source.read(window) for window in windows), strict=True)
    return _ReadBatch(windows, np.stack(images), np.stack(valids))
