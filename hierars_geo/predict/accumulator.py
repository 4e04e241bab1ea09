"""Accumulator: the rows in flight, and nothing else."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..grid import Window


@dataclass(frozen=True)
class Rows:
    """Finished rows of a scene.

    Attributes:
        start: First row.
        path_logits: (T, h, W) float32; 0 where not valid.
        valid: (h, W) bool, where the scene holds data.
    """

    start: int
    path_logits: Tensor
    valid: Tensor


class Accumulator:
    """Blend overlapping windows, from top to bottom, with memory for the height of one window.

    Windows come in order of their first row. As soon as no later window can touch a row,
    :meth:`finish_rows` hands it out and forgets it.

    Args:
        channels: T.
        width: Columns of the raster.
        weights: (h, w) float32 blend weights of a window, > 0, on the device to blend on.
    """

    def __init__(self, channels: int, width: int, weights: Tensor) -> None:
        held = weights.shape[0]
        self._weights = weights
        self._sum = weights.new_zeros(channels, held, width)
        self._weight = weights.new_zeros(held, width)
        self._valid = torch.zeros(held, width, dtype=torch.bool, device=weights.device)
        self._first_row = 0

    @property
    def first_row(self) -> int:
        """First row that is still held."""
        return self._first_row

    def add(self, window: Window, valid: Tensor, values: Tensor | None) -> None:
        """Add a window.

        Args:
            window: Of the weights' size; its first row is not above :attr:`first_row`.
            valid: (h, w) bool.
            values: (T, h, w), or None where no pixel is valid and the model was not asked.
        """
        rows, cols = window.shifted(-self._first_row, 0).slices()
        self._valid[rows, cols] = valid
        if values is not None:
            self._sum[:, rows, cols].addcmul_(values.to(self._sum.dtype), self._weights)
            self._weight[rows, cols] += self._weights

    def finish_rows(self, stop: int) -> Rows:
        """Hand out the rows above ``stop`` as the weighted mean of what was added.

        Args:
            stop: One past the last finished row; no more than the window's height is held.
        """
        count = stop - self._first_row
        valid = self._valid[:count].clone()
        mean = self._sum[:, :count] / self._weight[:count].clamp(min=torch.finfo(torch.float32).tiny)
        rows = Rows(self._first_row, mean * valid, valid)
        kept = self._valid.shape[0] - count
        for buffer in (self._sum, self._weight, self._valid):
            buffer[..., :kept, :] = buffer[..., count:, :].clone()
            buffer[..., kept:, :] = 0
        self._first_row = stop
        return rows


__all__ = ("Accumulator", "Rows")
