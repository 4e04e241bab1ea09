"""Accuracy and areas of a scene's maps from reference points, level by level, with 95 % intervals."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, HieraRSWarning, list_some
from ..maps import ClassAreas, Maps, MapSource
from ..metrics import Assessment, Estimate, Guesses, assess
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX, Progress
from .reference_points import ReferencePoints, count_guesses, read_at_points, read_reference_points
from .sampling import REFERENCE_COLUMN

#: How the points were chosen: by the strata in their file, or as if by the classes of each level.
Design = str


@dataclass(frozen=True)
class LevelAssessment:
    """What the points say about one level.

    Attributes:
        level: From 1.
        design: ``strata`` of the points' file, or ``map`` (post-stratified by the map's classes).
        points: Points that counted.
        mapped_m2: (C,) area that the map shows.
        total_m2: Area of all strata.
        collapsed: Strata with a single point, or post-strata with few, that were taken together with others.
        result: The estimates.
    """

    level: int
    design: Design
    points: int
    mapped_m2: NDArray[np.float64]
    total_m2: float
    collapsed: tuple[str, ...]
    result: Assessment


@dataclass(frozen=True)
class SceneAssessment:
    """What the points say about the maps of a scene.

    Attributes:
        scene: Name of the scene.
        taxonomy: The class tree.
        levels: Those that can be estimated, coarsest first.
        unlabelled: Points without a class at the finest level that counts.
        refused: Level -> why it cannot be estimated.
    """

    scene: str
    taxonomy: Taxonomy
    levels: tuple[LevelAssessment, ...]
    unlabelled: int
    refused: Mapping[int, str]

    def to_rows(self) -> list[dict[str, object]]:
        """Return one flat row per level and class, for a table; areas in hectares, 95 % margins."""
        return [
            _class_row(level, index, self.taxonomy)
            for level in self.levels
            for index in range(self.taxonomy.num_classes[level.level - 1])
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values with names for JSON; areas in m2, None where nothing can be said."""
        return {
            "scene": self.scene,
            "taxonomy": self.taxonomy.name,
            "method": "Stehman 2014; Olofsson et al. 2014",
            "confidence_level": 0.95,
            "unlabelled_points": self.unlabelled,
            "levels": {f"L{level.level}": _level_dict(level, self.taxonomy) for level in self.levels},
            "not_estimated": {f"L{level}": reason for level, reason in self.refused.items()},
        }


def assess_maps(
    source: MapSource,
    points: str | Path,
    taxonomy: Taxonomy | str | Path | None = None,
    column: str = REFERENCE_COLUMN,
    progress: Progress | None = None,
) -> SceneAssessment:
    """Estimate accuracy and areas of a scene's maps.

    Points of a file with a table ``strata`` are taken as drawn from those strata. Others are taken as a
    random sample and weighted by the areas of the map's classes (post-stratification); choose them at random.

    A level is estimated where every stratum has a labelled point, by :mod:`hierars_geo.metrics.stratified`.
    Classes with fewer than two points of a post-stratified sample are joined with their largest kin before
    the estimate, which leaves it unbiased. What cannot be estimated is said.

    Args:
        source: Maps of one scene: a folder that predict wrote to, or a class raster.
        points: Points with their classes.
        taxonomy: The class tree; default what comes with the maps.
        column: Column with the class.
        progress: Called with (rows done, rows in all).

    Raises:
        DataError: Points lie outside the map or where it has no class, no level can be estimated, or the
            levels of the maps contradict each other.
        HieraRSError: A file cannot be read.
    """
    scene = Maps.open(source, taxonomy).scene
    tree = scene.taxonomy
    with scene.open() as maps:
        reference = read_reference_points(points, maps.grid, tree, column)
        mapped, pixel, guessed = read_at_points(maps, reference)
        counted, mean_guesses = count_guesses(maps, progress)
    depth = mapped.shape[1]
    assessed: list[LevelAssessment] = []
    refused: dict[int, str] = {}
    for level in range(1, depth + 1):
        try:
            design = _design(reference, mapped, pixel, counted, level, tree)
            guesses = Guesses(guessed[level - 1], mean_guesses[level - 1])
            assessed.append(_assess_level(design, mapped[:, level - 1], reference, tree, guesses))
        except DataError as error:
            refused[level] = str(error)
    if not assessed:
        raise DataError(next(iter(refused.values())))
    for reason in refused.values():
        warnings.warn(reason, HieraRSWarning, stacklevel=2)
    unlabelled = int((reference.levels[:, depth - 1] == IGNORE_INDEX).sum())
    if unlabelled:
        warnings.warn(
            f"{unlabelled} of {len(reference.x)} points have no class of level "
            f"{tree.level_labels[depth - 1]}: taken as missing at random.",
            HieraRSWarning,
            stacklevel=2,
        )
    return SceneAssessment(scene.name, tree, tuple(assessed), unlabelled, refused)


