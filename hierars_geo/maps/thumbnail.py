"""Reduced maps for the page: the middle pixel of every cell, so that a class stays a class.

Every map of a scene is reduced at the same pixels, so that the reduced levels still nest and errors are
where they seem to be; a mode filter would favour common classes and lose narrow ones.
"""

import numpy as np
from numpy.typing import NDArray

from ..grid import GeoGrid, Window

#: Longest side of a map on the page, pixels.
MAX_SIDE_PX = 900
_BLOCK_ROWS, _BLOCK_COLS = 512, 2048


def thumbnail_shape(shape: tuple[int, int], max_side_px: int = MAX_SIDE_PX) -> tuple[int, int]:
    """Return (height, width) of the reduced map: the longer side is at most the limit, their ratio stays.

    Examples:
        >>> thumbnail_shape((9000, 4500)), thumbnail_shape((300, 200))
        ((900, 450), (300, 200))
    """
    factor = min(1.0, max_side_px / max(shape))
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


class Thumbnail:
    """Collect the reduced map from blocks of the full one.

    Args:
        shape: (height, width) of the full map.
        fill: Value where no block was added.
        max_side_px: Longest side of the reduced map.
    """

    def __init__(self, shape: tuple[int, int], fill: int, max_side_px: int = MAX_SIDE_PX) -> None:
        height, width = thumbnail_shape(shape, max_side_px)
        self._rows = _middles(shape[0], height)
        self._cols = _middles(shape[1], width)
        self.values: NDArray[np.int64] = np.full((height, width), fill, dtype=np.int64)

    def add(self, window: Window, block: NDArray[np.integer]) -> None:
        """Take the pixels that fall on the reduced map out of a block (h, w) of the full one."""
        top, bottom = np.searchsorted(self._rows, (window.row, window.row_stop))
        left, right = np.searchsorted(self._cols, (window.col, window.col_stop))
        rows, cols = self._rows[top:bottom] - window.row, self._cols[left:right] - window.col
        self.values[top:bottom, left:right] = block[np.ix_(rows, cols)]


def blocks(grid: GeoGrid) -> list[Window]:
    """Windows that cover a raster once, of about one megapixel and of whole tiles of 512 px."""
    return list(Window(0, 0, *grid.shape).tiles(_BLOCK_ROWS, _BLOCK_COLS))


def _middles(length: int, count: int) -> NDArray[np.int64]:
    """Index of the pixel in the middle of each of ``count`` equal cells of an axis."""
    return np.floor((np.arange(count) + 0.5) * length / count).astype(np.int64)
