"""Windows of a raster: integers only."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import OptionError


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
