"""From a scene to finished rows of path logits: read ahead, run the model, blend."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import OptionError
from ..grid import Blend, GeoGrid, Window, blend_weights, overlap_to_stride, window_starts
from .accumulator import Accumulator, Rows

#: Batches read ahead of the model.
_READ_AHEAD = 2

#: More windows than the first, each pixel predicted more often than the second, is a slip and no wish.
_MANY_WINDOWS = 100_000
_MANY_TIMES = 200.0

#: Maps stored values (B, C, h, w) float32 and validity (B, h, w) bool to path logits (B, T, h, w).
PathModel: TypeAlias = Callable[[Tensor, Tensor], Tensor]


class WindowSource(Protocol):
    """What is predicted: anything that has a grid and can be read by windows, by a second thread."""

    @property
    def grid(self) -> GeoGrid:
        """Where the pixels lie."""

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read image (C, h, w) and validity (h, w) of a window inside the grid."""


@dataclass(frozen=True)
class WindowPlan:
    """The one global grid of windows of a scene; windows are made when asked for, never listed.

    Windows are numbered row by row, and batches are runs of consecutive numbers. Which windows a batch holds
    therefore does not depend on the part of the scene that is predicted, and neither do the results: the
    last bits of a model's output depend on a window's place in its batch, on CPUs as well.

    Attributes:
        size: (height, width) of a window, never larger than the raster.
        stride: (rows, columns) between windows.
        row_starts: First rows of windows, ascending.
        col_starts: First columns of windows, ascending.
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    row_starts: tuple[int, ...]
    col_starts: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, int], window_px: int, overlap: float) -> "WindowPlan":
        """Lay windows over a raster.

        Args:
            shape: (height, width) of the raster.
            window_px: Side of a window; the raster's side where that is shorter.
            overlap: Share of the window, 0 <= overlap < 1.

        Raises:
            OptionError: An argument is out of range, or so many windows follow that no run would end.
        """
        size = min(window_px, shape[0]), min(window_px, shape[1])
        stride = overlap_to_stride(size[0], overlap), overlap_to_stride(size[1], overlap)
        starts = [window_starts(*axis) for axis in zip(shape, size, stride, strict=True)]
        plan = cls(size, stride, starts[0], starts[1])
        times = len(plan) * size[0] * size[1] / (shape[0] * shape[1])
        if len(plan) > _MANY_WINDOWS and times > _MANY_TIMES:
            raise OptionError(
                f"Expected an overlap that leaves a bearable number of windows, but got {overlap:g}: "
                f"{len(plan):,} windows, every pixel predicted {times:.0f} times. Use 0.25 to 0.75."
            )
        return plan

    def __len__(self) -> int:
        return len(self.row_starts) * len(self.col_starts)

    def __getitem__(self, number: int) -> Window:
        row, col = divmod(number, len(self.col_starts))
        return Window(self.row_starts[row], self.col_starts[col], *self.size)

    @property
    def windows(self) -> Iterator[Window]:
        """Every window, row by row."""
        return map(self.__getitem__, range(len(self)))

    def count_within(self, part: Window) -> int:
        """Count the windows that touch a part of the raster."""
        rows, cols = self._touching(part)
        return len(rows) * len(cols)

    def batches(self, batch_size: int, part: Window) -> Iterator[tuple[Window, ...]]:
        """Yield the batches with a window that touches a part of the raster, in order.

        Args:
            batch_size: Windows in a batch; the last one of the plan may be smaller.
            part: Inside the raster.
        """
        rows, cols = self._touching(part)
        across, last = len(self.col_starts), -1
        for row in rows:
            first, stop = row * across + cols.start, row * across + cols.stop
            for batch in range(max(first // batch_size, last + 1), (stop - 1) // batch_size + 1):
                numbers = range(batch * batch_size, min((batch + 1) * batch_size, len(self)))
                yield tuple(map(self.__getitem__, numbers))
                last = batch

    def weights(self, blend: Blend) -> NDArray[np.float32]:
        """Blend weights (h, w) of a window, > 0."""
        shared = self.size[0] - self.stride[0], self.size[1] - self.stride[1]
        return blend_weights(self.size, shared, blend)

    def _touching(self, part: Window) -> tuple[range, range]:
        """Positions along both axes of the windows that touch a part."""
        rows = _overlapping(self.row_starts, self.size[0], part.row, part.row_stop)
        return rows, _overlapping(self.col_starts, self.size[1], part.col, part.col_stop)


def _overlapping(starts: tuple[int, ...], size: int, first: int, stop: int) -> range:
    return range(bisect_right(starts, first - size), bisect_left(starts, stop))


@dataclass(frozen=True)
class _ReadBatch:
    """Windows read together: image (B, C, h, w) and validity (B, h, w)."""

    windows: tuple[Window, ...]
    image: Tensor
    valid: Tensor


def stream_rows(
    source: WindowSource,
    model: PathModel,
    channels: int,
    plan: WindowPlan,
    blend: Blend = "hann",
    batch_size: int = 4,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] | None = None,
    part: Window | None = None,
) -> Generator[Rows, None, None]:
    """Predict a scene, or a rectangle of it, from top to bottom.

    Memory is that of the rows of one window across the part plus the batches read ahead, whatever the
    scene's height. Windows without any valid pixel are not run. A pixel gets the same bits whatever the part
    it is predicted in.

    Args:
        source: The scene.
        model: Maps stored values and validity to path logits.
        channels: T, channels of the path logits.
        plan: Windows over the scene's grid.
        blend: How windows are blended.
        batch_size: Windows per forward pass.
        device: Where the model is; blending happens there, too.
        progress: Called with the number of windows done since the last call.
        part: Rectangle of the scene to predict; None for all of it.

    Yields:
        Rows of the part, complete and in order.

    Raises:
        RasterError: A window cannot be read.
    """
    part = part or Window(0, 0, *source.grid.shape)
    weights = torch.from_numpy(plan.weights(blend)).to(device)
    accumulator = Accumulator(channels, part.width, weights, (part.row, part.col))
    # closed before the caller closes the source: no thread reads on after an interrupt
    with closing(_read_ahead(source, plan.batches(batch_size, part))) as batches:
        for batch in batches:
            valid = batch.valid.to(device, non_blocking=True)
            values = _run(model, batch, valid, device)
            wanted = [n for n, window in enumerate(batch.windows) if window.intersection(part)]
            for number in wanted:
                window = batch.windows[number]
                if window.row > accumulator.first_row:
                    yield from accumulator.finish(window.row)
                accumulator.add(window, valid[number], values[number])
            if progress is not None:
                progress(len(wanted))
    yield from accumulator.finish(part.row_stop)


def _run(
    model: PathModel, batch: _ReadBatch, valid: Tensor, device: torch.device | str
) -> list[Tensor | None]:
    """Path logits (T, h, w) per window, None for windows without a valid pixel."""
    wanted = batch.valid.flatten(1).any(dim=1)
    values: list[Tensor | None] = [None] * len(batch.windows)
    if not bool(wanted.any()):
        return values
    with torch.inference_mode():
        logits = model(batch.image[wanted].to(device, non_blocking=True), valid[wanted.to(device)])
    for number, window_logits in zip(wanted.nonzero().flatten().tolist(), logits, strict=True):
        values[number] = window_logits
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
    return _ReadBatch(windows, torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(valids)))


__all__ = ("PathModel", "WindowPlan", "WindowSource", "stream_rows")
