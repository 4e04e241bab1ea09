"""Estimates from reference points, read from the accuracy.json of ``hierars-geo evaluate`` and checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import DataError
from ..taxonomy import Taxonomy
from .scores import read_json

Count = Annotated[int, Field(ge=0)]
NonNegative = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Interval(_Part):
    """An estimate and half the width of its 95 % interval; None where nothing can be said."""

    value: float | None
    margin_95: NonNegative | None


class ClassEstimate(_Part):
    """Estimates of one class; areas in m2, accuracies 0..1."""

    name: str
    mapped_m2: NonNegative
    users_accuracy: Interval
    producers_accuracy: Interval
    area_m2: Interval


class LevelEstimate(_Part):
    """Estimates of one level; rows of counts and proportions are the map, columns the reference."""

    design: str
    points: Count
    overall_accuracy: Interval
    classes: tuple[ClassEstimate, ...]
    counts: tuple[tuple[Count, ...], ...]
    proportions: tuple[tuple[NonNegative, ...], ...]


class Estimates(_Part):
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
    try:
        estimates = Estimates.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top)"
        raise DataError(
            f"Expected {path} to be estimates of 'hierars-geo evaluate MAPS POINTS', but {key}: "
            f"{first['msg']}. Evaluate again."
        ) from error
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
    """Refuse classes that are not those of the tree, and tables of another size.

    Raises:
        DataError: They differ.
    """
    if estimate is None:
        return
    names = taxonomy.class_names(level)
    sizes = {len(row) for table in (estimate.counts, estimate.proportions) for row in (table, *table)}
    if tuple(one.name for one in estimate.classes) != names or sizes != {len(names)}:
        raise DataError(
            f"Expected the {len(names)} classes of taxonomy {taxonomy.name} at L{level}, but got others "
            f"(in {path}). Evaluate again with this class tree."
        )


__all__ = ("ClassEstimate", "Estimates", "Interval", "LevelEstimate", "read_estimates")
