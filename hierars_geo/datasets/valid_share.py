"""How much of a piece of ground holds data, from a few windows of it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from ..grid import Window
from ..grid.lattice import Lattice
from ..scenes.regions import RegionMask

#: Windows along an axis, and pixels of a window along an axis.
_WINDOWS, _SIDE_PX = 8, 16


def valid_share(
    polygon: BaseGeometry, lattice: Lattice, read_valid: Callable[[Window], NDArray[np.bool_]]
) -> float:
    """Estimate the share of a polygon's pixels that hold data.

    Args:
        polygon: Ground, in the CRS of the lattice.
        lattice: Pixels.
        read_valid: Reads (h, w) bool of a window.

    Returns:
        0..1, exact for ground of up to 128 x 128 pixels; of larger ground, up to 64 windows are read, evenly
        spread.
    """
    whole = lattice.window(polygon.bounds)
    region = RegionMask(polygon)
    inside = valid = 0
    for row, height in _spread(whole.row, whole.height):
        for col, width in _spread(whole.col, whole.width):
            window = Window(row, col, height, width)
            mask = region.mask(lattice, window)
            if mask is not None and not mask.any():
                continue
            there = read_valid(window)
            inside += there.size if mask is None else int(mask.sum())
            valid += int(there.sum() if mask is None else (there & mask).sum())
    return valid / inside if inside else 0.0


def _spread(start: int, length: int) -> list[tuple[int, int]]:
    """(start, length) of the windows along an axis: all of it where it is short."""
    if length <= _WINDOWS * _SIDE_PX:
        return [(start, length)]
    first = np.linspace(0, length - _SIDE_PX, _WINDOWS).astype(int)
    return [(start + int(at), _SIDE_PX) for at in first]


__all__ = ("valid_share",)
