"""How sure the model is of which class: confidences counted per class, in one pass and bounded memory."""

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..maps.classmap import open_class_map
from ..types import IGNORE_INDEX
from .scenes import PredictedScene
from .survey import MISSING, ValueSurvey, checked_values
from .thumbnail import Thumbnail, blocks

PER_CENT = 100
#: Below this the classes that were not chosen are together likelier than the one that was.
UNSURE_BELOW = 50


@dataclass(frozen=True)
class ConfidenceSurvey:
    """What the page needs of the confidence of a level.

    Attributes:
        values: Reduced map and histogram of per cent.
        by_class: (C, 101) int64, pixels per class index and per cent.
    """

    values: ValueSurvey
    by_class: NDArray[np.int64]

    def class_mean(self, index: int) -> float:
        """Mean confidence of a class in per cent, NaN where no pixel has it."""
        count = int(self.by_class[index].sum())
        return float(self.by_class[index] @ np.arange(PER_CENT + 1)) / count if count else float("nan")

    def class_share_below(self, index: int, value: int = UNSURE_BELOW) -> float:
        """Share of a class's pixels below a confidence, 0..1, NaN where no pixel has it."""
        count = int(self.by_class[index].sum())
        return float(self.by_class[index, :value].sum()) / count if count else float("nan")


def survey_confidence(scene: PredictedScene, level: int) -> ConfidenceSurvey:
    """Reduce the confidence of a level and count it per class.

    Args:
        scene: The maps.
        level: One that has a confidence raster.

    Raises:
        RasterError: A confidence is out of range, or a file is damaged.
        TaxonomyError: The map holds a value that is no class of its level.
    """
    classes = scene.taxonomy.num_classes[level - 1]
    by_class = np.zeros((classes + 1, PER_CENT + 1), dtype=np.int64)  # the last row: no class
    reduced = Thumbnail(scene.grid.shape, MISSING)
    with ExitStack() as stack:
        maps = stack.enter_context(open_class_map(scene.maps[level]))
        confidence = stack.enter_context(open_class_map(scene.confidence[level]))
        for window in blocks(scene.grid):
            values = checked_values(confidence, window, PER_CENT)
            reduced.add(window, values)
            index = scene.taxonomy.value_to_index(maps.read(window), level, maps.path)
            known = values != MISSING
            row = np.where(index == IGNORE_INDEX, classes, index)[known]
            code = row * (PER_CENT + 1) + values[known]
            by_class += np.bincount(code, minlength=by_class.size).reshape(by_class.shape)
    return ConfidenceSurvey(ValueSurvey(reduced.values, by_class.sum(axis=0)), by_class[:-1])


__all__ = ("PER_CENT", "UNSURE_BELOW", "ConfidenceSurvey", "survey_confidence")
