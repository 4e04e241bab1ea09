"""How sure the model is of which class: confidences counted per class, in one pass and bounded memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..maps import CONFIDENCE_NODATA, SceneMaps, Thumbnail
from ..types import IGNORE_INDEX
from .survey import MISSING, ValueSurvey, checked_values

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


def survey_confidence(scene: SceneMaps) -> dict[int, ConfidenceSurvey]:
    """Reduce the confidences of a scene and count them per class, in one pass.

    Args:
        scene: The maps.

    Returns:
        By level, coarsest first.

    Raises:
        RasterError: A confidence is out of range, or a file is damaged.
        TaxonomyError: The map holds a value that is no class of its level.
    """
    levels = [level for level in scene.confidence if level in scene.levels]
    if not levels:
        return {}
    sizes = {level: scene.taxonomy.num_classes[level - 1] for level in levels}
    # the last row: no class
    counts = {level: np.zeros((sizes[level] + 1, PER_CENT + 1), dtype=np.int64) for level in levels}
    reduced = {level: Thumbnail(scene.grid.shape, MISSING) for level in levels}
    with scene.open() as maps:
        by_path = {
            level: np.where(
                maps.chains[:, level - 1] == IGNORE_INDEX, sizes[level], maps.chains[:, level - 1]
            )
            for level in levels
        }
        for window, path, confidence in maps.strips():
            for level in levels:
                stored = confidence[level].astype(np.int16)
                stored[stored == CONFIDENCE_NODATA] = MISSING
                values = checked_values(stored, PER_CENT, str(scene.confidence[level]))
                reduced[level].add(window, values)
                known = values != MISSING
                code = by_path[level][path][known] * (PER_CENT + 1) + values[known]
                counts[level] += np.bincount(code, minlength=counts[level].size).reshape(counts[level].shape)
    return {
        level: ConfidenceSurvey(ValueSurvey(reduced[level].values, by_class.sum(axis=0)), by_class[:-1])
        for level, by_class in counts.items()
    }


__all__ = ("PER_CENT", "UNSURE_BELOW", "ConfidenceSurvey", "survey_confidence")
