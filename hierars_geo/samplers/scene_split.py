"""SceneSplit: whole scenes dealt to the splits."""

import math
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from torchgeo.datasets import GeoDataset

from ..datasets.ground import lattice_of
from ..errors import DataError
from .splits import Splits, centre_gsd_m, check_fractions, deal, with_buffer


@dataclass(frozen=True)
class SceneSplit:
    """Deal whole scenes to the splits at random, by area.

    Scenes that share ground (the same place at two dates, tiles that overlap) stay together: one split gets
    all of them.

    Attributes:
        fractions: Shares of train, val and test; 0 leaves a split out.
        seed: Same seed, same scenes.
        buffer_m: Ground left out of train around val and test, in metres.
    """

    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: int = 0
    buffer_m: float = 0.0

    def __post_init__(self) -> None:
        check_fractions(self.fractions)

    def split(self, dataset: GeoDataset) -> Splits:
        """Divide the scenes of a data set.

        Raises:
            DataError: There are fewer places than splits.
        """
        lattice = lattice_of(dataset)
        groups = _places(list(dataset.index.geometry), lattice.res[0] * lattice.res[1])
        wanted = [i for i in (1, 2, 0) if self.fractions[i] > 0]
        if len(groups) < len(wanted):
            raise DataError(
                f"Expected scenes of at least {len(wanted)} places to deal to the splits, but got "
                f"{len(groups)} (scenes that overlap are one place). Split by blocks, or name regions or "
                "scenes for val and test."
            )
        owner = deal(shapely.area(groups), self.fractions, self.seed)
        parts = [
            shapely.union_all([group for group, split in zip(groups, owner, strict=True) if split == i])
            if i in wanted
            else None
            for i in range(3)
        ]
        return with_buffer(parts, math.ceil(self.buffer_m / centre_gsd_m(dataset)), lattice)


def _places(polygons: list[BaseGeometry], pixel_area: float) -> list[BaseGeometry]:
    """Unite polygons that share more than a pixel; sorted from west to east, whatever their order was."""
    group = list(range(len(polygons)))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    first, second = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        if a < b and shapely.intersection(polygons[a], polygons[b]).area > pixel_area:
            group[root(b)] = root(a)
    roots = np.array([root(i) for i in range(len(polygons))])
    united = [shapely.union_all([polygons[i] for i in np.flatnonzero(roots == r)]) for r in np.unique(roots)]
    return sorted(united, key=lambda polygon: polygon.bounds)


__all__ = ("SceneSplit",)
