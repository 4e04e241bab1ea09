"""How sure the model is, counted in one pass: which classes confidences are low for, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from ..maps import CONFIDENCE_NODATA, ClassAreas, SceneMaps, Thumbnail
from ..maps.outside import OUTSIDE
from ..maps.scene_maps import CALIBRATION_PROPERTY
from ..metrics.reliability import Diagram, draw_diagrams
from ..taxonomy import RGB, Taxonomy
from ..types import IGNORE_INDEX
from .confusion import ConfusionFigure
from .formats import TableRow, per_cent
from .panels import Panel, doubt_panel, legend_entries
from .png import index_png
from .scores import Calibrated, check_content
from .survey import MISSING, ValueSurvey, checked_values, histogram_below, histogram_mean, survey_values

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


def survey_confidence(scene: SceneMaps) -> dict[int, ConfidenceSurvey]:
    """Reduce the confidences of a scene by level, coarsest first, and count them per class, in one pass.

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
class DoubtSection:
    """Everything the page says about doubt.

    Attributes:
        summary: In one sentence.
        histograms: Per level, coarsest first: its name, the share of the pixels per bin of
            :data:`BIN_WIDTH` per cent (100 % is in the last one), and the mean, 0..1.
        panel: Map of the finest level.
        level_name: Name of that level.
        rows: Mean confidence, share of the pixels that are unsure and share of all unsure pixels of its
            classes, the one with the largest share of unsure pixels first.
    """

    summary: str
    histograms: tuple[tuple[str, tuple[float, ...], float], ...]
    panel: Panel
    level_name: str
    rows: tuple[TableRow, ...]


def build_doubt_section(surveys: Mapping[int, ConfidenceSurvey], taxonomy: Taxonomy) -> DoubtSection | None:
    """Prepare the section from confidences by level, coarsest first; None where no pixel has one."""
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


def _histogram(survey: ConfidenceSurvey, name: str) -> tuple[str, tuple[float, ...], float]:
    bins = np.minimum(np.arange(PER_CENT + 1) // BIN_WIDTH, PER_CENT // BIN_WIDTH - 1)
    counts = np.bincount(bins, weights=survey.values.histogram)
    return name, tuple((counts / counts.sum()).tolist()), survey.values.mean / PER_CENT


def _rows(survey: ConfidenceSurvey, taxonomy: Taxonomy, level: int) -> tuple[TableRow, ...]:
    present = np.flatnonzero(survey.by_class.any(axis=1)).tolist()
    unsure = survey.by_class[:, :UNSURE_BELOW].sum(axis=1)
    total = max(1, int(unsure.sum()))
    names, colors = taxonomy.class_names(level), taxonomy.colors(level)
    below = {index: histogram_below(survey.by_class[index], UNSURE_BELOW) for index in present}
    ordered = sorted(present, key=lambda index: below[index], reverse=True)
    return tuple(
        TableRow(
            names[index],
            (
                per_cent(histogram_mean(survey.by_class[index]) / PER_CENT),
                per_cent(below[index]),
                per_cent(int(unsure[index]) / total),
            ),
            colors[index],
        )
        for index in ordered
    )


#: From -> name and colour of the steps of dissimilarity, in per cent of the border.
_STEPS: tuple[tuple[int, str, RGB], ...] = (
    (0, "Very like the training ground", (222, 235, 247)),
    (50, "Like it", (158, 202, 225)),
    (101, "Unlike it", (252, 146, 114)),
    (200, "Nothing like it was in the training", (103, 0, 13)),
)
_MOST = 254
_DPI, _CSS_DPI = 144, 96


def build_trust_section(scene: SceneMaps, areas: ClassAreas) -> Mapping[str, object] | None:
    """Prepare what the page says about trust.

    Returns:
        ``sentences``, one paragraph each; ``panel``, a map of how unlike the training ground is, and
        ``diagrams`` of what confidence was worth before and after calibration, each None where nobody knows.
        None where the maps neither promise anything nor know their ground.

    Raises:
        RasterError: A raster is damaged.
    """
    sentences = [] if scene.promise is None else [scene.promise]
    panel = None
    if (path := scene.others.get("di")) is not None:
        panel = _panel(survey_values(path, _MOST, scene).reduced)
    if "aoa" in scene.others:
        share = areas.outside_share()
        void = " A promise about the map does not hold there." if sentences else ""
        sentences.append(
            f"{per_cent(share)} of the mapped ground is unlike the ground that the model was trained on; it "
            f"is hatched in the maps. There the model guesses, however sure it says it is.{void}"
        )
    calibration = scene.properties.get(CALIBRATION_PROPERTY)
    diagrams = None
    if isinstance(calibration, Mapping) and calibration.get("diagrams"):
        known = check_content(Calibrated, calibration, str(scene.item), "an item of 'hierars-geo predict'")
        diagrams = draw_reliability(known.diagrams, scene.taxonomy.level_labels)
        sentences.append(
            f"The confidence was measured on {known.blocks} blocks of {known.block_m:g} m of "
            f"{known.split.replace('val', 'validation')} ground, which the training had not seen: on "
            "the dashed line of the diagrams the model is right "
            "as often as it says it is, below it the model is too sure. The maps carry the confidence after "
            "calibration."
        )
    if not sentences and not panel:
        return None
    return {"sentences": sentences, "panel": panel, "diagrams": diagrams}


def draw_reliability(
    diagrams: Mapping[str, Sequence[Diagram]], level_names: Sequence[str]
) -> ConfusionFigure | None:
    """Draw reliability diagrams for the page; None where a level has none."""
    if not all(len(levels) == len(level_names) and all(levels) for levels in diagrams.values()):
        return None
    figure = draw_diagrams(diagrams, level_names)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white")
    return ConfusionFigure(buffer.getvalue(), round(figure.get_figwidth() * _CSS_DPI))


def _panel(dissimilarity: NDArray[np.int64]) -> Panel:
    edges = [first for first, _, _ in _STEPS]
    steps = np.searchsorted(edges, dissimilarity, side="right") - 1  # of what is missing, that is missing
    counts = np.bincount(steps[steps != MISSING], minlength=len(_STEPS))
    entries = legend_entries(counts, ((step, name, color) for step, (_, name, color) in enumerate(_STEPS)))
    colors = {step: color for step, (_, _, color) in enumerate(_STEPS)}
    return Panel(
        "How unlike the training ground",
        index_png(steps, colors),
        "Map of how unlike the ground is to that of the training",
        entries,
        gap="No data" if (steps == MISSING).any() else None,
    )


def outside_of(scene: SceneMaps) -> NDArray[np.bool_] | None:
    """Tell which pixels (h, w) of the reduced maps lie outside the area of applicability; None if unknown.

    Raises:
        RasterError: The raster is damaged, or lies elsewhere than the maps.
    """
    path = scene.others.get("aoa")
    return None if path is None else survey_values(path, 1, scene).reduced == OUTSIDE
