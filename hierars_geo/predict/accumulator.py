"""Accumulator: the pixels that later windows still touch, and nothing else."""

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
        # per column the row of the scene below the last that was added to; where there is none, all is zero
        self._stop = torch.full((width,), _NOWHERE)
        self._shared_stop = torch.full((part.width,), _NOWHERE)

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
            self._stop.fill_(window.row_stop)
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
        here = inside.shifted(-window.row, -window.col)
        held = self._tile.at(here)
        if not self._reaches(self._stop[here.col : here.col_stop], inside.row):
            return Block(inside, torch.zeros_like(held.total), torch.zeros_like(held.valid))
        mean = held.total / held.weight.clamp(min=torch.finfo(torch.float32).tiny)
        return Block(inside, mean.mul_(held.valid), held.valid.clone())

    @staticmethod
    def _reaches(stop: Tensor, row: int) -> bool:
        return bool((stop > row).any())

    def _move_to(self, window: Window) -> None:
        """Bring the tile to a window: what both share stays, the rest comes from above or is empty."""
        before, kept = self._at, 0
        if before is not None and before.row == window.row:
            kept = before.col_stop - window.col
            if self._reaches(self._stop, window.row):
                self._tile.keep_right(kept)
                self._stop = torch.cat(
                    [self._stop[window.width - kept :], self._stop.new_full((window.width - kept,), _NOWHERE)]
                )
        elif before is not None:
            if self._reaches(self._stop, _NOWHERE):
                self._tile.clear()
                self._stop.fill_(_NOWHERE)
            self._shared_rows = before.row_stop - window.row
        self._at = window
        new = Window(window.row, window.col + kept, self._shared_rows, window.width - kept)
        if (inside := self._in_part(new)) is None:
            return
        shared_stop = self._shared_stop[self._columns(inside)]
        if self._reaches(shared_stop, window.row):
            own, shared = self._pair(inside, window)
            own.copy_(shared)
            self._stop[inside.col - window.col : inside.col_stop - window.col] = shared_stop

    def _share(self, rows: Window) -> None:
        """Keep pixels of the tile for the row of windows below."""
        if self._at is None or (inside := self._in_part(rows)) is None:
            return
        stop = self._stop[inside.col - self._at.col : inside.col_stop - self._at.col]
        shared_stop = self._shared_stop[self._columns(inside)]
        if self._reaches(stop, rows.row):
            own, shared = self._pair(inside, self._at)
            shared.copy_(own)
            shared_stop.fill_(int(stop.max()))
        elif self._reaches(shared_stop, _NOWHERE):
            self._shared.columns(self._columns(inside)).clear()
            shared_stop.fill_(_NOWHERE)

    def _in_part(self, rows: Window) -> Window | None:
        """Cut rows that are shared to the columns of the part."""
        return rows.intersection(Window(rows.row, self._part.col, rows.height, self._part.width))

    def _columns(self, inside: Window) -> slice:
        return slice(inside.col - self._part.col, inside.col_stop - self._part.col)

    def _pair(self, inside: Window, tile: Window) -> tuple["_Sums", "_Sums"]:
        """Return the same pixels of the tile and of the shared rows; these begin at the row of ``inside``."""
        own = self._tile.at(inside.shifted(-tile.row, -tile.col))
        return own, self._shared.at(inside.shifted(-inside.row, -self._part.col))


@dataclass(frozen=True)
class _Sums:
    """What is known of pixels: sum of weighted values (T, h, w), of weights (h, w), validity (h, w)."""

    total: Tensor
    weight: Tensor
    valid: Tensor

    @classmethod
    def zeros(cls, channels: int, height: int, width: int, like: Tensor) -> "_Sums":
        valid = torch.zeros(height, width, dtype=torch.bool, device=like.device)
        return cls(like.new_zeros(channels, height, width), like.new_zeros(height, width), valid)

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.total, self.weight, self.valid

    def at(self, window: Window) -> "_Sums":
        """Return views of a rectangle."""
        rows, cols = window.slices()
        return _Sums(*(tensor[..., rows, cols] for tensor in self.tensors))

    def columns(self, cols: slice) -> "_Sums":
        """Return views of columns."""
        return _Sums(*(tensor[..., cols] for tensor in self.tensors))

    def copy_(self, other: "_Sums") -> None:
        for own, theirs in zip(self.tensors, other.tensors, strict=True):
            own.copy_(theirs)

    def clear(self) -> None:
        for tensor in self.tensors:
            tensor.zero_()

    def keep_right(self, columns: int) -> None:
        """Move the last columns to the front and clear the others."""
        for tensor in self.tensors:
            width = tensor.shape[-1]
            tensor[..., :columns] = tensor[..., width - columns :].clone()
            tensor[..., columns:] = 0


__all__ = ("Accumulator", "Block")
