"""Accumulator: the pixels that later windows still touch, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from ..grid import Window
from ..models.namespace import Array, namespace_of

#: Above every row: where nothing was added.
_NOWHERE = -(2**62)

#: In place of a weight of zero, where nothing was added.
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Block(Generic[Array]):
    """Finished pixels of a scene.

    Attributes:
        window: Where they lie.
        path_logits: (T, h, w) float32; 0 where not valid.
        valid: (h, w) bool, where the scene holds data.
    """

    window: Window
    path_logits: Array
    valid: Array


class Accumulator(Generic[Array]):
    """Blend overlapping windows that come row by row, each row of windows from left to right.

    Two things are held: the window at hand, and across the whole width the few rows that a row of windows
    shares with the next one. What no later window touches is handed out and forgotten at once. Columns that
    nothing was added to are not computed with: a scene may be empty for the most part.

    Args:
        channels: T.
        weights: (h, w) float32 blend weights of a window, > 0, where blending happens.
        part: What is predicted; of windows that reach beyond it, the rest is left out.
        shared_rows: Most rows that a row of windows shares with the next one.

    Example:
        >>> accumulator = Accumulator(1, np.ones((2, 4), np.float32), Window(0, 0, 2, 6), 0)
        >>> ones, valid = np.ones((1, 2, 4), np.float32), np.ones((2, 4), bool)
        >>> accumulator.add(Window(0, 0, 2, 4), valid, ones, (2, 2)).window
        Window(row=0, col=0, height=2, width=2)
        >>> accumulator.add(Window(0, 2, 2, 4), valid, 3 * ones, (2, 6)).path_logits[0, 0].tolist()
        [2.0, 2.0, 3.0, 3.0]
    """

    def __init__(self, channels: int, weights: Array, part: Window, shared_rows: int) -> None:
        self._weights: Array = weights
        self._part = part
        height, width = weights.shape
        self._xp = namespace_of(weights)
        self._tile: _Sums[Array] = _Sums.zeros(channels, height, width, weights)
        self._weighted: Array = _Sums.zeros(channels, height, width, weights).total
        # of the row of windows above, to the right of the tile; for the row below, to its left
        self._shared: _Sums[Array] = _Sums.zeros(channels, shared_rows, part.width, weights)
        self._shared_rows = 0
        self._at: Window | None = None

    def add(
        self, window: Window, valid: Array, values: Array | None, settled: tuple[int, int]
    ) -> Block[Array] | None:
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
            self._tile.stop[:] = window.row_stop
            self._tile.valid[:] |= valid
            # rounded after each step: a fused step would round otherwise at the end of a vector register,
            # and with it depend on where the columns held begin
            self._xp.multiply(values, self._weights, out=self._weighted)
            self._tile.total[:] += self._weighted
            self._tile.weight[:] += self._weights
        done = Window(window.row, window.col, settled[0] - window.row, settled[1] - window.col)
        self._share(Window(settled[0], window.col, window.row_stop - settled[0], done.width))
        inside = done.intersection(self._part)
        if inside is None:
            return None
        held = self._tile.at(inside.shifted(-window.row, -window.col))
        if not held.reaches(inside.row):
            return Block(inside, self._xp.zeros_like(held.total), self._xp.zeros_like(held.valid))
        mean = held.total / held.weight.clip(min=_TINY)
        mean *= held.valid
        return Block(inside, mean, self._xp.asarray(held.valid, copy=True))

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
                own.take(shared)

    def _share(self, rows: Window) -> None:
        """Keep pixels of the tile for the row of windows below."""
        if self._at is not None:
            for own, shared in self._both(rows, self._at):
                if own.reaches(rows.row):
                    shared.take(own)
                    shared.stop[:] = own.stop.max()  # all of it is to be cleared later
                else:
                    shared.clear()

    def _both(self, rows: Window, tile: Window) -> Iterator[tuple["_Sums[Array]", "_Sums[Array]"]]:
        """Pair a part of the tile with the same columns of the shared rows; both begin at ``rows``."""
        columns = Window(rows.row, self._part.col, rows.height, self._part.width)
        if (inside := rows.intersection(columns)) is not None:
            shared = Window(0, inside.col - self._part.col, self._shared.valid.shape[0], inside.width)
            yield self._tile.at(inside.shifted(-tile.row, -tile.col)), self._shared.at(shared)


@dataclass(frozen=True)
class _Sums(Generic[Array]):
    """What is known of pixels: sum of weighted values (T, h, w), of weights (h, w), validity (h, w).

    ``stop`` (w,) is for each column the row of the scene below the last that was added to; where there is
    none, all is zero.
    """

    total: Array
    weight: Array
    valid: Array
    stop: NDArray[np.int64]

    @classmethod
    def zeros(cls, channels: int, height: int, width: int, like: Array) -> "_Sums[Array]":
        xp, device = namespace_of(like), like.device
        return cls(
            xp.zeros((channels, height, width), dtype=xp.float32, device=device),
            xp.zeros((height, width), dtype=xp.float32, device=device),
            xp.zeros((height, width), dtype=xp.bool, device=device),
            np.full(width, _NOWHERE),
        )

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        return self.total, self.weight, self.valid

    def at(self, window: Window) -> "_Sums[Array]":
        """Return views of a rectangle."""
        rows, cols = window.slices()
        total, weight, valid = (array[..., rows, cols] for array in self.arrays)
        return _Sums(total, weight, valid, self.stop[cols])

    def reaches(self, row: int) -> bool:
        """Whether anything was added below the top of a row of the scene."""
        return bool((self.stop > row).any())

    def take(self, other: "_Sums[Array]") -> None:
        """Take over the rows that both have, counted from the first."""
        rows = min(self.valid.shape[0], other.valid.shape[0])
        for own, theirs in zip(self.arrays, other.arrays, strict=True):
            own[..., :rows, :] = theirs[..., :rows, :]
        self.stop[:] = other.stop

    def clear(self) -> None:
        if self.reaches(_NOWHERE):
            for array in self.arrays:
                array[:] = 0
            self.stop[:] = _NOWHERE

    def keep_right(self, columns: int) -> None:
        """Move the last columns to the front and clear the others."""
        if self.reaches(_NOWHERE):
            xp = namespace_of(self.total)
            for array in self.arrays:
                array[..., :columns] = xp.asarray(array[..., array.shape[-1] - columns :], copy=True)
                array[..., columns:] = 0
            self.stop[:columns] = self.stop[len(self.stop) - columns :].copy()
            self.stop[columns:] = _NOWHERE
