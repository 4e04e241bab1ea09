"""Windows of a raster, in integers, and the weights that overlapping ones are blended by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..types import Blend


@dataclass(frozen=True, order=True)
class Window:
    """A rectangle of pixels.

    Attributes:
        row: First row; may be negative where the window reaches beyond the raster.
        col: First column.
        height: Rows.
        width: Columns.
    """

    row: int
    col: int
    height: int
    width: int

    @property
    def row_stop(self) -> int:
        """One past the last row."""
        return self.row + self.height

    @property
    def col_stop(self) -> int:
        """One past the last column."""
        return self.col + self.width

    def intersection(self, other: "Window") -> "Window | None":
        """Return the common rectangle, or None where there is none."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = min(self.row_stop, other.row_stop) - row
        width = min(self.col_stop, other.col_stop) - col
        return Window(row, col, height, width) if height > 0 and width > 0 else None

    def shifted(self, rows: int, cols: int) -> "Window":
        """Return the window moved by whole pixels."""
        return Window(self.row + rows, self.col + cols, self.height, self.width)

    def tiles(self, height: int, width: int | None = None) -> Iterator["Window"]:
        """Cut it into tiles, or strips, row by row; those at its lower and right end are smaller."""
        width = self.width if width is None else width
        for row in range(self.row, self.row_stop, height):
            for col in range(self.col, self.col_stop, width):
                yield Window(row, col, min(height, self.row_stop - row), min(width, self.col_stop - col))

    def slices(self) -> tuple[slice, slice]:
        """Return (rows, columns) to index an array with."""
        return slice(self.row, self.row_stop), slice(self.col, self.col_stop)


def window_starts(length: int, size: int, stride: int) -> tuple[int, ...]:
    """First pixels of windows that cover an axis, the last one shifted inward to end at its edge.

    Args:
        length: Pixels along the axis, >= 1.
        size: Pixels of a window, >= 1.
        stride: Step between windows, 1..size (more would leave gaps).

    Returns:
        Ascending starts. A single 0 where the axis is no longer than a window (which then reaches beyond it).

    Raises:
        OptionError: An argument is out of range.

    Examples:
        >>> window_starts(10, 4, 3)
        (0, 3, 6)
        >>> window_starts(11, 4, 3)
        (0, 3, 6, 7)
        >>> window_starts(3, 4, 3)
        (0,)
    """
    if length < 1 or size < 1 or not 1 <= stride <= size:
        raise OptionError(
            f"Expected length >= 1, window size >= 1 and a stride of 1..size, "
            f"but got {length}, {size} and {stride}."
        )
    if length <= size:
        return (0,)
    starts = list(range(0, length - size + 1, stride))
    if starts[-1] + size < length:
        starts.append(length - size)
    return tuple(starts)


def spread_starts(length: int, size: int, stride: int) -> tuple[int, ...]:
    """Return as many first pixels of windows as :func:`window_starts`, evenly spread from edge to edge.

    No two windows share many more pixels than others: what is blended needs no more memory at the last one.

    Args:
        length: Pixels along the axis, >= 1.
        size: Pixels of a window, >= 1.
        stride: Largest step between windows, 1..size.

    Returns:
        Ascending starts; the steps differ by at most one pixel.

    Raises:
        OptionError: An argument is out of range.

    Examples:
        >>> spread_starts(10, 4, 3)
        (0, 3, 6)
        >>> spread_starts(11, 4, 3)
        (0, 2, 4, 7)
    """
    count = len(window_starts(length, size, stride))
    return tuple(number * (length - size) // max(count - 1, 1) for number in range(count))


def overlap_to_stride(size: int, overlap: float) -> int:
    """Turn an overlap (share of the window, 0 <= overlap < 1) into a stride in pixels, at least 1.

    Raises:
        OptionError: The overlap is out of range.

    Examples:
        >>> overlap_to_stride(512, 0.25)
        384
    """
    if not 0 <= overlap < 1:
        raise OptionError(
            f"Expected overlap to be a share of the window, 0 <= overlap < 1, but got {overlap}."
        )
    return max(1, round(size * (1 - overlap)))


def cover(shape: tuple[int, int], size: tuple[int, int], stride: tuple[int, int]) -> Iterator[Window]:
    """Yield windows that cover a raster, row by row.

    Args:
        shape: (height, width) of the raster.
        size: (height, width) of a window.
        stride: (rows, columns) between windows.

    Yields:
        Windows of exactly ``size``; every pixel is in at least one.

    Raises:
        OptionError: An argument is out of range.
    """
    for row in window_starts(shape[0], size[0], stride[0]):
        for col in window_starts(shape[1], size[1], stride[1]):
            yield Window(row, col, *size)


def _hann(size: int, overlap: int) -> NDArray[np.float32]:
    """Rise as sin^2 over the overlap, stay at 1 between; sampled at pixel centres, so it never touches 0."""
    return (np.sin(np.pi / 2 * _ramp(size, overlap)) ** 2).astype(np.float32)


def _linear(size: int, overlap: int) -> NDArray[np.float32]:
    return _ramp(size, overlap).astype(np.float32)


def _trim(size: int, overlap: int) -> NDArray[np.float32]:
    """Use the inner part of a window where there is one; the tiny weight covers the raster's outer ring."""
    weight = np.full(size, 1e-4, dtype=np.float32)
    cut = overlap // 2
    weight[cut : size - cut] = 1.0
    return weight


def _ramp(size: int, overlap: int) -> NDArray[np.float64]:
    """Distance to the nearer end in units of the overlap, at pixel centres, at most 1."""
    centre = np.arange(size) + 0.5
    ramp: NDArray[np.float64] = np.minimum(centre, size - centre) / max(overlap, 0.5)
    return ramp.clip(max=1.0)


_PROFILES: dict[Blend, Callable[[int, int], NDArray[np.float32]]] = {
    "none": lambda size, overlap: np.ones(size, dtype=np.float32),
    "hann": _hann,
    "linear": _linear,
    "trim": _trim,
}


def blend_weights(
    size: tuple[int, int], overlap_px: tuple[int, int], kind: Blend = "hann"
) -> NDArray[np.float32]:
    """Weights of one window.

    Two neighbours at the nominal overlap add up to 1 with ``hann`` and ``linear``; elsewhere dividing by the
    sum of weights makes up for it. ``none`` gives all the same weight: a plain mean where they overlap.

    Args:
        size: (height, width) of the window in pixels.
        overlap_px: (rows, columns) shared with the next window, 0..size-1.
        kind: One of ``none``, ``hann``, ``linear``, ``trim``.

    Returns:
        (height, width) float32, > 0 everywhere.

    Raises:
        OptionError: An unknown kind, or an overlap out of range.
    """
    if kind not in _PROFILES:
        raise OptionError(f"Expected blend to be one of {', '.join(get_args(Blend))}, but got '{kind}'.")
    for pixels, shared in zip(size, overlap_px, strict=True):
        if not 0 <= shared < pixels:
            raise OptionError(f"Expected an overlap of 0..{pixels - 1} px, but got {shared}.")
    profile = _PROFILES[kind]
    # overlap over half the window: the ramps of both ends meet in the middle
    rows, cols = (profile(pixels, shared) for pixels, shared in zip(size, overlap_px, strict=True))
    return np.outer(rows, cols)
