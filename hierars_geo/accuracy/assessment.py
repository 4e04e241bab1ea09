"""Accuracy and areas of a scene's maps from reference points, level by level, with 95 % intervals."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, HieraRSWarning
from ..grid import Window
from ..metrics import Assessment, Estimate, assess
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX
from ..vector import PathMap, find_map_files, find_taxonomy, open_path_map
from .reference_points import ReferencePoints, read_reference_points
from .sampling import REFERENCE_COLUMN
from .strata import Progress, count_paths

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
        result: The estimates.
    """

    level: int
    design: Design
    points: int
    mapped_m2: NDArray[np.float64]
    total_m2: float
    result: Assessment


@dataclass(frozen=True)
class SceneAssessment:
    """What the points say about the maps of a scene.

    Attributes:
        scene: Name of the scene.
        taxonomy: The class tree.
        levels: Coarsest first.
        unlabelled: Points without a class at the finest level that counts.
    """

    scene: str
    taxonomy: Taxonomy
    levels: tuple[LevelAssessment, ...]
    unlabelled: int

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
        }


def assess_maps(
    source: str | Path,
    points: str | Path,
    taxonomy: Taxonomy | str | Path | None = None,
    column: str = REFERENCE_COLUMN,
    progress: Progress | None = None,
) -> SceneAssessment:
    """Estimate accuracy and areas of a scene's maps.

    Points of a file with a table ``strata`` are taken as drawn from those strata. Others are taken as a
    random sample and weighted by the areas of the map's classes (post-stratification); choose them at random.

    Args:
        source: Folder of one scene that predict wrote to, or a class raster.
        points: Points with their classes.
        taxonomy: The class tree; default what comes with the maps.
        column: Column with the class.
        progress: Called with (rows done, rows in all).

    Returns:
        The estimates of every level.

    Raises:
        DataError: Points lie outside the map or where it has no class, too few of them are labelled, or the
            levels of the maps contradict each other.
        HieraRSError: A file cannot be read.
    """
    files = find_map_files(source)
    tree = find_taxonomy(files, taxonomy)
    with open_path_map(files, tree) as maps:
        reference = read_reference_points(points, maps.grid, tree, column)
        mapped = _mapped_levels(maps, reference)
        counts = count_paths(maps, progress)
        depth, assessed = mapped.shape[1], []
        for level in range(1, depth + 1):
            strata = counts.strata(level)
            area_m2 = np.zeros(tree.num_classes[level - 1])
            area_m2[strata.classes] = strata.area_m2
            assessed.append(_assess_level(level, mapped[:, level - 1], reference, area_m2, tree))
    unlabelled = int((reference.levels[:, depth - 1] == IGNORE_INDEX).sum())
    if unlabelled:
        warnings.warn(
            f"{unlabelled} of {len(reference.x)} points have no class of level "
            f"{tree.level_names[depth - 1]}: taken as missing at random.",
            HieraRSWarning,
            stacklevel=2,
        )
    return SceneAssessment(files.scene, tree, tuple(assessed), unlabelled)


def _mapped_levels(maps: PathMap, reference: ReferencePoints) -> NDArray[np.int64]:
    """(n, D) class index of the map at every point.

    Raises:
        DataError: Points lie outside the map, or where it has no class; they are counted.
    """
    cols, rows = (
        np.floor(axis).astype(np.int64) for axis in ~maps.grid.transform @ (reference.x, reference.y)
    )
    height, width = maps.grid.shape
    outside = (rows < 0) | (rows >= height) | (cols < 0) | (cols >= width)
    if outside.any():
        first = int(outside.argmax())
        raise DataError(
            f"Expected points on the map, but {outside.sum()} of {len(rows)} lie outside, first number "
            f"{first} at {reference.x[first]:g}, {reference.y[first]:g} (in {reference.path}). Check the CRS."
        )
    path = np.array(
        [int(maps.read(Window(row, col, 1, 1))[0, 0]) for row, col in zip(rows, cols, strict=True)]
    )
    blank = path == maps.decoder.nodata
    if blank.any():
        raise DataError(
            f"Expected points where the map has a class, but {blank.sum()} of {len(rows)} lie on nodata, "
            f"first number {int(blank.argmax())} (in {reference.path}). Remove them."
        )
    levels: NDArray[np.int64] = maps.decoder.paths[path]
    return levels


def _assess_level(
    level: int,
    mapped: NDArray[np.int64],
    reference: ReferencePoints,
    area_m2: NDArray[np.float64],
    tree: Taxonomy,
) -> LevelAssessment:
    there = reference.levels[:, level - 1]
    known = there != IGNORE_INDEX
    if reference.stratum is not None and reference.strata is not None:
        design, stratum = "strata", reference.stratum
        weights = reference.strata["area_m2"].to_numpy(dtype=np.float64)
        names = [str(value) for value in reference.strata["stratum"]]
    else:
        design, stratum, weights = "map", mapped, area_m2
        names = list(tree.class_names(level))
    present = np.flatnonzero(weights > 0)
    few = [nth for nth in present if (stratum[known] == nth).sum() < 2]
    if few:
        raise DataError(
            f"Expected 2 or more labelled points in every stratum, but got fewer in "
            f"{', '.join(names[nth] for nth in few[:5])} at level {tree.level_names[level - 1]} (in "
            f"{reference.path}). Label more points there."
        )
    renumbered = np.searchsorted(present, stratum[known])
    result = assess(renumbered, mapped[known], there[known], weights[present], tree.num_classes[level - 1])
    return LevelAssessment(level, design, int(known.sum()), area_m2, float(weights.sum()), result)


def _level_dict(level: LevelAssessment, tree: Taxonomy) -> dict[str, Any]:
    result, total = level.result, level.total_m2
    estimates = {
        "users_accuracy": (result.users, 1.0),
        "producers_accuracy": (result.producers, 1.0),
        "area_m2": (result.area_share, total),
    }
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
        "overall_accuracy": _estimate_dict(result.overall, (), 1.0),
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
        ("users_accuracy", result.users, 1.0),
        ("producers_accuracy", result.producers, 1.0),
    ):
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


__all__ = ("LevelAssessment", "SceneAssessment", "assess_maps")
