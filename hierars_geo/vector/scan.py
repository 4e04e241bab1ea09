"""One pass over the rows of a class raster: what its regions and their borders are made of.

The pass looks at two rows at a time. It leaves *runs* (pixels of one value side by side in a row), which
runs touch across rows, and *corners*: points of the pixel lattice where a border turns or where borders meet.
Memory grows with the length of the borders, not with the number of pixels, and the result does not depend on
how the rows were cut into strips.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import RasterError


@dataclass(frozen=True)
class Scan:
    """Runs and corners of a raster of H x W pixels that is framed by one pixel of nodata on every side.

    Attributes:
        shape: (H, W) without the frame.
        nodata: Value of pixels without a class, and of the frame.
        run_value: (n,) value of each run, runs in row-major order; the first is the upper frame.
        run_pixels: (n,) int32 pixels of each run, those of the frame too.
        run_links: (2, m) int32 pairs of runs of equal value that share a pixel edge, upper one first.
        row: (k,) int32 lattice row of each corner, 0..H; corners are in row-major order.
        col: (k,) int32 lattice column of each corner, 0..W.
        quadrant_runs: (4, k) int32 run of the pixel north-east, north-west, south-west and south-east of each
            corner.
    """

    shape: tuple[int, int]
    nodata: int
    run_value: NDArray[np.unsignedinteger]
    run_pixels: NDArray[np.int32]
    run_links: NDArray[np.int32]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    quadrant_runs: NDArray[np.int32]


class RowScanner:
    """Take a class raster strip by strip from top to bottom and leave its :class:`Scan`.

    Args:
        width: Columns of the raster, W.
        nodata: Value of pixels without a class; a whole number >= 0.

    Examples:
        >>> scanner = RowScanner(width=2, nodata=9)
        >>> for row in ([0, 1], [0, 0]):
        ...     _ = scanner.feed(np.array([row], dtype=np.uint8))
        >>> scan = scanner.finish()
        >>> list(zip(scan.row.tolist(), scan.col.tolist()))
        [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 0), (2, 2)]
    """

    def __init__(self, width: int, nodata: int) -> None:
        self._width = width
        self._nodata = nodata
        self._height = 0
        # the row above the next strip; at first the upper frame, which is one run
        self._values: NDArray[np.unsignedinteger] | None = None
        self._run = np.zeros(width + 2, dtype=np.int32)
        self._starts = np.zeros(width + 2, dtype=np.bool_)
        self._num_runs = 1
        self._parts: list[tuple[NDArray[np.generic], ...]] = []

    def feed(self, strip: NDArray[np.unsignedinteger]) -> NDArray[np.int64]:
        """Add the next rows.

        Args:
            strip: (h, W) unsigned integers, of the same dtype at every call.

        Returns:
            (r,) flat position of the first pixel of each new run in the strip with its frame, (h, W + 2):
            where sums per run start (``np.add.reduceat``).

        Raises:
            RasterError: The strip has another width.
        """
        if strip.ndim != 2 or strip.shape[1] != self._width:
            raise RasterError(f"Expected strips of {self._width} columns, but got shape {strip.shape}.")
        framed = np.full((len(strip), self._width + 2), self._nodata, dtype=strip.dtype)
        framed[:, 1:-1] = strip
        first = self._add(framed)
        self._height += len(strip)
        return first

    def finish(self) -> Scan:
        """Close the lower frame and return what was found."""
        dtype = np.uint8 if self._values is None else self._values.dtype
        self._add(np.full((1, self._width + 2), self._nodata, dtype=dtype))
        # one after the other, what was joined goes at once: parts and whole together would take twice as much
        columns = [list(part) for part in zip(*self._parts, strict=True)]
        self._parts = []
        values, pixels, links, row, col, quadrants = (
            np.concatenate(columns.pop(0), axis=-1) for _ in range(len(columns))
        )
        values = np.concatenate([np.full(1, self._nodata, dtype=values.dtype), values])
        pixels = np.concatenate([np.full(1, self._width + 2, dtype=np.int32), pixels])
        return Scan((self._height, self._width), self._nodata, values, pixels, links, row, col, quadrants)

    def _add(self, framed: NDArray[np.unsignedinteger]) -> NDArray[np.int64]:
        """Add rows that have their frame; every array below has the row above as its first row."""
        height, width = framed.shape
        values = np.empty((height + 1, width), dtype=framed.dtype)
        values[0] = self._nodata if self._values is None else self._values
        values[1:] = framed
        starts = np.empty((height + 1, width), dtype=np.bool_)
        starts[0], starts[1:, 0] = self._starts, True
        np.not_equal(framed[:, 1:], framed[:, :-1], out=starts[1:, 1:])
        run = np.empty((height + 1, width), dtype=np.int32)
        run[0] = self._run
        np.cumsum(starts[1:].reshape(-1), dtype=np.int32, out=run[1:].reshape(-1))
        run[1:] += self._num_runs - 1
        crossing = values[1:] != values[:-1]

        first = np.flatnonzero(starts[1:])
        pixels = np.diff(first, append=framed.size).astype(np.int32)
        links = _link_rows(run, starts, crossing)
        row, col, quadrants = _find_corners(run, starts, crossing)
        self._parts.append((framed.reshape(-1)[first], pixels, links, row + self._height, col, quadrants))
        self._num_runs += len(first)
        self._values, self._run, self._starts = values[-1].copy(), run[-1].copy(), starts[-1].copy()
        return first


def _link_rows(
    run: NDArray[np.int32], starts: NDArray[np.bool_], crossing: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Pair the runs of neighbouring rows that share an edge: (2, m), each pair once.

    Two runs that touch first do so where one of them starts.
    """
    touching = np.flatnonzero(~crossing & (starts[1:] | starts[:-1]))
    return np.stack([run[:-1].reshape(-1)[touching], run[1:].reshape(-1)[touching]])


def _find_corners(
    run: NDArray[np.int32], starts: NDArray[np.bool_], crossing: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Find the lattice points between neighbouring rows that borders turn or meet at.

    Args:
        run: (h + 1, W + 2) run of each pixel.
        starts: (h + 1, W + 2) True where there is a border on a pixel's left.
        crossing: (h, W + 2) True where there is a border between a pixel and the one below it.

    Returns:
        row (k,), counted from the first pair of rows, col (k,), and runs around each corner (4, k).
    """
    north, south = starts[:-1, 1:], starts[1:, 1:]
    west, east = crossing[:, :-1], crossing[:, 1:]
    # 2 borders in line are no corner; 2 at a right angle, 3 and 4 are (1 is impossible)
    corner = (north != south) | (west != east) | (north & west)
    at = np.flatnonzero(corner)
    row, col = (axis.astype(np.int32) for axis in np.divmod(at, corner.shape[1]))
    above, below = run[:-1].reshape(-1), run[1:].reshape(-1)
    left = row.astype(np.int64) * run.shape[1] + col
    return row, col, np.stack([above[left + 1], above[left], below[left], below[left + 1]])
