"""Regions of every level out of the regions of the legal paths: each child inside exactly one parent."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .borders import Pieces, border_pieces
from .regions import OUTSIDE, Regions, connect, number_by_first


@dataclass(frozen=True)
class LevelRegions:
    """Connected regions of one level, numbered by their first pixel in row order.

    Attributes:
        level: 1..N.
        region: (R,) int32 region of this level that each region of the paths lies in, 0 for
            :data:`~.regions.OUTSIDE`.
        path: (Q,) int64 one of the legal paths through each region, -1 for :data:`~.regions.OUTSIDE`; their
            classes at levels 1..level are the same.
        parent: (Q,) int32 region of the level above that each region lies in; all 0 at level 1.
    """

    level: int
    region: NDArray[np.int32]
    path: NDArray[np.int64]
    parent: NDArray[np.int32]

    @property
    def count(self) -> int:
        """Regions that have a class."""
        return len(self.path) - 1


def nest_levels(regions: Regions, paths: NDArray[np.int64]) -> tuple[LevelRegions, ...]:
    """Dissolve the regions of the paths upwards.

    Pixels are in one region of a level when they hang together and agree at that level and all above it. A
    class with several parents (crop10m: "other") thus has a border where its parents have one.

    Args:
        regions: Regions of legal paths.
        paths: (T, N) class index of each path at each level.

    Returns:
        Level 1 first; the regions of level N are those of the paths, in the same order.
    """
    pairs = np.concatenate([_pairs(pieces) for pieces in border_pieces(regions.quadrants)], axis=1)
    levels: list[LevelRegions] = []
    for level in range(1, paths.shape[1] + 1):
        prefix = np.append(np.unique(paths[:, :level], axis=0, return_inverse=True)[1].reshape(-1), -1)
        alike = prefix[regions.path[pairs[0]]] == prefix[regions.path[pairs[1]]]
        region, first = number_by_first(connect(len(regions.path), pairs[:, alike]))
        parent = levels[-1].region[first] if levels else np.zeros(len(first), dtype=np.int32)
        levels.append(LevelRegions(level, region, regions.path[first], parent))
    return tuple(levels)


def _pairs(pieces: Pieces) -> NDArray[np.int32]:
    """(2, m) regions on both sides of pieces of border, without the outside."""
    inner = (pieces.left != OUTSIDE) & (pieces.right != OUTSIDE)
    return np.stack([pieces.left[inner], pieces.right[inner]])


__all__ = ("LevelRegions", "nest_levels")
