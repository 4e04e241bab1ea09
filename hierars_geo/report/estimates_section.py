"""Areas and accuracy from reference points as tables, each number with its 95 % interval."""

from dataclasses import dataclass

import numpy as np

from ..taxonomy import RGB, Taxonomy
from .accuracy_section import ConfusionImage
from .class_order import tree_order
from .confusion import draw_confusion
from .estimates import ClassEstimate, Estimates, Interval, LevelEstimate
from .formats import UNDEFINED, area_decimals, count, hectares
from .png import data_uri

_DESIGNS = {
    "strata": "drawn at random in strata, each point weighted by its stratum",
    "map": "taken as a random sample, weighted by the mapped areas of the classes",
}
#: Proportions become whole numbers of this part for the picture of the error matrix.
_PARTS = 1_000_000_000


@dataclass(frozen=True)
class EstimateRow:
    """A class as text: mapped and estimated hectares, user's and producer's accuracy, points."""

    name: str
    color: RGB
    cells: tuple[str, ...]


@dataclass(frozen=True)
class LevelEstimates:
    """Tables of one level; ``omitted`` classes are neither mapped nor met by a point."""

    name: str
    overall: str
    points: str
    rows: tuple[EstimateRow, ...]
    total: str
    omitted: int
    matrix: ConfusionImage | None


@dataclass(frozen=True)
class EstimatesSection:
    """Everything the page says about estimates from points.

    Attributes:
        scene: Name of the scene.
        summary: In one sentence.
        design: How the points were chosen and weighted.
        missing: What is said of points without a class and of levels without estimates, or None.
        method: Source of the estimators.
        levels: Coarsest first.
    """

    scene: str
    summary: str
    design: str
    missing: str | None
    method: str
    levels: tuple[LevelEstimates, ...]


def build_estimates_section(estimates: Estimates, taxonomy: Taxonomy) -> EstimatesSection:
    """Prepare estimates for the page.

    Args:
        estimates: As read.
        taxonomy: The class tree.
    """
    found = {
        level: estimate
        for level in range(1, taxonomy.num_levels + 1)
        if (estimate := estimates.levels.get(f"L{level}")) is not None
    }
    parts = [
        f"{_with_margin(estimate.overall_accuracy)} at {taxonomy.level_labels[level - 1]}"
        for level, estimate in found.items()
    ]
    designs = dict.fromkeys(_DESIGNS.get(estimate.design, estimate.design) for estimate in found.values())
    missing = estimates.unlabelled_points
    said = [f"{count(missing)} points without a class were left out as if missing at random."] * bool(missing)
    said += [f"No estimate at {level}: {reason}" for level, reason in estimates.not_estimated.items()]
    return EstimatesSection(
        scene=estimates.scene,
        summary=f"Share of the ground that is mapped right: {', '.join(parts)}.",
        design="; ".join(designs),
        missing=" ".join(said) or None,
        method=estimates.method,
        levels=tuple(_level(estimate, taxonomy, level) for level, estimate in found.items()),
    )


def _level(estimate: LevelEstimate, taxonomy: Taxonomy, level: int) -> LevelEstimates:
    counts = np.array(estimate.counts, dtype=np.int64)
    shown = [
        index
        for index in tree_order(taxonomy, level)
        if estimate.classes[index].mapped_m2 or counts[index].any() or counts[:, index].any()
    ]
    total = sum(one.mapped_m2 for one in estimate.classes)
    decimals = area_decimals(total)
    colors = taxonomy.colors(level)
    rows = tuple(
        EstimateRow(
            estimate.classes[index].name,
            colors[index],
            _cells(estimate.classes[index], int(counts[index].sum()), int(counts[:, index].sum()), decimals),
        )
        for index in shown
    )
    return LevelEstimates(
        name=taxonomy.level_labels[level - 1],
        overall=_with_margin(estimate.overall_accuracy),
        points=count(estimate.points),
        rows=rows,
        total=hectares(total, decimals),
        omitted=len(estimate.classes) - len(rows),
        matrix=_matrix(estimate, taxonomy, level),
    )


def _cells(one: ClassEstimate, mapped_points: int, reference_points: int, decimals: int) -> tuple[str, ...]:
    area = UNDEFINED
    if one.area_m2.value is not None and one.area_m2.margin_95 is not None:
        margin = hectares(one.area_m2.margin_95, decimals)
        area = f"{hectares(one.area_m2.value, decimals)} \N{PLUS-MINUS SIGN} {margin}"
    return (
        hectares(one.mapped_m2, decimals),
        area,
        _with_margin(one.users_accuracy),
        _with_margin(one.producers_accuracy),
        count(mapped_points),
        count(reference_points),
    )


def _with_margin(interval: Interval) -> str:
    """``83.2 ± 4.1 %``, both in per cent; a dash where nothing can be said."""
    if interval.value is None or interval.margin_95 is None:
        return UNDEFINED
    value, margin = 100 * interval.value, 100 * interval.margin_95
    return f"{value:.1f} \N{PLUS-MINUS SIGN} {margin:.1f}\N{NO-BREAK SPACE}%"


def _matrix(estimate: LevelEstimate, taxonomy: Taxonomy, level: int) -> ConfusionImage | None:
    """Error matrix of the ground: each row is a reference class and adds up to 100 %."""
    shares = np.array(estimate.proportions, dtype=np.float64).T
    figure = draw_confusion(np.rint(shares * _PARTS).astype(np.int64), taxonomy, level)
    if figure is None:
        return None
    alt = f"Error matrix of level {taxonomy.level_labels[level - 1]}, estimated from points"
    return ConfusionImage(data_uri(figure.png), figure.width_px, alt)


__all__ = ("EstimateRow", "EstimatesSection", "LevelEstimates", "build_estimates_section")