@dataclass(frozen=True)
class _Design:
    """How the points count at a level.

    Attributes:
        level: From 1.
        name: ``strata`` or ``map``.
        known: (n,) bool, points with a class of the level.
        stratum: (n,) stratum of every point, 0..H-1.
        names: (H,) of the strata.
        area_m2: (H,) area.
        population: (H,) pixels; None where nothing tells, or several points lie in one pixel.
        kin: (H,) parent, for strata with a single point.
        mapped_m2: (C,) area that the map shows.
    """

    level: int
    name: Design
    known: NDArray[np.bool_]
    stratum: NDArray[np.int64]
    names: NDArray[np.object_]
    area_m2: NDArray[np.float64]
    population: NDArray[np.int64] | None
    kin: NDArray[np.int64]
    mapped_m2: NDArray[np.float64]


def _design(
    reference: ReferencePoints,
    mapped: NDArray[np.int64],
    pixel: NDArray[np.int64],
    counted: ClassAreas,
    level: int,
    tree: Taxonomy,
) -> _Design:
    known = reference.levels[:, level - 1] != IGNORE_INDEX
    mapped_m2 = np.zeros(tree.num_classes[level - 1])
    shown = counted.class_area_m2(level)
    mapped_m2[list(shown)] = list(shown.values())
    once = len(np.unique(pixel[known])) == known.sum()
    if reference.stratum is not None and reference.strata is not None:
        table = reference.strata
        area_m2 = table["area_m2"].to_numpy(dtype=np.float64)
        pixels = table["pixels"].to_numpy(dtype=np.int64) if "pixels" in table.columns and once else None
        label = "class_name" if "class_name" in table.columns else "stratum"
        names = table[label].astype(str).to_numpy(dtype=object)
        kin = _families(reference.stratum, mapped, len(table))
        return _Design(level, "strata", known, reference.stratum, names, area_m2, pixels, kin, mapped_m2)
    parents = np.zeros(len(mapped_m2), dtype=np.int64)
    if level > 1:
        paths = tree.paths
        parents[paths[:, level - 1]] = paths[:, level - 2]
    pixels = np.zeros(len(mapped_m2), dtype=np.int64)
    pixels[list(shown)] = list(counted.class_pixels(level).values())
    names = np.array(tree.class_names(level), dtype=object)
    return _Design(
        level,
        "map",
        known,
        mapped[:, level - 1],
        names,
        mapped_m2,
        pixels if once else None,
        parents,
        mapped_m2,
    )


