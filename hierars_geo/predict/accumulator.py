"""Accumulator: the rows in flight, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..grid import Window


@dataclass(frozen=True)
class Rows:
    """Finished rows of a scene.

    Attributes:
        start: First row.
        path_logits: (T, h, w) float32; 0 where not valid. w is the width of the part that is predicted.
        valid: (h, w) bool, where the scene holds data.
    """

    start: int
    path_logits: Tensor
    valid: Tensor


#: Rows handed out at once: what is made of them for output stays small.
_ROWS_AT_ONCE = 64


class Accumulator:
    """Blend overlapping windows, from top to bottom, with memory for the height of one window.

    Windows come in order of their first row. As soon as no later window can touch a row, :meth:`finish`
    hands it out and forgets it. Of windows that reach beyond the columns held, the rest is left out.

    Args:
        channels: T.
        width: Columns held.
        weights: (h, w) float32 blend weights of a window, > 0, on the device to blend on.
        origin: (row, column) of the raster where what is held begins.
    """

    def __init__(self, channels: int, width: int, weights: Tensor, origin: tuple[int, int] = (0, 0)) -> None:
        held = weights.shape[0]
        self._weights = weights
        self._sum = weights.new_zeros(channels, held, width)
        self._weight = weights.new_zeros(held, width)
        self._valid = torch.zeros(held, width, dtype=torch.bool, device=weights.device)
        self._first_row, self._col = origin

    @property
    def first_row(self) -> int:
        """First row that is still held."""
        return self._first_row

    def add(self, window: Window, valid: Tensor, values: Tensor | None) -> None:
        """Add a window.

        Args:
            window: Of the weights' size; it touches what is held and does not reach below it.
            valid: (h, w) bool.
            values: (T, h, w), or None where no pixel is valid and the model was not asked.
        """
        here = window.shifted(-self._first_row, -self._col)
        inside = here.intersection(Window(0, 0, *self._valid.shape))
        if inside is None:
            return
        rows, cols = inside.slices()
        own_rows, own_cols = inside.shifted(-here.row, -here.col).slices()
        self._valid[rows, cols] |= valid[own_rows, own_cols]
        if values is not None:
            weights = self._weights[own_rows, own_cols]
            # rounded after each step: a fused step would round otherwise at the end of a vector register,
            # and with it depend on where the columns held begin
            self._sum[:, rows, cols] += values[:, own_rows, own_cols].to(self._sum.dtype) * weights
            self._weight[rows, cols] += weights

    def finish(self, stop: int) -> Iterator[Rows]:
        """Hand out the rows above ``stop`` as the weighted mean of what was added, some at a time.

        Args:
            stop: One past the last finished row; no more than the window's height is held.

        Yields:
            Rows in order; take all of them before adding further windows.
        """
        count = stop - self._first_row
        for start in range(0, count, _ROWS_AT_ONCE):
            rows = slice(start, min(start + _ROWS_AT_ONCE, count))
            valid = self._valid[rows].clone()
            mean = self._sum[:, rows] / self._weight[rows].clamp(min=torch.finfo(torch.float32).tiny)
            yield Rows(self._first_row + start, mean.mul_(valid), valid)
        self._drop(count)
        self._first_row = stop

    def _drop(self, count: int) -> None:
        """Move what stays to the top, in steps that do not overlap: no copy of it all is made."""
        held = self._valid.shape[0]
        for buffer in (self._sum, self._weight, self._valid):
            for start in range(count, held, max(count, 1)):
                stop = min(start + count, held)
                buffer[..., start - count : stop - count, :] = buffer[..., start:stop, :]
            buffer[..., held - count :, :] = 0


__all__ = ("Accumulator", "Rows")
