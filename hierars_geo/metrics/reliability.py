"""How far confidence can be believed: shares right by confidence, and the temperature that mends it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from ..errors import DataError

_BINS = 15


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
        cls, confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = _BINS
    ) -> "Reliability":
        """Count pixels.

        Args:
            confidence: (N, n) of the class that is shown, 0..1, by level and pixel.
            right: (N, n) whether it is right.
            bins: Bins of equal width.
        """
        column = np.minimum((confidence * bins).astype(np.int64), bins - 1)
        code = column + bins * np.arange(len(column))[:, None]

        def summed(weights: NDArray[np.generic] | None) -> NDArray[np.float64]:
            flat = None if weights is None else weights.ravel()
            sums = np.bincount(code.ravel(), flat, bins * len(column))
            return sums.astype(np.float64).reshape(-1, bins)

        return cls(summed(None).astype(np.int64), summed(confidence), summed(right).astype(np.int64))

    def __add__(self, other: "Reliability") -> "Reliability":
        """Put the counts of two parts of the ground together."""
        return Reliability(
            self.pixels + other.pixels, self.confidence + other.confidence, self.right + other.right
        )

    def calibration_error(self) -> NDArray[np.float64]:
        """Return the expected calibration error per level, (N,), 0..1 (Guo et al. 2017, ICML, eq. 5)."""
        gap = np.abs(self.confidence - self.right)
        error: NDArray[np.float64] = gap.sum(axis=1) / np.maximum(self.pixels.sum(axis=1), 1)
        return error


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


__all__ = ("Reliability", "fitted_temperature")
