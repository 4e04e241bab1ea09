"""Rounded borders: corners cut off, the same way on both sides of a border and at every level."""

import numpy as np
from numpy.typing import NDArray

from .outlines import Outlines
from .regions import OUTSIDE, Regions

#: Share of an edge that is cut off at each of its ends (Chaikin 1974), and the most of it in pixels. Corners
#: of the lattice lie a pixel apart or more, so what is cut off at one cannot meet another border.
_SHARE, _MOST_PX = 0.25, 0.5
_PASSES = 2


def fixed_corners(regions: Regions) -> NDArray[np.bool_]:
    """(k,) True for corners that smoothing leaves where they are.

    These are the ones where three or more borders meet, or where there is nodata or the edge of the raster:
    the levels stay nested, and the outer border and the total area stay as they are.
    """
    quadrants = regions.quadrants
    borders = np.zeros(quadrants.shape[1], dtype=np.int8)
    for nth in range(4):
        borders += quadrants[nth] != quadrants[nth - 1]
    fixed: NDArray[np.bool_] = (borders > 2) | (quadrants == OUTSIDE).any(axis=0)
    return fixed


def smooth(outlines: Outlines, fixed: NDArray[np.bool_]) -> Outlines:
    """Cut the corners of outlines by Chaikin's rule.

    A vertex p between its neighbours o and q becomes the two points p + t (o - p) and p + t (q - p). They
    depend on the three alone and come out equal to the bit whichever way round the ring runs, so neighbours
    share them without knowing of each other.

    Args:
        outlines: On the lattice.
        fixed: (s,) True for the vertices that stay.

    Returns:
        Rounded outlines of the same polygons.
    """
    for _ in range(_PASSES):
        outlines, fixed = _cut(outlines, fixed)
    return outlines


def _cut(outlines: Outlines, fixed: NDArray[np.bool_]) -> tuple[Outlines, NDArray[np.bool_]]:
    """Do one pass; vertices that were cut come out as two."""
    after = outlines.following()
    before = np.empty_like(after)
    before[after] = np.arange(len(after))
    here = np.stack([outlines.col, outlines.row]).astype(np.float64)
    counts = np.where(fixed, 1, 2)
    position = np.concatenate([[0], np.cumsum(counts)])
    points = np.repeat(here, counts, axis=1)
    cut = np.flatnonzero(~fixed)
    for neighbour, offset in ((before, 0), (after, 1)):
        step = here[:, neighbour[cut]] - here[:, cut]
        share = np.minimum(_SHARE, _MOST_PX / np.hypot(*step))
        points[:, position[cut] + offset] = here[:, cut] + share * step
    rounded = Outlines(points[0], points[1], position[outlines.starts], outlines.polygon_starts)
    return rounded, np.repeat(fixed, counts)


__all__ = ("fixed_corners", "smooth")
