"""Scores of an evaluation, read from the metrics.json of ``hierars-geo evaluate`` and checked at the door."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import DataError, MissingFileError
from ..taxonomy import Taxonomy

Share = Annotated[float, Field(ge=0, le=1)]
Score = Share | None
Count = Annotated[int, Field(ge=0)]
_Model = TypeVar("_Model", bound=BaseModel)


#: What `evaluate` calls the rows of a comparison with another legend, whose classes are not the tree's.
COMMON_CLASSES = "common classes"


class Part(BaseModel):
    """A part of a file of ``hierars-geo evaluate``; what a reader does not know is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ClassScore(Part):
    """Scores of one class; None where undefined (a class that does not occur)."""

    name: str
    value: int
    iou: Score
    f1: Score
    precision: Score
    recall: Score
    support: Count
    predicted: Count


class LevelScore(Part):
    """Scores of one level; ``confusion[i][j]`` counts pixels of reference class i that were mapped as j.

    ``pixels`` are those whose label decides the level; None where an old file does not say. ``reliability``
    holds, by rising confidence, the share of the pixels, their mean confidence and the share that is right.
    """

    pixels: Count | None = None
    oa: Score
    miou: Score
    mf1: Score
    calibration_error: Score = None
    reliability: tuple[tuple[Share, Share, Share], ...] = ()
    classes: tuple[ClassScore, ...] = ()
    confusion: tuple[tuple[Count, ...], ...] = ()


class Calibrated(Part):
    """What an item says of the calibration of its model; diagrams by curve, level and bin."""

    blocks: Count
    block_m: float
    split: str
    diagrams: dict[str, tuple[tuple[tuple[Share, Share, Share], ...], ...]] = {}


class TreeDistance(Part):
    """Mean number of wrong levels, over all pixels and over the wrong ones."""

    mean_all: float | None = None
    mean_errors: float | None = None


class Evaluation(Part):
    """The whole file, or one region of it; levels by ``L1`` .. ``LN``."""

    taxonomy: str
    pixels: Count = 0
    ignored: Count = 0
    consistency: Score = None
    tree_distance: TreeDistance = TreeDistance()
    levels: dict[str, LevelScore]
    region: str = ""
    regions: tuple["Evaluation", ...] = ()

    def level(self, number: int) -> LevelScore | None:
        """Scores of a level (from 1), None where it was not scored."""
        return self.levels.get(f"L{number}")


def read_evaluation(
    metrics: Path | Mapping[str, Any], taxonomy: Taxonomy, name: str = "metrics"
) -> Evaluation:
    """Read scores and check that they are of a class tree.

    Args:
        metrics: A metrics.json or metrics.csv of ``hierars-geo evaluate``, or the content of the former.
        taxonomy: The class tree of the maps.
        name: What the scores are called in messages when they come as a mapping.

    Raises:
        MissingFileError: No such file.
        DataError: It is no metrics file, or of another class tree.
    """
    origin = str(metrics) if isinstance(metrics, Path) else f"the scores '{name}'"
    if isinstance(metrics, Path) and metrics.suffix.lower() == ".csv":
        content: object = _read_csv(metrics, taxonomy)
    else:
        content = read_json(metrics) if isinstance(metrics, Path) else metrics
    evaluation = check_content(Evaluation, content, origin, "scores of 'hierars-geo evaluate'")
    _check_tree(evaluation, taxonomy, origin)
    return evaluation


def check_content(model: type[_Model], content: object, origin: str, what: str) -> _Model:
    """Hold the content of a file to a model of it.

    Raises:
        DataError: It is another; the first key that does not fit is named.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top)"
        raise DataError(
            f"Expected {origin} to be {what}, but {key}: {first['msg']}. Evaluate again."
        ) from error


def read_json(path: Path) -> object:
    """Read a file that ``hierars-geo evaluate`` wrote.

    Raises:
        MissingFileError: No such file.
        DataError: It is no JSON.
    """
    _check_exists(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"Expected {path} to be JSON, but got: {' '.join(str(error).split())}. Evaluate again."
        ) from error


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise MissingFileError(
            f"Expected {path} to be a metrics file, but it does not exist. Check the path."
        )


def _read_csv(path: Path, taxonomy: Taxonomy) -> dict[str, Any]:
    """Read a table of scores; it has no confusion matrices and does not name its class tree.

    Raises:
        MissingFileError: No such file.
        DataError: It is another table.
    """
    _check_exists(path)
    try:
        table = pd.read_csv(path, dtype={"region": str}, na_values=[""], keep_default_na=False)
        table["region"] = table["region"].fillna("")
        table = table[table["region"] != COMMON_CLASSES]  # those of another legend's comparison
        parts = [_of_region(rows, taxonomy, str(name)) for name, rows in table.groupby("region", sort=False)]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"Expected {path} to be a table of 'hierars-geo evaluate', but got: "
            f"{' '.join(str(error).split())}. Evaluate again."
        ) from error
    whole = next((part for part in parts if not part["region"]), None)
    if whole is None:
        raise DataError(f"Expected scores of the whole map, but got none (in {path}). Evaluate again.")
    return whole | {"regions": [part for part in parts if part["region"]]}


def _of_region(rows: pd.DataFrame, taxonomy: Taxonomy, region: str) -> dict[str, Any]:
    levels = {}
    for level, of_level in rows.groupby("level"):
        plain = of_level.astype(object).where(of_level.notna(), None).to_dict("records")
        classes = [row | {"name": row["class_name"], "value": row["class_value"]} for row in plain]
        levels[f"L{level}"] = {key: plain[0][key] for key in ("pixels", "oa", "miou", "mf1")}
        levels[f"L{level}"] |= {"classes": classes}
    return {
        "taxonomy": taxonomy.name,
        "region": region,
        "pixels": int(rows["pixels"].iloc[-1]),
        "levels": levels,
    }


def _check_tree(evaluation: Evaluation, taxonomy: Taxonomy, origin: str) -> None:
    if evaluation.taxonomy != taxonomy.name:
        raise DataError(
            f"Expected scores of taxonomy {taxonomy.name}, but got scores of {evaluation.taxonomy} "
            f"(in {origin}). Give the metrics file of these maps."
        )
    known = [f"L{number}" for number in range(1, taxonomy.num_levels + 1)]
    for key, level in evaluation.levels.items():
        if key not in known:
            raise DataError(
                f"Expected scores of levels {', '.join(known)}, but got {key} (in {origin}). "
                "Give the metrics file of these maps."
            )
        expected = list(taxonomy.class_names(known.index(key) + 1))
        found = [score.name for score in level.classes]
        if found and found != expected:
            raise DataError(
                f"Expected the classes of taxonomy {taxonomy.name} at {key}, {', '.join(expected[:6])}, ..., "
                f"but got {', '.join(found[:6])}, ... (in {origin}). Evaluate again with this class tree."
            )
        size = len(expected)
        if level.confusion and {len(row) for row in (level.confusion, *level.confusion)} != {size}:
            raise DataError(
                f"Expected a confusion matrix of {size} x {size} at {key}, "
                f"but got {len(level.confusion)} rows of {max(map(len, level.confusion))} (in {origin}). "
                "Evaluate again."
            )
