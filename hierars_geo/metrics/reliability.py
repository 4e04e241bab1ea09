"""How far confidence can be believed: shares right by confidence, and the temperature that mends it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize_scalar  # type: ignore[attr-defined]
from scipy.special import logsumexp

from ..errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Bins of confidence, of equal width.
BINS = 15

#: (Confidence that is said, share that is right), from (0, 0) to (1, ...), rising.
Curve: TypeAlias = tuple[tuple[float, float], ...]

#: Knots of a curve lie at least this far apart.
_LEAST_STEP = 1e-4

#: Knots of a curve of confidence, each the mean of as many pixels.
KNOTS = 10

#: Of the curves of a diagram, in order; told apart in grey print, too.
_COLORS = ("#c44e52", "#1f5673", "#7f7f7f")

#: Of one level, by rising confidence: share of the pixels, mean confidence, share right; each 0..1.
Diagram: TypeAlias = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Reliability:
    """Counts by level and bin of confidence; they add up over parts of the ground.

    Attributes:
        pixels: (N, bins) int64 pixels.
        confidence: (N, bins) float64 sum of their confidence.
        right: (N, bins) int64 pixels whose class is right.
    """

    pixels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    right: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        confidence: NDArray[np.floating],
        right: NDArray[np.bool_],
        known: NDArray[np.bool_] | None = None,
        bins: int = BINS,
    ) -> "Reliability":
        """Count pixels.

        Args:
            confidence: (N, n) of the class that is shown, 0..1, by level and pixel.
            right: (N, n) whether it is right.
            known: (N, n) whether a label tells; None where all do.
            bins: Bins of equal width.
        """
        weight = np.ones(right.shape) if known is None else known.astype(np.float64)
        column = np.minimum((confidence * bins).astype(np.int64), bins - 1)
        code = column + bins * np.arange(len(column))[:, None]

        def summed(values: NDArray[np.floating]) -> NDArray[np.float64]:
            sums = np.bincount(code.ravel(), values.ravel(), bins * len(column))
            return sums.astype(np.float64).reshape(-1, bins)

        sure, hit = summed(weight * confidence), summed(weight * right)
        return cls(np.rint(summed(weight)).astype(np.int64), sure, np.rint(hit).astype(np.int64))

    def __add__(self, other: "Reliability") -> "Reliability":
        """Put the counts of two parts of the ground together."""
        return Reliability(
            self.pixels + other.pixels, self.confidence + other.confidence, self.right + other.right
        )

    def diagrams(self) -> tuple[Diagram, ...]:
        """Say per level and bin: share of the pixels, their mean confidence and the share that is right.

        Bins without pixels are left out; of a level without any nothing is left.
        """
        total = self.pixels.sum(axis=1, keepdims=True)
        found = []
        for level in range(len(self.pixels)):
            there = np.flatnonzero(self.pixels[level])
            count = self.pixels[level, there]
            sure, hit = self.confidence[level, there] / count, self.right[level, there] / count
            columns = (column.clip(0, 1).tolist() for column in (count / total[level], sure, hit))
            found.append(tuple(zip(*columns, strict=True)))
        return tuple(found)

    def calibration_error(self) -> NDArray[np.float64]:
        """Return the expected calibration error per level, (N,), 0..1 (Guo et al. 2017, ICML, eq. 5)."""
        gap = np.abs(self.confidence - self.right)
        error: NDArray[np.float64] = gap.sum(axis=1) / np.maximum(self.pixels.sum(axis=1), 1)
        return error


def draw_diagrams(diagrams: Mapping[str, Sequence[Diagram]], level_names: Sequence[str]) -> "Figure":
    """Draw reliability diagrams: the share that is right over confidence, one panel per level.

    On the diagonal confidence is what it says; below it the model is too sure. Dots are the larger the more
    pixels have that confidence.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.0 * len(level_names), 3.5), layout="constrained")
    for place, (axes, name) in enumerate(
        zip(figure.subplots(1, len(level_names), squeeze=False)[0], level_names, strict=True)
    ):
        axes.plot([0, 100], [0, 100], color="0.6", linewidth=1, linestyle="--")
        for (curve, levels), color in zip(diagrams.items(), _COLORS, strict=False):
            share, sure, right = (100 * np.array(column) for column in zip(*levels[place], strict=True))
            error = float((share * np.abs(sure - right)).sum()) / 100
            axes.plot(sure, right, color=color, linewidth=1.2, label=f"{curve}: off by {error:.1f} %")
            axes.scatter(sure, right, s=4 + 1.6 * share, color=color, clip_on=False)  # most are at 100 %
        axes.set_title(name, parse_math=False, fontsize="medium")
        axes.set_xlim(0, 102)
        axes.set_ylim(0, 102)
        axes.set_aspect("equal")
        axes.set_xlabel("confidence, %")
        axes.legend(fontsize="x-small", loc="upper left", frameon=False)
        if place == 0:
            axes.set_ylabel("share that is right, %")
    return figure


def fitted_temperature(path_logits: NDArray[np.floating], path: NDArray[np.integer]) -> float:
    """Find the temperature at which the labels are most probable (Guo et al. 2017, ICML, section 4.2).

    One temperature on the path logits leaves the best path, and so every map, as it is.

    Args:
        path_logits: (n, T) of labelled pixels.
        path: (n,) their true paths, 0..T-1.

    Returns:
        The temperature, > 0; above 1 where the model is too sure.

    Raises:
        DataError: There are no pixels.
    """
    if len(path) == 0:
        raise DataError(
            "Expected labelled pixels to calibrate on, but got none. Keep ground with labels apart."
        )
    scores = np.asarray(path_logits, dtype=np.float64)
    of_label = scores[np.arange(len(path)), path]

    def surprise(log_temperature: float) -> float:
        inverse = np.exp(-log_temperature)
        return float(np.mean(logsumexp(scores * inverse, axis=1) - of_label * inverse))

    best = minimize_scalar(surprise, bounds=(-3.0, 3.0), method="bounded")  # type: ignore[no-untyped-call]
    return float(np.exp(best.x))


def fitted_curve(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> Curve:
    """Find how often one level is right at each confidence: a line through means, which never falls.

    Pixels in order of their confidence are cut into parts of the same size; shares that fall from one to the
    next are pooled (isotonic regression, Zadrozny and Elkan 2002, KDD).

    Args:
        confidence: (n,) of labelled pixels, 0..1.
        right: (n,) whether the class is right.

    Returns:
        Confidence that is said, and share that is right, from (0, 0) to a confidence of 1.
    """
    ordered = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(ordered, KNOTS) if len(part)]
    said = np.array([confidence[part].mean(dtype=np.float64) for part in parts]).clip(0, 1)
    hit = isotonic_regression([right[part].mean() for part in parts], weights=[len(part) for part in parts]).x
    line = [(0.0, 0.0)]
    for sure, share in [*zip(said.tolist(), hit.tolist(), strict=True), (1.0, (1 + float(hit[-1])) / 2)]:
        if sure > line[-1][0] + _LEAST_STEP:
            line.append((sure, min(max(share, line[-1][1]), 1.0)))
    line[-1] = (1.0, line[-1][1])
    return tuple(line)
