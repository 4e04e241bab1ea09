"""What the raster tests put into their files."""

import numpy as np
from affine import Affine

NORTH_UP = Affine(10, 0, 362_612.196859, 0, -10, 1_987_088.206432)


def coordinates(bands, height, width, dtype="float32"):
    """(C, H, W) with value = column + 1000 row + 1 + band / 8, so that every pixel says where it is."""
    rows, cols = np.mgrid[:height, :width]
    return np.stack([cols + 1000 * rows + 1 + band / 8 for band in range(bands)]).astype(dtype)
