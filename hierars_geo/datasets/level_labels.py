"""Labels that may be known at coarse levels only: from one index per pixel to a class per level."""

import numpy as np
from numpy.typing import NDArray

from ..scenes.patch import Patch


def spread_levels(patch: Patch, table: NDArray[np.int64]) -> Patch:
    """Look up the classes of all levels.

    Args:
        patch: (1, H, W) row of the table; patches that have levels already are returned as they are.
        table: (R, N) class index per level, -100 where not known.

    Returns:
        (N, H, W) int32, valid where the patch is.
    """
    if len(patch.data) > 1 or table.shape[1] == 1:
        return patch
    levels = table.astype(np.int32).T
    return Patch(np.stack([level.take(patch.data[0], mode="clip") for level in levels]), patch.valid)


__all__ = ("spread_levels",)
