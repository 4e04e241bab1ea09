"""How sure the model is, counted in one pass: which classes confidences are low for, and where."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..maps import CONFIDENCE_NODATA, SceneMaps, Thumbnail
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX
from .formats import TableRow, per_cent
from .panels import Panel, doubt_panel
from .survey import MISSING, ValueSurvey, checked_values, histogram_below, histogram_mean

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
        return histogram_mean(self.by_class[index])

    def class_share_below(self, index: int, value: int = UNSURE_BELOW) -> float:
        """Share of a class's pixels below a confidence, 0..1, NaN where no pixel has it."""
        return histogram_below(self.by_class[index], value)


def survey_confidence(scene: SceneMaps) -> dict[int, ConfidenceSurvey]:
    """Reduce the confidences of a scene and count them per class, in one pass.

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
        for window, path in maps.strips():
            for level in levels:
                stored = maps.read_confidence(level, window).astype(np.int16)
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


#: Width of a bar of the histograms, per cent.
BIN_WIDTH = 5


@dataclass(frozen=True)
class Histogram:
    """Confidences of a level.

    Attributes:
        level_name: Name of the level.
        shares: Share of the pixels per bin of :data:`BIN_WIDTH` per cent; 100 % is in the last one.
        mean: Mean, 0..1.
    """

    level_name: str
    shares: tuple[float, ...]
    mean: float

    @property
    def highest(self) -> float:
        """The largest share."""
        return max(self.shares)


@dataclass(frozen=True)
class DoubtSection:
    """Everything the page says about doubt.

    Attributes:
        summary: In one sentence.
        histograms: Per level, coarsest first.
        panel: Map of the finest level.
        level_name: Name of that level.
        rows: Mean confidence, share of the pixels that are unsure and share of all unsure pixels of its
            classes, the one with the largest share of unsure pixels first.
    """

    summary: str
    histograms: tuple[Histogram, ...]
    panel: Panel
    level_name: str
    rows: tuple[TableRow, ...]


def build_doubt_section(surveys: Mapping[int, ConfidenceSurvey], taxonomy: Taxonomy) -> DoubtSection | None:
    """Prepare the section.

    Args:
        surveys: Level -> confidences, coarsest first.
        taxonomy: The class tree.

    Returns:
        The section; None where no pixel has a confidence.
    """
    if not surveys or any(not survey.values.histogram.any() for survey in surveys.values()):
        return None
    finest = max(surveys)
    name = taxonomy.level_labels[finest - 1]
    parts = [
        f"{per_cent(survey.values.share_below(UNSURE_BELOW))} at {taxonomy.level_labels[level - 1]}"
        for level, survey in surveys.items()
    ]
    return DoubtSection(
        summary=f"Share of the pixels with a confidence below {UNSURE_BELOW} %: {', '.join(parts)}.",
        histograms=tuple(
            _histogram(survey, taxonomy.level_labels[level - 1]) for level, survey in surveys.items()
        ),
        panel=doubt_panel(f"Unsure at {name}", surveys[finest].values),
        level_name=name,
        rows=_rows(surveys[finest], taxonomy, finest),
    )


def _histogram(survey: ConfidenceSurvey, name: str) -> Histogram:
    bins = np.minimum(np.arange(PER_CENT + 1) // BIN_WIDTH, PER_CENT // BIN_WIDTH - 1)
    counts = np.bincount(bins, weights=survey.values.histogram)
    return Histogram(name, tuple((counts / counts.sum()).tolist()), survey.values.mean / PER_CENT)


def _rows(survey: ConfidenceSurvey, taxonomy: Taxonomy, level: int) -> tuple[TableRow, ...]:
    present = np.flatnonzero(survey.by_class.any(axis=1)).tolist()
    unsure = survey.by_class[:, :UNSURE_BELOW].sum(axis=1)
    total = max(1, int(unsure.sum()))
    names, colors = taxonomy.class_names(level), taxonomy.colors(level)
    ordered = sorted(present, key=survey.class_share_below, reverse=True)
    return tuple(
        TableRow(
            names[index],
            (
                per_cent(survey.class_mean(index) / PER_CENT),
                per_cent(survey.class_share_below(index)),
                per_cent(int(unsure[index]) / total),
            ),
            colors[index],
        )
        for index in ordered
    )