def _families(stratum: NDArray[np.int64], mapped: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(H,) class one level above the strata, as the map shows it at their points."""
    above = mapped[:, max(mapped.shape[1] - 2, 0)]
    families = np.zeros(count, dtype=np.int64)
    families[stratum] = above
    return families


def _assess_level(
    design: _Design,
    mapped: NDArray[np.int64],
    reference: ReferencePoints,
    tree: Taxonomy,
    guesses: Guesses,
) -> LevelAssessment:
    """Estimate a level.

    Raises:
        DataError: Nothing is known of a stratum, or too little of all.
    """
    known, weights = design.known, design.area_m2
    present = np.flatnonzero(weights > 0)
    joined = present.copy()
    collapsed: list[str] = []
    sizes = np.bincount(design.stratum[known], minlength=len(weights))
    if design.name == "map":
        joined, collapsed = _join_few(present, sizes, design)
    number = np.full(len(weights), -1)
    groups = np.unique(joined)
    number[present] = np.searchsorted(groups, joined)
    area_m2 = np.bincount(number[present], weights=weights[present]).astype(np.float64)
    points = np.bincount(number[design.stratum[known]], minlength=len(groups))
    if (points < 1).any():
        bare = [
            f"{design.names[groups[nth]]} ({weights[groups[nth]] / weights.sum():.1%} of the ground)"
            for nth in np.flatnonzero(points < 1).tolist()
        ]
        raise DataError(
            f"Expected a labelled point in every stratum, but got none in {list_some(bare, 5)} at level "
            f"{tree.level_labels[design.level - 1]} (in {reference.path}). Label points there."
        )
    if points.sum() < 2:
        raise DataError(
            f"Expected 2 or more labelled points at level {tree.level_labels[design.level - 1]}, but got "
            f"{points.sum()} (in {reference.path}). Label more points."
        )
    population = None
    if design.population is not None:
        population = np.bincount(number[present], weights=design.population[present]).astype(np.int64)
    if design.name == "strata":
        whole = np.zeros(len(points), dtype=np.bool_) if population is None else points >= population
        collapsed = [
            str(design.names[groups[nth]]) for nth in np.flatnonzero((points == 1) & ~whole).tolist()
        ]
    result = assess(
        number[design.stratum[known]],
        mapped[known],
        reference.levels[known, design.level - 1],
        area_m2,
        tree.num_classes[design.level - 1],
        population,
        design.kin[groups],
        Guesses(guesses.at_points[known], guesses.mean),
    )
    return LevelAssessment(
        design.level,
        design.name,
        int(known.sum()),
        design.mapped_m2,
        float(area_m2.sum()),
        tuple(collapsed),
        result,
    )


def _join_few(
    present: NDArray[np.int64], sizes: NDArray[np.int64], design: _Design
) -> tuple[NDArray[np.int64], list[str]]:
    """Join post-strata with fewer than two points with the largest of their kin, else of all.

    Returns:
        (H,) the stratum that each present one goes to, and the names of those that went.
    """
    goes_to = {int(one): int(one) for one in present}
    joined: list[str] = []
    for few in sorted(present.tolist(), key=lambda one: design.area_m2[one]):
        members = [one for one, to in goes_to.items() if to == few]
        count, pixels = int(sizes[members].sum()), design.population
        if not members or count >= 2 or (pixels is not None and count >= pixels[members].sum()):
            continue
        others = sorted(set(goes_to.values()) - {few}, key=lambda one: -design.area_m2[one])
        kin = [one for one in others if design.kin[one] == design.kin[few] and sizes[one]]
        if not others:
            break
        target = (kin or others)[0]
        goes_to |= dict.fromkeys(members, target)
        joined += [str(design.names[one]) for one in members]
    return np.array([goes_to[int(one)] for one in present]), joined


def _level_dict(level: LevelAssessment, tree: Taxonomy) -> dict[str, Any]:
    result, total = level.result, level.total_m2
    estimates = {
        "users_accuracy": (result.users, 1.0),
        "producers_accuracy": (result.producers, 1.0),
        "area_m2": (result.area_share, total),
    }
    overall = {"overall_accuracy": _estimate_dict(result.overall, (), 1.0)}
    if result.assisted_overall is not None and result.assisted_area_share is not None:
        estimates["assisted_area_m2"] = (result.assisted_area_share, total)
        overall["assisted_overall_accuracy"] = _estimate_dict(result.assisted_overall, (), 1.0)
    classes = [
        {"name": name, "value": value, "mapped_m2": float(level.mapped_m2[index])}
        | {key: _estimate_dict(estimate, index, unit) for key, (estimate, unit) in estimates.items()}
        for index, (name, value) in enumerate(
            zip(tree.class_names(level.level), tree.class_values(level.level), strict=True)
        )
    ]
    return {
        "design": level.design,
        "points": level.points,
        "collapsed_strata": list(level.collapsed),
        **overall,
        "classes": classes,
        "counts": result.counts.tolist(),
        "proportions": result.proportions.tolist(),
    }


def _class_row(level: LevelAssessment, index: int, tree: Taxonomy) -> dict[str, object]:
    result, ha = level.result, 1e-4
    columns: dict[str, object] = {
        "level": level.level,
        "class_value": tree.class_values(level.level)[index],
        "class_name": tree.class_names(level.level)[index],
        "mapped_points": int(result.counts[index].sum()),
        "reference_points": int(result.counts[:, index].sum()),
        "mapped_ha": float(level.mapped_m2[index]) * ha,
    }
    for name, estimate, unit in (
        ("area_ha", result.area_share, level.total_m2 * ha),
        ("assisted_area_ha", result.assisted_area_share, level.total_m2 * ha),
        ("users_accuracy", result.users, 1.0),
        ("producers_accuracy", result.producers, 1.0),
    ):
        if estimate is None:
            continue
        columns[name] = float(estimate.value[index]) * unit
        columns[f"{name}_margin"] = float(estimate.margin[index]) * unit
    return columns


def _estimate_dict(estimate: Estimate, index: int | tuple[()], unit: float) -> dict[str, float | None]:
    value, error, margin = (
        float(array[index]) * unit for array in (estimate.value, estimate.error, estimate.margin)
    )
    if np.isnan(value):
        return {"value": None, "standard_error": None, "margin_95": None}
    return {"value": value, "standard_error": error, "margin_95": margin}
