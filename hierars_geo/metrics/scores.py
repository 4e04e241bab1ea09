"""Scores from an accumulated confusion matrix: pure functions of arrays.

Rows are the reference, columns the prediction. A score whose denominator is 0 is NaN and left out of means;
a class that is predicted but never occurs has IoU 0 and counts.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..taxonomy import Taxonomy

Float = NDArray[np.float64]


class LevelScores(NamedTuple):
    """Scores of one level.

    Attributes:
        confusion: (C, C) int64, rows reference, columns prediction.
        iou: (C,) intersection over union, 0..1 or NaN.
        f1: (C,) F1 score.
        precision: (C,) user's accuracy.
        recall: (C,) producer's accuracy.
        oa: Overall accuracy, NaN where no pixel has a label.
    """

    confusion: NDArray[np.int64]
    iou: Float
    f1: Float
    precision: Float
    recall: Float
    oa: float

    @property
    def miou(self) -> float:
        """Mean IoU over the classes that occur or are predicted."""
        return _mean(self.iou)

    @property
    def mf1(self) -> float:
        """Mean F1 over the classes that occur or are predicted."""
        return _mean(self.f1)

    @property
    def support(self) -> NDArray[np.int64]:
        """(C,) reference pixels."""
        count: NDArray[np.int64] = self.confusion.sum(axis=1)
        return count

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(C,) predicted pixels among those with a label."""
        count: NDArray[np.int64] = self.confusion.sum(axis=0)
        return count


class HierarchicalScores(NamedTuple):
    """Scores of all levels.

    Attributes:
        levels: Coarsest first.
        agreement: (N + 1,) int64; entry d counts the pixels whose first d levels are right and whose next is
            not (entry N: right everywhere).
        consistency: Share of pixels whose per-level argmax is a legal path, before decoding; None where
            unknown.
        ignored: Pixels without a label.
    """

    levels: tuple[LevelScores, ...]
    agreement: NDArray[np.int64]
    consistency: float | None
    ignored: int

    @property
    def mean_tree_distance(self) -> float:
        """Mean over all pixels of N minus the levels that are right: 0 is right, N wrong from level 1 on."""
        count = int(self.agreement.sum())
        distance = len(self.agreement) - 1 - np.arange(len(self.agreement))
        return float((distance * self.agreement).sum() / count) if count else float("nan")

    @property
    def mean_error_distance(self) -> float:
        """The same over the wrong pixels alone (how bad a mistake is): 1..N, NaN without mistakes."""
        wrong = int(self.agreement[:-1].sum())
        return self.mean_tree_distance * int(self.agreement.sum()) / wrong if wrong else float("nan")

    def to_dict(self, taxonomy: Taxonomy) -> dict[str, Any]:
        """Return plain values with names for JSON; NaN becomes None.

        Args:
            taxonomy: The tree that was scored.

        Returns:
            The content of a metrics.json.
        """
        return {
            "taxonomy": taxonomy.name,
            "pixels": int(self.levels[-1].confusion.sum()),
            "ignored": self.ignored,
            "consistency": self.consistency,
            "tree_distance": {
                "mean_all": _or_none(self.mean_tree_distance),
                "mean_errors": _or_none(self.mean_error_distance),
            },
            "levels": {
                f"L{number}": _level_dict(scores, taxonomy, number)
                for number, scores in enumerate(self.levels, start=1)
            },
        }

    def to_rows(self, taxonomy: Taxonomy) -> list[dict[str, Any]]:
        """Return one flat row per level and class, for a table; NaN where undefined.

        Args:
            taxonomy: The tree that was scored.
        """
        return [
            {
                "level": number,
                "pixels": int(scores.confusion.sum()),
                "oa": scores.oa,
                "miou": scores.miou,
                "mf1": scores.mf1,
                "class_value": value,
                "class_name": name,
                "iou": float(scores.iou[index]),
                "f1": float(scores.f1[index]),
                "precision": float(scores.precision[index]),
                "recall": float(scores.recall[index]),
                "support": int(scores.support[index]),
                "predicted": int(scores.predicted[index]),
            }
            for number, scores in enumerate(self.levels, start=1)
            for index, (name, value) in enumerate(
                zip(taxonomy.class_names(number), taxonomy.class_values(number), strict=True)
            )
        ]


def level_scores(confusion: NDArray[np.int64]) -> LevelScores:
    """Compute the scores of one level.

    Args:
        confusion: (C, C) int64, rows reference, columns prediction.

    Returns:
        The scores.
    """
    hit = np.diag(confusion).astype(np.float64)
    reference, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return LevelScores(
        confusion=confusion,
        iou=_ratio(hit, reference + predicted - hit),
        f1=_ratio(2 * hit, reference + predicted),
        precision=_ratio(hit, predicted),
        recall=_ratio(hit, reference),
        oa=float(_ratio(hit.sum(), confusion.sum())),
    )


def _ratio(part: Float | float, whole: NDArray[Any] | float) -> Float:
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    ratio: Float = np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)
    return ratio


def _mean(values: Float) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _level_dict(scores: LevelScores, taxonomy: Taxonomy, level: int) -> dict[str, Any]:
    columns: Sequence[tuple[str, Float]] = (
        ("iou", scores.iou),
        ("f1", scores.f1),
        ("precision", scores.precision),
        ("recall", scores.recall),
    )
    classes = [
        {"name": name, "value": value}
        | {key: _or_none(column[index]) for key, column in columns}
        | {"support": int(scores.support[index]), "predicted": int(scores.predicted[index])}
        for index, (name, value) in enumerate(
            zip(taxonomy.class_names(level), taxonomy.class_values(level), strict=True)
        )
    ]
    return {
        "pixels": int(scores.confusion.sum()),
        "oa": _or_none(scores.oa),
        "miou": _or_none(scores.miou),
        "mf1": _or_none(scores.mf1),
        "classes": classes,
        "confusion": scores.confusion.tolist(),
    }


__all__ = ("HierarchicalScores", "LevelScores", "level_scores")
