"""From a scene to finished blocks of path logits: read ahead, run the model, blend."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..grid import GeoGrid, Window
from .accumulator import Accumulator, Block
from .runtime import Runtime
from .window_plan import WindowPlan

#: Batches read ahead of the model.
_READ_AHEAD = 2


class WindowSource(Protocol):
    """What is predicted: anything that has a grid and can be read by windows, by a second thread."""

    @property
    def grid(self) -> GeoGrid:
        """Where the pixels lie."""

    def read(self, window: Window, /) -> Iterable[NDArray[Any]]:
        """Read image (C, h, w) and validity (h, w) of a window inside the grid."""


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

    Yields:
        Blocks that cover the part once: row of windows by row of windows, each from left to right.

    Raises:
        RasterError: A window cannot be read.
    """
    part = part or Window(0, 0, *source.grid.shape)
    weights = runtime.place(plan.weights())
    accumulator: Accumulator[Any] = Accumulator(runtime.channels, weights, part, plan.most_shared_rows)
    # closed before the caller closes the source: no thread reads on after an interrupt
    with closing(_read_ahead(source, plan.batches(batch_size, part))) as batches:
        for batch in batches:
            valid = runtime.place(batch.valid)
            values = _run(runtime, batch)
            wanted = [n for n, window in enumerate(batch.windows) if window.intersection(part)]
            for number in wanted:
                window = batch.windows[number]
                settled = plan.settled_by(window, part)
                block = accumulator.add(window, valid[number], values[number], settled)
                if block is not None:
                    yield block
            if progress is not None:
                progress(len(wanted))


def _run(runtime: Runtime, batch: _ReadBatch) -> list[Any]:
    """Path logits (T, h, w) per window, None for windows without a valid pixel."""
    wanted = np.flatnonzero(batch.valid.any(axis=(1, 2)))
    values: list[Any] = [None] * len(batch.windows)
    if len(wanted):
        for number, logits in zip(wanted, runtime(batch.image[wanted], batch.valid[wanted]), strict=True):
            values[number] = logits
    return values


def _read_ahead(
    source: WindowSource, groups: Iterator[tuple[Window, ...]]
) -> Generator[_ReadBatch, None, None]:
    """Read batches in a second thread while the model works on the one before."""
    pending: deque[Future[_ReadBatch]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
        try:
            for group in groups:
                pending.append(pool.submit(_read_batch, source, group))
                if len(pending) > _READ_AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _read_batch(source: WindowSource, windows: tuple[Window, ...]) -> _ReadBatch:
    images, valids = zip(*(source.read(window) for window in windows), strict=True)
    return _ReadBatch(windows, np.stack(images), np.stack(valids))


__all__ = ("WindowSource", "stream_blocks")
