"""Areas and accuracy from reference points as tables, each number with its 95 % interval.

The estimates are read from the accuracy.json of ``hierars-geo evaluate`` and checked.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from ..errors import DataError
from ..taxonomy import Taxonomy
from .class_order import tree_order
from .confusion import ConfusionFigure, LevelTable, draw_confusion
from .formats import UNDEFINED, TableRow, area_decimals, count, hectares
from .scores import Count, Part, check_content, read_json

NonNegative = Annotated[float, Field(ge=0)]


class Interval(Part):
    """An estimate and half the width of its 95 % interval; None where nothing can be said."""

    value: float | None
    margin_95: NonNegative | None


class ClassEstimate(Part):
    """Estimates of one class; areas in m2, accuracies 0..1."""

    name: str
    mapped_m2: NonNegative
    users_accuracy: Interval
    producers_accuracy: Interval
    area_m2: Interval


class LevelEstimate(Part):
    """Estimates of one level; rows of counts and proportions are the map, columns the reference."""

    design: str
    points: Count
    overall_accuracy: Interval
    classes: tuple[ClassEstimate, ...]
    counts: tuple[tuple[Count, ...], ...]
    proportions: tuple[tuple[NonNegative, ...], ...]


class Estimates(Part):
    """The whole file; levels by ``L1`` .. ``LN``, and why those are missing that are."""

    scene: str
    taxonomy: str
    method: str
    unlabelled_points: Count = 0
    levels: dict[str, LevelEstimate]
    not_estimated: dict[str, str] = Field(default_factory=dict)


def read_estimates(path: Path, trees: Mapping[str, Taxonomy]) -> Estimates:
    """Read estimates and check that they are of these maps.

    Args:
        path: An accuracy.json.
        trees: Name of every scene -> its class tree.

    Raises:
        MissingFileError: No such file.
        DataError: It holds no estimates, or those of another class tree or scene.
    """
    what = "estimates of 'hierars-geo evaluate MAPS POINTS'"
    estimates = check_content(Estimates, read_json(path), str(path), what)
    taxonomy = trees.get(estimates.scene)
    if taxonomy is None or estimates.taxonomy != taxonomy.name:
        known = ", ".join(f"{scene} with taxonomy {tree.name}" for scene, tree in trees.items())
        raise DataError(
            f"Expected estimates of {known}, but got those of {estimates.scene} with {estimates.taxonomy} "
            f"(in {path}). Give the file of these maps."
        )
    for level in range(1, taxonomy.num_levels + 1):
        _check_classes(estimates.levels.get(f"L{level}"), taxonomy, level, path)
    return estimates


def _check_classes(estimate: LevelEstimate | None, taxonomy: Taxonomy, level: int, path: Path) -> None:
    """Refuse classes that are not those of the tree, and tables of another size."""
    if estimate is None:
        return
    names = taxonomy.class_names(level)
    sizes = {len(row) for table in (estimate.counts, estimate.proportions) for row in (table, *table)}
    if tuple(one.name for one in estimate.classes) != names or sizes != {len(names)}:
        raise DataError(
            f"Expected the {len(names)} classes of taxonomy {taxonomy.name} at L{level}, but got others "
            f"(in {path}). Evaluate again with this class tree."
        )


_DESIGNS = {
    "strata": "drawn at random in strata, each point weighted by its stratum",
    "map": "taken as a random sample, weighted by the mapped areas of the classes",
}
#: Proportions become whole numbers of this part for the picture of the error matrix.
_PARTS = 1_000_000_000


def build_estimates_section(estimates: Estimates, taxonomy: Taxonomy) -> Mapping[str, object]:
    """Prepare estimates for the page.

    Returns:
        Name of the ``scene``; ``summary`` in one sentence; ``design``, how the points were chosen and
        weighted; ``missing``, what is said of points without a class and of levels without estimates, or
        nothing; ``method``, the source of the estimators; ``levels``, coarsest first, each with overall
        accuracy, points and mapped hectares as summary.
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
    return {
        "scene": estimates.scene,
        "summary": f"Share of the ground that is mapped right: {', '.join(parts)}.",
        "design": "; ".join(designs),
        "missing": " ".join(said),
        "method": estimates.method,
        "levels": [_level(estimate, taxonomy, level) for level, estimate in found.items()],
    }


def _level(estimate: LevelEstimate, taxonomy: Taxonomy, level: int) -> LevelTable:
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
        TableRow(
            estimate.classes[index].name,
            _cells(estimate.classes[index], int(counts[index].sum()), int(counts[:, index].sum()), decimals),
            colors[index],
        )
        for index in shown
    )
    return LevelTable(
        taxonomy.level_labels[level - 1],
        (_with_margin(estimate.overall_accuracy), count(estimate.points), hectares(total, decimals)),
        rows,
        len(estimate.classes),
        _matrix(estimate, taxonomy, level),
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


def _matrix(estimate: LevelEstimate, taxonomy: Taxonomy, level: int) -> ConfusionFigure | None:
    """Error matrix of the ground: each row is a reference class and adds up to 100 %."""
    shares = np.array(estimate.proportions, dtype=np.float64).T
    return draw_confusion(np.rint(shares * _PARTS).astype(np.int64), taxonomy, level)
