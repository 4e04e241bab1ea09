"""Reference labels on the grid of a prediction, and how deep in the tree the two agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import accuracy
from ..grid import PixelAreas
from ..maps import AreaCounter, ClassAreas, SceneMaps, Thumbnail, blocks
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX
from .survey import MISSING


@dataclass(frozen=True)
class ReferenceSurvey:
    """What the page needs of the reference labels of a scene.

    Attributes:
        areas: Areas of the reference classes at the levels of the prediction.
        maps: Level -> reduced map of class indices, ``IGNORE_INDEX`` where there is none.
        depth: (h, w) int64, reduced map of the number of levels that agree, coarsest first (0: wrong at
            the first level; K: right at all); ``MISSING`` where either map has no class.
        depth_area_m2: (K + 1,) area of every depth.
    """

    areas: ClassAreas
    maps: Mapping[int, NDArray[np.int64]]
    depth: NDArray[np.int64]
    depth_area_m2: NDArray[np.float64]


class AgreementDepth:
    """Count the levels, coarsest first, at which a prediction agrees with a leaf label.

    A leaf with several legal paths agrees at a level with each of its ancestors there.
    """

    def __init__(self, taxonomy: Taxonomy, levels: tuple[int, ...]) -> None:
        self._ancestry = []
        for level in levels:
            table = np.zeros((taxonomy.num_classes[-1], taxonomy.num_classes[level - 1]), dtype=np.bool_)
            table[taxonomy.paths[:, -1], taxonomy.paths[:, level - 1]] = True
            self._ancestry.append(table)

    def __call__(self, leaf: NDArray[np.int64], predicted: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Compare.

        Args:
            leaf: (h, w) reference leaf index, ``IGNORE_INDEX`` where there is none.
            predicted: Per level (h, w) class index, ``IGNORE_INDEX`` where there is none.

        Returns:
            (h, w) 0..K, ``MISSING`` where either has no class.
        """
        known = leaf != IGNORE_INDEX
        for index in predicted:
            known &= index != IGNORE_INDEX
        agrees = np.ones(int(known.sum()), dtype=np.bool_)
        count = np.zeros(agrees.shape, dtype=np.int64)
        for table, index in zip(self._ancestry, predicted, strict=True):
            agrees &= table[leaf[known], index[known]]
            count += agrees
        depth = np.full(leaf.shape, MISSING, dtype=np.int64)
        depth[known] = count
        return depth


def survey_reference(scene: SceneMaps, labels: Path) -> ReferenceSurvey | None:
    """Compare the maps of a scene with a raster of leaf values on any grid; None where it does not touch.

    Raises:
        TaxonomyError: A label value is no leaf of the class tree.
        RasterError: A file cannot be read.
    """
    taxonomy, grid = scene.taxonomy, scene.grid
    leaves, depths = taxonomy.num_classes[-1], len(scene.levels)
    areas = PixelAreas(grid)
    by_leaf, by_depth = AreaCounter(areas, leaves + 1), AreaCounter(areas, depths + 2)
    agreement = AgreementDepth(taxonomy, scene.levels)
    leaf_map, depth_map = Thumbnail(grid.shape, IGNORE_INDEX), Thumbnail(grid.shape, MISSING)
    with accuracy.ReferenceLabels(labels, taxonomy).open(grid) as read, scene.open() as maps:
        chains = maps.chains
        for window in blocks(grid):
            leaf = read(window)
            if (leaf == IGNORE_INDEX).all():
                continue
            path = maps.read(window)
            depth = agreement(leaf, [chains[path, level - 1] for level in scene.levels])
            by_leaf.add(window, np.where(leaf == IGNORE_INDEX, leaves, leaf))
            by_depth.add(window, depth - MISSING)
            leaf_map.add(window, leaf)
            depth_map.add(window, depth)
    if not by_leaf.pixels.any():
        return None
    lifted = np.stack([np.append(taxonomy.lift_table(level), IGNORE_INDEX) for level in scene.levels], axis=1)
    return ReferenceSurvey(
        ClassAreas.of(scene.levels, lifted, by_leaf.pixels, by_leaf.area_m2),
        {level: taxonomy.lift(leaf_map.values, level) for level in scene.levels},
        depth_map.values,
        by_depth.area_m2[1:],
    )
