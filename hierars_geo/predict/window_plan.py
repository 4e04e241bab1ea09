"""WindowPlan: the one grid of windows of a scene."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..grid import Window, blend_weights, overlap_to_stride, spread_starts
from ..types import Blend

#: More windows than the first, each pixel predicted more often than the second, is a slip and no wish.
_MANY_WINDOWS = 100_000
_MANY_TIMES = 200.0


@dataclass(frozen=True)
class WindowPlan:
    """The one global grid of windows of a scene; windows are made when asked for, never listed.

    Windows are numbered row by row, and batches are runs of consecutive numbers. Which windows a batch holds
    therefore does not depend on the part of the scene that is predicted, and neither do the results: the
    last bits of a model's output depend on a window's place in its batch, on CPUs as well.

    Attributes:
        size: (height, width) of a window, never larger than the raster.
        stride: Most (rows, columns) between windows.
        row_starts: First rows of windows, ascending.
        col_starts: First columns of windows, ascending.
        blend: How overlapping windows are blended.
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    row_starts: tuple[int, ...]
    col_starts: tuple[int, ...]
    blend: Blend = "hann"

    @classmethod
    def of(
        cls, shape: tuple[int, int], window_px: int, overlap: float, blend: Blend = "hann"
    ) -> "WindowPlan":
        """Lay windows over a raster.

        Args:
            shape: (height, width) of the raster.
            window_px: Side of a window; the raster's side where that is shorter.
            overlap: Share of the window, 0 <= overlap < 1.
            blend: How overlapping windows are blended.

        Raises:
            OptionError: An argument is out of range, or so many windows follow that no run would end.
        """
        size = min(window_px, shape[0]), min(window_px, shape[1])
        stride = overlap_to_stride(size[0], overlap), overlap_to_stride(size[1], overlap)
        starts = [spread_starts(*axis) for axis in zip(shape, size, stride, strict=True)]
        plan = cls(size, stride, starts[0], starts[1], blend)
        times = len(plan) * size[0] * size[1] / (shape[0] * shape[1])
        if len(plan) > _MANY_WINDOWS and times > _MANY_TIMES:
            raise OptionError(
                f"Expected an overlap that leaves a bearable number of windows, but got {overlap:g}: "
                f"{len(plan):,} windows, every pixel predicted {times:.0f} times. Use 0.25 to 0.75."
            )
        return plan

    def shifted(self, rows: int, cols: int) -> "WindowPlan":
        """Return the same windows counted from another origin: that many rows and columns are added."""
        row_starts = tuple(start + rows for start in self.row_starts)
        return replace(
            self, row_starts=row_starts, col_starts=tuple(start + cols for start in self.col_starts)
        )

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

    def weights(self) -> NDArray[np.float32]:
        """Blend weights (h, w) of a window, > 0."""
        shared = self.size[0] - self.stride[0], self.size[1] - self.stride[1]
        return blend_weights(self.size, shared, self.blend)

    @property
    def most_shared_rows(self) -> int:
        """Most rows that windows share with those below."""
        below = zip(self.row_starts, self.row_starts[1:], strict=False)
        return max((start + self.size[0] - next_start for start, next_start in below), default=0)

    def settled_by(self, window: Window, part: Window) -> tuple[int, int]:
        """Tell which pixels no later window touches.

        Returns:
            (row, column): of the window's pixels, those above the row and left of the column are settled once
            this window has come after those before it.
        """
        rows, cols = self._touching(part)
        below, right = bisect_right(self.row_starts, window.row), bisect_right(self.col_starts, window.col)
        return (
            self.row_starts[below] if below < rows.stop else window.row_stop,
            self.col_starts[right] if right < cols.stop else window.col_stop,
        )

    def _touching(self, part: Window) -> tuple[range, range]:
        """Positions along both axes of the windows that touch a part."""
        rows = _overlapping(self.row_starts, self.size[0], part.row, part.row_stop)
        return rows, _overlapping(self.col_starts, self.size[1], part.col, part.col_stop)


def _overlapping(starts: tuple[int, ...], size: int, first: int, stop: int) -> range:
    return range(bisect_right(starts, first - size), bisect_left(starts, stop))
