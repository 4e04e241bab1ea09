"""From a scene to finished rows of path logits: read ahead, run the model, blend."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..grid import Blend, GeoGrid, Window, blend_weights, cover, overlap_to_stride
from .accumulator import Accumulator, Rows

#: Batches read ahead of the model.
_READ_AHEAD = 2

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
    """The one global grid of windows of a scene.

    Attributes:
        size: (height, width) of a window, never larger than the raster.
        stride: (rows, columns) between windows.
        windows: In order of their first row.
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    windows: tuple[Window, ...]

    @classmethod
    def of(cls, shape: tuple[int, int], window_px: int, overlap: float) -> "WindowPlan":
        """Lay windows over a raster.

        Args:
            shape: (height, width) of the raster.
            window_px: Side of a window; the raster's side where that is shorter.
            overlap: Share of the window, 0 <= overlap < 1.

        Raises:
            OptionError: An argument is out of range.
        """
        size = min(window_px, shape[0]), min(window_px, shape[1])
        stride = overlap_to_stride(size[0], overlap), overlap_to_stride(size[1], overlap)
        return cls(size, stride, tuple(cover(shape, size, stride)))

    def weights(self, blend: Blend) -> NDArray[np.float32]:
        """Blend weights (h, w) of a window, > 0."""
        shared = self.size[0] - self.stride[0], self.size[1] - self.stride[1]
        return blend_weights(self.size, shared, blend)


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
) -> Generator[Rows, None, None]:
    """Predict a scene from top to bottom.

    Memory is that of the rows of one window plus the batches read ahead, whatever the scene's height. Windows
    without any valid pixel are not run.

    Args:
        source: The scene.
        model: Maps stored values and validity to path logits.
        channels: T, channels of the path logits.
        plan: Windows over the scene's grid.
        blend: How windows are blended.
        batch_size: Windows per forward pass.
        device: Where the model is; blending happens there, too.
        progress: Called with the number of windows done since the last call.

    Yields:
        Rows, complete and in order.

    Raises:
        RasterError: A window cannot be read.
    """
    height, width = source.grid.shape
    weights = torch.from_numpy(plan.weights(blend)).to(device)
    accumulator = Accumulator(channels, width, weights)
    # closed before the caller closes the source: no thread reads on after an interrupt
    with closing(_read_ahead(source, plan.windows, batch_size)) as batches:
        for batch in batches:
            valid = batch.valid.to(device, non_blocking=True)
            values = _run(model, batch, valid, device)
            for number, window in enumerate(batch.windows):
                if window.row > accumulator.first_row:
                    yield accumulator.finish_rows(window.row)
                accumulator.add(window, valid[number], values[number])
            if progress is not None:
                progress(len(batch.windows))
    yield accumulator.finish_rows(height)


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
    source: WindowSource, windows: tuple[Window, ...], batch_size: int
) -> Generator[_ReadBatch, None, None]:
    """Read batches in a second thread while the model works on the one before."""
    groups = [windows[start : start + batch_size] for start in range(0, len(windows), batch_size)]
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
