"""Scores from an accumulated confusion matrix, or from counts of pairs: pure functions of arrays.

Rows are the reference, columns the prediction. A score whose denominator is 0 is NaN and left out of means;
a class that is predicted but never occurs has IoU 0 and counts.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX
from .reliability import Reliability

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
        reliability: How far the confidence can be believed; None without confidences.
    """

    levels: tuple[LevelScores, ...]
    agreement: NDArray[np.int64]
    consistency: float | None
    ignored: int
    reliability: Reliability | None = None

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
        """Return plain values with names for JSON; NaN becomes None."""
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
                f"L{number}": _level_dict(scores, taxonomy, number) | self._trust(number)
                for number, scores in enumerate(self.levels, start=1)
            },
        }

    def calibration_error(self, level: int) -> float:
        """Expected calibration error of a level, 0..1; NaN where it has no confidence."""
        if self.reliability is None or not self.reliability.pixels[level - 1].any():
            return float("nan")
        return float(self.reliability.calibration_error()[level - 1])

    def _trust(self, level: int) -> dict[str, Any]:
        error = self.calibration_error(level)
        if self.reliability is None or np.isnan(error):
            return {}
        return {"calibration_error": error, "reliability": self.reliability.diagrams()[level - 1]}

    def to_rows(self, taxonomy: Taxonomy) -> list[dict[str, Any]]:
        """Return one flat row per level and class, for a table; NaN where undefined."""
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


#: Up to this many combinations of classes of all levels are found by a table, more by sorting.
_TABLE_SIZE = 1 << 22


class PairCounts:
    """Count pixels by the symbol of the map and the reference; everything else follows from few pairs.

    Args:
        taxonomy: The tree.
        chains: (S, D) class index of every symbol of the map at levels 1..D; ``IGNORE_INDEX`` where a symbol
            has no class.
    """

    def __init__(self, taxonomy: Taxonomy, chains: NDArray[np.int64]) -> None:
        self._sizes = taxonomy.num_classes
        self._chains = chains
        levels = range(1, taxonomy.num_levels + 1)
        leaves = np.stack([taxonomy.lift_table(level) for level in levels], axis=1)
        #: (C_N + 1, N), the last without a label
        self._leaf_chains = np.concatenate([leaves, np.full((1, len(levels)), IGNORE_INDEX)])
        self._by_leaf = np.zeros((len(self._leaf_chains), len(chains)), dtype=np.int64)
        self._by_code: dict[int, NDArray[np.int64]] = {}

    def add(self, symbol: NDArray[np.integer], reference: NDArray[np.int64]) -> None:
        """Count pixels.

        Args:
            symbol: (...) symbols of the map, 0..S-1.
            reference: (...) leaf indices, or (N, ...) class indices per level; negative without a label.
        """
        symbols = len(self._chains)
        if reference.ndim == symbol.ndim:
            code = np.where(reference < 0, len(self._by_leaf) - 1, reference) * symbols + symbol
            self._by_leaf += np.bincount(code.ravel(), minlength=self._by_leaf.size).reshape(
                self._by_leaf.shape
            )
            return
        sizes = tuple(size + 1 for size in self._sizes)
        shifted = np.where(reference < 0, 0, reference + 1)
        codes = np.ravel_multi_index(tuple(shifted), sizes).ravel()
        if math.prod(sizes) <= _TABLE_SIZE:
            present = np.flatnonzero(np.bincount(codes))
            place = np.zeros(math.prod(sizes), dtype=np.int64)
            place[present] = np.arange(len(present))
            nth = place[codes]
        else:
            present, nth = np.unique(codes, return_inverse=True)
        counts = np.bincount(nth * symbols + symbol.ravel(), minlength=len(present) * symbols)
        for code_, row in zip(present.tolist(), counts.reshape(len(present), symbols), strict=True):
            self._by_code[code_] = self._by_code.get(code_, 0) + row

    def compute(self) -> HierarchicalScores:
        """Return the scores of everything counted so far.

        Levels below the finest of the map have no pixels. A pixel that the map has no class for counts as not
        labelled.
        """
        reference, counts = self._pairs()
        depth, levels = self._chains.shape[1], len(self._sizes)
        mapped = (self._chains >= 0).all(axis=1)
        confusions = [
            _confusion(reference[:, level], self._chains[:, level], counts * mapped, size)
            if level < depth
            else np.zeros((size, size), dtype=np.int64)
            for level, size in enumerate(self._sizes)
        ]
        agreement = np.zeros(levels + 1, dtype=np.int64)
        if depth == levels:
            same = reference[:, None, :] == self._chains[None, :, :]
            right = same.cumprod(axis=2).sum(axis=2)
            complete = np.outer((reference >= 0).all(axis=1), mapped)
            np.add.at(agreement, right[complete], counts[complete])
        labelled = np.outer(reference[:, -1] >= 0, mapped)
        return HierarchicalScores(
            levels=tuple(level_scores(confusion) for confusion in confusions),
            agreement=agreement,
            consistency=None,
            ignored=int(counts[~labelled].sum()),
        )

    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Reference chains (R, N) and counts (R, S)."""
        if not self._by_code:
            return self._leaf_chains, self._by_leaf
        sizes = tuple(size + 1 for size in self._sizes)
        codes = np.array(list(self._by_code), dtype=np.int64)
        chains = np.stack(np.unravel_index(codes, sizes), axis=1) - 1
        counts = np.stack(list(self._by_code.values()))
        return np.concatenate([self._leaf_chains, chains]), np.concatenate([self._by_leaf, counts])


def _confusion(
    reference: NDArray[np.int64], mapped: NDArray[np.int64], counts: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """(C, C) from counts (R, S) of pairs; rows reference, columns map."""
    there, shown = np.flatnonzero(reference >= 0), np.flatnonzero(mapped >= 0)
    confusion = np.zeros((size, size), dtype=np.int64)
    at = np.ix_(there, shown)
    np.add.at(confusion, (reference[there][:, None], mapped[shown][None, :]), counts[at])
    return confusion
