"""Accumulator: the pixels that later windows still touch, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..grid import Window

#: Above every row: where nothing was added.
_NOWHERE = -(2**62)


@dataclass(frozen=True)
class Block:
    """Finished pixels of a scene.

    Attributes:
        window: Where they lie.
        path_logits: (T, h, w) float32; 0 where not valid.
        valid: (h, w) bool, where the scene holds data.
    """

    window: Window
    path_logits: Tensor
    valid: Tensor


class Accumulator:
    """Blend overlapping windows that come row by row, each row of windows from left to right.

    Two things are held: the window at hand, and across the whole width the few rows that a row of windows
    shares with the next one. What no later window touches is handed out and forgotten at once. Columns that
    nothing was added to are not computed with: a scene may be empty for the most part.

    Args:
        channels: T.
        weights: (h, w) float32 blend weights of a window, > 0, on the device to blend on.
        part: What is predicted; of windows that reach beyond it, the rest is left out.
        shared_rows: Most rows that a row of windows shares with the next one.

    Example:
        >>> accumulator = Accumulator(1, torch.ones(2, 4), Window(0, 0, 2, 6), 0)
        >>> ones, valid = torch.ones(1, 2, 4), torch.ones(2, 4, dtype=torch.bool)
        >>> accumulator.add(Window(0, 0, 2, 4), valid, ones, (2, 2)).window
        Window(row=0, col=0, height=2, width=2)
        >>> accumulator.add(Window(0, 2, 2, 4), valid, 3 * ones, (2, 6)).path_logits[0, 0].tolist()
        [2.0, 2.0, 3.0, 3.0]
    """

    def __init__(self, channels: int, weights: Tensor, part: Window, shared_rows: int) -> None:
        self._weights = weights
        self._part = part
        height, width = weights.shape
        self._tile = _Sums.zeros(channels, height, width, weights)
        # of the row of windows above, to the right of the tile; for the row below, to its left
        self._shared = _Sums.zeros(channels, shared_rows, part.width, weights)
        self._shared_rows = 0
        self._at: Window | None = None

    def add(
        self, window: Window, valid: Tensor, values: Tensor | None, settled: tuple[int, int]
    ) -> Block | None:
        """Add a window.

        Args:
            window: Of the weights' size, touching the part.
            valid: (h, w) bool.
            values: (T, h, w), or None where no pixel is valid and the model was not asked.
            settled: (row, column): no later window touches the pixels of this one above the row and left of
                the column; the next window of this row begins at that column, the next row at that row.

        Returns:
            What is finished with it; None where that lies outside the part.
        """
        self._move_to(window)
        if values is not None:
            self._tile.stop.fill_(window.row_stop)
            self._tile.valid.logical_or_(valid)
            # rounded after each step: a fused step would round otherwise at the end of a vector register,
            # and with it depend on where the columns held begin
            self._tile.total.add_(values.to(self._tile.total.dtype) * self._weights)
            self._tile.weight.add_(self._weights)
        done = Window(window.row, window.col, settled[0] - window.row, settled[1] - window.col)
        self._share(Window(settled[0], window.col, window.row_stop - settled[0], done.width))
        inside = done.intersection(self._part)
        if inside is None:
            return None
        held = self._tile.at(inside.shifted(-window.row, -window.col))
        if not held.reaches(inside.row):
            return Block(inside, torch.zeros_like(held.total), torch.zeros_like(held.valid))
        mean = held.total / held.weight.clamp(min=torch.finfo(torch.float32).tiny)
        return Block(inside, mean.mul_(held.valid), held.valid.clone())

    def _move_to(self, window: Window) -> None:
        """Bring the tile to a window: what both share stays, the rest comes from above or is empty."""
        before, kept = self._at, 0
        if before is not None and before.row == window.row:
            kept = before.col_stop - window.col
            self._tile.keep_right(kept)
        else:
            self._tile.clear()
            self._shared_rows = before.row_stop - window.row if before is not None else 0
        self._at = window
        new = Window(window.row, window.col + kept, self._shared_rows, window.width - kept)
        for own, shared in self._both(new, window):
            if shared.reaches(window.row):
                own.copy_(shared)

    def _share(self, rows: Window) -> None:
        """Keep pixels of the tile for the row of windows below."""
        if self._at is not None:
            for own, shared in self._both(rows, self._at):
                if own.reaches(rows.row):
                    shared.copy_(own)
                    shared.stop.fill_(int(own.stop.max()))  # all of it is to be cleared later
                else:
                    shared.clear()

    def _both(self, rows: Window, tile: Window) -> Iterator[tuple["_Sums", "_Sums"]]:
        """Pair a part of the tile with the same columns of the shared rows; both begin at ``rows``."""
        columns = Window(rows.row, self._part.col, rows.height, self._part.width)
        if (inside := rows.intersection(columns)) is not None:
            shared = Window(0, inside.col - self._part.col, len(self._shared.valid), inside.width)
            yield self._tile.at(inside.shifted(-tile.row, -tile.col)), self._shared.at(shared)


@dataclass(frozen=True)
class _Sums:
    """What is known of pixels: sum of weighted values (T, h, w), of weights (h, w), validity (h, w).

    ``stop`` (w,), on the CPU, is for each column the row of the scene below the last that was added to; where
    there is none, all is zero.
    """

    total: Tensor
    weight: Tensor
    valid: Tensor
    stop: Tensor

    @classmethod
    def zeros(cls, channels: int, height: int, width: int, like: Tensor) -> "_Sums":
        valid = torch.zeros(height, width, dtype=torch.bool, device=like.device)
        total, weight = like.new_zeros(channels, height, width), like.new_zeros(height, width)
        return cls(total, weight, valid, torch.full((width,), _NOWHERE))

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.total, self.weight, self.valid

    def at(self, window: Window) -> "_Sums":
        """Return views of a rectangle."""
        rows, cols = window.slices()
        total, weight, valid = (tensor[..., rows, cols] for tensor in self.tensors)
        return _Sums(total, weight, valid, self.stop[cols])

    def reaches(self, row: int) -> bool:
        """Whether anything was added below the top of a row of the scene."""
        return bool((self.stop > row).any())

    def copy_(self, other: "_Sums") -> None:
        """Take over the rows that both have, counted from the first."""
        rows = min(len(self.valid), len(other.valid))
        for own, theirs in zip(self.tensors, other.tensors, strict=True):
            own[..., :rows, :] = theirs[..., :rows, :]
        self.stop.copy_(other.stop)

    def clear(self) -> None:
        if self.reaches(_NOWHERE):
            for tensor in self.tensors:
                tensor.zero_()
            self.stop.fill_(_NOWHERE)

    def keep_right(self, columns: int) -> None:
        """Move the last columns to the front and clear the others."""
        if self.reaches(_NOWHERE):
            for tensor, empty in (*((each, 0) for each in self.tensors), (self.stop, _NOWHERE)):
                width = tensor.shape[-1]
                tensor[..., :columns] = tensor[..., width - columns :].clone()
                tensor[..., columns:] = empty


__all__ = ("Accumulator", "Block")
