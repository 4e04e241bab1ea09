"""How far a map can be trusted, in words for people without statistics: its promise, and known ground."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from ..maps import ClassAreas, SceneMaps
from ..maps.outside import OUTSIDE
from ..maps.scene_maps import CALIBRATION_PROPERTY
from ..metrics.reliability import Diagram, draw_diagrams
from ..taxonomy import RGB
from .confusion import ConfusionFigure
from .formats import per_cent
from .panels import Panel, legend_entries
from .png import index_png
from .scores import Calibrated, check_content
from .survey import MISSING, survey_values

#: From -> name and colour of the steps of dissimilarity, in per cent of the border.
_STEPS: tuple[tuple[int, str, RGB], ...] = (
    (0, "Very like the training ground", (222, 235, 247)),
    (50, "Like it", (158, 202, 225)),
    (101, "Unlike it", (252, 146, 114)),
    (200, "Nothing like it was in the training", (103, 0, 13)),
)
_MOST = 254
_DPI, _CSS_DPI = 144, 96


@dataclass(frozen=True)
class TrustSection:
    """Everything the page says about trust.

    Attributes:
        sentences: One paragraph each.
        panel: Map of how unlike the training ground is; None where nobody knows.
        diagrams: What confidence was worth before and after calibration; None where nobody says.
    """

    sentences: tuple[str, ...]
    panel: Panel | None
    diagrams: ConfusionFigure | None = None


def build_trust_section(scene: SceneMaps, areas: ClassAreas) -> TrustSection | None:
    """Prepare the section.

    Returns:
        The section; None where the maps neither promise anything nor know their ground.

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
    return TrustSection(tuple(sentences), panel, diagrams) if sentences or panel else None


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
