"""Reference labels on the grid of a prediction, and how deep in the tree the two agree."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..maps.classmap import open_class_map
from ..maps.label_map import open_label_map
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX
from ..vector.ground import row_pixel_areas_m2
from .census import Census, CensusTaker
from .scenes import PredictedScene
from .survey import MISSING
from .thumbnail import Thumbnail, blocks


@dataclass(frozen=True)
class ReferenceSurvey:
    """What the page needs of the reference labels of a scene.

    Attributes:
        census: Areas of the reference classes at the levels of the prediction.
        maps: Level -> reduced map of class indices, ``IGNORE_INDEX`` where there is none.
        depth: (h, w) int64, reduced map of the number of levels that agree, coarsest first (0: wrong at
            the first level; K: right at all); ``MISSING`` where either map has no class.
        depth_area_m2: (K + 1,) area of every depth.
    """

    census: Census
    maps: Mapping[int, NDArray[np.int64]]
    depth: NDArray[np.int64]
    depth_area_m2: NDArray[np.float64]


class AgreementDepth:
    """Count the levels, from the coarsest on, at which a prediction agrees with a leaf label.

    A leaf with several legal paths agrees at a level with each of its ancestors there.

    Args:
        taxonomy: The class tree.
        levels: Levels of the prediction, coarsest first.
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


def survey_reference(scene: PredictedScene, labels: Path) -> ReferenceSurvey | None:
    """Compare the maps of a scene with reference labels, in one pass and bounded memory.

    Args:
        scene: The maps.
        labels: Class raster with values of the finest level of the scene's class tree; any grid.

    Returns:
        The survey, None where the labels do not touch the scene.

    Raises:
        TaxonomyError: A label value is no leaf of the class tree.
        RasterError: A file cannot be read.
    """
    taxonomy, grid = scene.taxonomy, scene.grid
    row_areas = row_pixel_areas_m2(grid)
    sizes = tuple(taxonomy.num_classes[level - 1] for level in scene.levels)
    taker = CensusTaker(scene.levels, sizes, row_areas)
    agreement = AgreementDepth(taxonomy, scene.levels)
    leaf_map = Thumbnail(grid.shape, IGNORE_INDEX)
    depth_map = Thumbnail(grid.shape, MISSING)
    depth_area = np.zeros(len(scene.levels) + 1)
    with ExitStack() as stack:
        label_map = stack.enter_context(open_label_map(labels, grid, taxonomy.nodata_value))
        maps = [stack.enter_context(open_class_map(path)) for path in scene.maps.values()]
        for window in blocks(grid):
            leaf = _leaf_index(label_map.read(window), label_map.nodata, taxonomy, labels)
            if (leaf == IGNORE_INDEX).all():
                continue
            predicted = [
                taxonomy.value_to_index(each.read(window), level, each.path)
                for level, each in zip(scene.levels, maps, strict=True)
            ]
            depth = agreement(leaf, predicted)
            taker.add(window, [taxonomy.lift(leaf, level) for level in scene.levels])
            depth_area += _area_by_depth(depth, row_areas[window.row : window.row_stop], len(depth_area))
            leaf_map.add(window, leaf)
            depth_map.add(window, depth)
    census = taker.result()
    if not census.pixels.size:
        return None
    lifted = {level: taxonomy.lift(leaf_map.values, level) for level in scene.levels}
    return ReferenceSurvey(census, lifted, depth_map.values, depth_area)


def _leaf_index(
    values: NDArray[np.integer], nodata: int, taxonomy: Taxonomy, path: Path
) -> NDArray[np.int64]:
    """Leaf indices of label values; the file's own nodata is no label, whatever the class tree's is."""
    whole = np.where(values == nodata, taxonomy.nodata_value, values.astype(np.int64))
    return taxonomy.value_to_index(whole, origin=str(path))


def _area_by_depth(
    depth: NDArray[np.int64], row_area_m2: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    known = depth != MISSING
    weights = np.broadcast_to(row_area_m2[:, None], depth.shape)[known]
    return np.bincount(depth[known], weights=weights, minlength=count).astype(np.float64)


__all__ = ("AgreementDepth", "ReferenceSurvey", "survey_reference")
