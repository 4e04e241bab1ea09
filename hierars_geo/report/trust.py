"""How far a map can be trusted, in words for people without statistics: its promise, and known ground."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..maps import ClassAreas, SceneMaps
from ..maps.outside import OUTSIDE
from ..taxonomy import RGB
from .class_order import LegendEntry
from .formats import per_cent
from .panels import Panel
from .png import index_png
from .survey import MISSING, survey_values

#: What the note of a promise begins with in the item.
_PROMISE = "Adaptive map: "
#: From -> name and colour of the steps of dissimilarity, in per cent of the border.
_STEPS: tuple[tuple[int, str, RGB], ...] = (
    (0, "Like the training ground", (222, 235, 247)),
    (50, "Like it, but at the edge", (158, 202, 225)),
    (101, "Unlike it", (252, 146, 114)),
    (200, "Nothing like it was in the training", (103, 0, 13)),
)
_MOST = 254


@dataclass(frozen=True)
class TrustSection:
    """Everything the page says about trust.

    Attributes:
        sentences: One paragraph each.
        panel: Map of how unlike the training ground is; None where nobody knows.
    """

    sentences: tuple[str, ...]
    panel: Panel | None


def build_trust_section(scene: SceneMaps, areas: ClassAreas) -> TrustSection | None:
    """Prepare the section.

    Args:
        scene: The maps.
        areas: Of their classes.

    Returns:
        The section; None where the maps neither promise anything nor know their ground.

    Raises:
        RasterError: A raster is damaged.
    """
    sentences = [*_promise(scene.properties)]
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
    return TrustSection(tuple(sentences), panel) if sentences or panel else None


def _promise(properties: Mapping[str, Any]) -> list[str]:
    notes = properties.get("hierars:notes")
    told = [str(note) for note in notes] if isinstance(notes, list) else []
    return [note.removeprefix(_PROMISE) for note in told if note.startswith(_PROMISE)]


def _panel(dissimilarity: NDArray[np.int64]) -> Panel:
    edges = [first for first, _, _ in _STEPS]
    steps = np.where(
        dissimilarity == MISSING, MISSING, np.searchsorted(edges, dissimilarity, side="right") - 1
    )
    counts = np.bincount(steps[steps != MISSING], minlength=len(_STEPS))
    total = max(1, int(counts.sum()))
    entries = tuple(
        LegendEntry(name, color, int(count) / total)
        for (_, name, color), count in zip(_STEPS, counts, strict=True)
    )
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


__all__ = ("TrustSection", "build_trust_section", "outside_of")
