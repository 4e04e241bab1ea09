"""One map of the page with everything that explains it: picture, legend, note."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from ..maps import ClassAreas
from ..maps.outside import STRIPE, STRIPE_COLOR, hatched
from ..taxonomy import RGB, Taxonomy
from ..types import IGNORE_INDEX
from .class_order import LegendEntry, legend
from .formats import per_cent
from .png import index_png, rgb_png
from .reference import ReferenceSurvey
from .survey import MISSING, ValueSurvey

_AGREES: RGB = (205, 224, 232)
_BELOW: RGB = (150, 150, 150)
_PER_CENT = 100
_NO_DATA = "No data"
#: Same ramp as the QGIS style of the confidence rasters: dark is unsure, light is sure.
_CONFIDENCE_RAMP = "viridis"
_ERROR_RAMP = "YlOrRd"
#: Above so many entries a legend leaves out those of less than this share, and says how many.
_MANY, _RARE = 24, 0.001
#: From -> name and colour of the classes of doubt: below 25 %, below 50 %, ...
_DOUBTS: tuple[tuple[int, str, RGB], ...] = (
    (0, "Below 25 %", (128, 0, 38)),
    (25, "25 to 50 %", (227, 74, 51)),
    (50, "50 to 75 %", (253, 212, 158)),
    (75, "75 % and above", (226, 232, 236)),
)


@dataclass(frozen=True)
class Panel:
    """One map.

    Attributes:
        title: What it shows.
        png: The picture.
        alt: The same for those who do not see it.
        legend: Entries, in order; empty for the image and for ramps.
        ramp: Picture of a colour ramp from 0 to 100 %, or None.
        gap: What a pixel without a colour is, or None where there is none; the page shows such pixels
            hatched, since a class may be white.
        note: One line below the legend, or None.
        hatched: What stripes across the picture mean, or None where there are none.
    """

    title: str
    png: bytes
    alt: str
    legend: tuple[LegendEntry, ...] = ()
    ramp: bytes | None = None
    gap: str | None = None
    note: str | None = None
    hatched: str | None = None


def image_panel(image: NDArray[np.uint8], valid: NDArray[np.bool_], bands: tuple[str, ...]) -> Panel:
    """The true-colour image (3, h, w) of these bands, where it is valid (h, w)."""
    named = bands == ("red", "green", "blue")
    shown = "S" if named else f"Red, green, blue: {', '.join(bands)}; s"
    return Panel(
        title="Image, true colour",
        png=rgb_png(image, valid),
        alt="True-colour satellite image of the scene",
        gap=None if valid.all() else _NO_DATA,
        note=f"{shown}tretched from the 2nd to the 98th percentile, highlights cut.",
    )


def class_panel(
    title: str,
    index: NDArray[np.int64],
    taxonomy: Taxonomy,
    areas: ClassAreas,
    level: int,
    gap: str = _NO_DATA,
    outside: NDArray[np.bool_] | None = None,
) -> Panel:
    """A class map with the classes that occur in the order of the tree.

    Args:
        title: What it shows.
        index: (h, w) class indices, ``IGNORE_INDEX`` where there is no class.
        taxonomy: The class tree.
        areas: Areas that include the level.
        level: 1..N.
        gap: What a pixel without a class is.
        outside: (h, w) what lies outside the area of applicability, if that is known.
    """
    colors = dict(enumerate(taxonomy.colors(level)))
    entries = tuple(legend(taxonomy, areas, level))
    largest = sorted(entries, key=lambda entry: entry.share, reverse=True)[:3]
    summary = ", ".join(f"{entry.name} {per_cent(entry.share)}" for entry in largest)
    alt = f"{title}: mostly {summary}"
    shown_gap = gap if (index == IGNORE_INDEX).any() else None
    png = index_png(*_hatch(index, colors, outside))
    return Panel(title, png, alt, entries, gap=shown_gap, hatched=_hatching(outside))


def agreement_panel(reference: ReferenceSurvey, level_names: tuple[str, ...]) -> Panel:
    """Where map and reference agree, and down to which of the levels compared, coarsest first."""
    depths = range(len(level_names), -1, -1)
    colors = agreement_colors(len(level_names))
    total = reference.depth_area_m2.sum()
    entries = tuple(
        LegendEntry(
            agreement_name(depth, level_names),
            colors[depth],
            float(reference.depth_area_m2[depth] / total) if total else 0.0,
        )
        for depth in depths
    )
    return Panel(
        title="Agreement with the reference",
        png=index_png(reference.depth, colors),
        alt=f"Map of agreement: {per_cent(entries[0].share)} right at every level",
        legend=entries,
        gap="No label, or no data" if (reference.depth == MISSING).any() else None,
        note="Share of the area that has a reference label.",
    )


def agreement_name(depth: int, level_names: tuple[str, ...]) -> str:
    """Say in words that ``depth`` levels agree, coarsest first."""
    if depth == len(level_names):
        return f"Right at {level_names[-1]}" if len(level_names) > 1 else "Right"
    if depth == 0:
        return f"Wrong at {level_names[0]}" if len(level_names) > 1 else "Wrong"
    only = " only" if depth == 1 else ""
    return f"Right at {level_names[depth - 1]}{only}, wrong at {level_names[depth]}"


def agreement_colors(levels: int) -> dict[int, RGB]:
    """Pale blue where all levels agree, else the darker the coarser the mistake."""
    positions = np.linspace(0.95, 0.35, levels) if levels > 1 else np.array([0.9])
    wrong = {depth: _ramp_color(_ERROR_RAMP, float(at)) for depth, at in enumerate(positions)}
    return {**wrong, levels: _AGREES}


def confidence_panel(title: str, confidence: ValueSurvey) -> Panel:
    """Confidence of the chosen class at a level, per cent."""
    colors = {value: _ramp_color(_CONFIDENCE_RAMP, value / _PER_CENT) for value in range(_PER_CENT + 1)}
    mean, unsure = confidence.mean / _PER_CENT, confidence.share_below(_PER_CENT // 2)
    ramp = np.arange(_PER_CENT + 1)[None, :]
    return Panel(
        title=title,
        png=index_png(confidence.reduced, colors),
        alt=f"{title}: {per_cent(mean)} on average",
        ramp=index_png(ramp, colors),
        gap=_gap(confidence),
        note=f"Mean {per_cent(mean)}; below 50\N{NO-BREAK SPACE}% on {per_cent(unsure)} of the pixels.",
    )


def doubt_panel(title: str, confidence: ValueSurvey) -> Panel:
    """Where the confidence of a level is low, in four steps; the surest ground is pale."""
    edges = [first for first, _, _ in _DOUBTS]
    steps = np.searchsorted(edges, confidence.reduced, side="right") - 1
    counts = np.add.reduceat(confidence.histogram, edges)
    entries = legend_entries(counts, ((step, name, color) for step, (_, name, color) in enumerate(_DOUBTS)))
    colors = {step: color for step, (_, _, color) in enumerate(_DOUBTS)}
    unsure = per_cent(confidence.share_below(_PER_CENT // 2))
    alt = f"{title}: confidence below 50 % on {unsure} of the pixels"
    return Panel(title, index_png(steps, colors), alt, entries, gap=_gap(confidence))


def depth_panel(
    depth: ValueSurvey,
    level_names: tuple[str, ...],
    palette: Mapping[int, RGB] | None = None,
    threshold: float | None = None,
) -> Panel:
    """The finest level at which a pixel is sure enough; 0 where it is at none.

    Args:
        depth: Level numbers 0..N.
        level_names: Names of all N levels.
        palette: Colours of the raster, so that page and GIS look alike; default a ramp.
        threshold: Confidence that a level has to reach, 0..1; None where nobody says.
    """
    levels = len(level_names)
    ramp = {n: _ramp_color("GnBu", 0.25 + 0.65 * n / levels) for n in range(1, levels + 1)} | {0: _BELOW}
    colors = {n: (palette or ramp).get(n, color) for n, color in ramp.items()}
    names = [f"Below the threshold at {level_names[0]}", *(f"Sure down to {name}" for name in level_names)]
    found = (n for n in range(levels, -1, -1) if depth.histogram[n])
    entries = legend_entries(depth.histogram, ((n, names[n], colors[n]) for n in found))
    png = index_png(depth.reduced, colors)
    alt = "Map of the finest level that is sure enough"
    note = None if threshold is None else f"Threshold: a confidence of {per_cent(threshold)}."
    return Panel("Adaptive depth", png, alt, entries, gap=_gap(depth), note=note)


def adaptive_panel(
    classes: ValueSurvey,
    legend: Taxonomy,
    palette: Mapping[int, RGB] | None = None,
    outside: NDArray[np.bool_] | None = None,
) -> Panel:
    """The class of each pixel at the finest level that is sure enough: the coarser, the paler.

    Args:
        classes: Values of the adaptive raster.
        legend: Their names and colours, see :attr:`.SceneMaps.adaptive_legend`.
        palette: Colours of the raster, so that page and GIS look alike; default those of the legend.
        outside: (h, w) what lies outside the area of applicability, if that is known.
    """
    colors = dict(zip(legend.class_values(1), legend.colors(1), strict=True))
    colors |= {value: color for value, color in (palette or {}).items() if value in colors}
    named = zip(legend.class_values(1), legend.class_names(1), strict=True)
    found = ((value, name, colors[value]) for value, name in named if classes.histogram[value])
    entries = legend_entries(classes.histogram, found)
    rare = [e for e in entries if e.share < _RARE] if len(entries) > _MANY else []
    note = f"And {len(rare)} rarer ones on {per_cent(sum(e.share for e in rare))} in all." if rare else None
    shown = tuple(entry for entry in entries if entry not in rare)
    png = index_png(*_hatch(classes.reduced, colors, outside))
    alt = "Map of each pixel's class at the finest level that is sure enough"
    return Panel(
        "Adaptive classes", png, alt, shown, gap=_gap(classes), hatched=_hatching(outside), note=note
    )


def _hatch(
    index: NDArray[np.int64], colors: Mapping[int, RGB], outside: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], Mapping[int, RGB]]:
    """Draw stripes over what lies outside the area of applicability."""
    if outside is None:
        return index, colors
    return np.where(hatched(outside), STRIPE, index), {**colors, STRIPE: STRIPE_COLOR}


def _hatching(outside: NDArray[np.bool_] | None) -> str | None:
    return "Unlike the training ground: do not trust" if outside is not None and outside.any() else None


def legend_entries(
    histogram: NDArray[np.int64], entries: Iterable[tuple[int, str, RGB]]
) -> tuple[LegendEntry, ...]:
    """Entries of a legend out of value, name and colour, each with its share of what was counted."""
    total = max(1, int(histogram.sum()))
    return tuple(LegendEntry(name, color, int(histogram[value]) / total) for value, name, color in entries)


def _gap(survey: ValueSurvey) -> str | None:
    return _NO_DATA if (survey.reduced == MISSING).any() else None


def _ramp_color(name: str, position: float) -> RGB:
    red, green, blue, _ = colormaps[name](position, bytes=True)
    return int(red), int(green), int(blue)
