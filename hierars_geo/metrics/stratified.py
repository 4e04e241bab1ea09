"""Accuracy and areas from a stratified random sample, with their standard errors.

Estimators of Stehman (2014, Int. J. Remote Sens. 35:4923): they hold whatever the strata were, so that a
sample drawn by one level of a class tree serves all of them. Where the strata are the mapped classes they are
those of Olofsson et al. (2014, Remote Sens. Environ. 148:42).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

Float = NDArray[np.float64]

#: Half-width of a 95 % confidence interval in standard errors.
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """Estimates and their standard errors, arrays of one shape.

    Attributes:
        value: Estimate; NaN where nothing can be said (a class that the sample never met).
        error: Standard error.
    """

    value: Float
    error: Float

    @property
    def margin(self) -> Float:
        """Half-width of the 95 % confidence interval."""
        return Z_95 * self.error


@dataclass(frozen=True)
class Assessment:
    """What a sample says about one level of a map.

    Attributes:
        counts: (C, C) int64 sample points, rows map, columns reference.
        proportions: (C, C) estimated share of the ground, rows map, columns reference; adds up to 1.
        overall: Scalar, overall accuracy.
        users: (C,) user's accuracy.
        producers: (C,) producer's accuracy.
        area_share: (C,) share of the ground that each reference class covers; the map's own is biased.
    """

    counts: NDArray[np.int64]
    proportions: Float
    overall: Estimate
    users: Estimate
    producers: Estimate
    area_share: Estimate


def assess(
    stratum: NDArray[np.integer],
    mapped: NDArray[np.integer],
    reference: NDArray[np.integer],
    weights: Float,
    num_classes: int,
) -> Assessment:
    """Estimate accuracy and areas from a stratified random sample.

    Args:
        stratum: (n,) stratum that each point was drawn from, 0..H-1.
        mapped: (n,) class that the map shows there, 0..C-1.
        reference: (n,) class that is there, 0..C-1.
        weights: (H,) area or pixels of each stratum, in any unit, > 0.
        num_classes: C.

    Returns:
        The estimates. Finite population corrections are left out, as in Olofsson et al.

    Raises:
        DataError: A stratum has fewer than 2 points: nothing can be said about its spread.

    Examples:
        Two strata of equal size, 10 points each, 9 and 8 of them right: overall accuracy 0.85.
    """
    sizes = np.bincount(stratum, minlength=len(weights))
    if (sizes < 2).any():
        poor = ", ".join(str(number) for number in np.flatnonzero(sizes < 2))
        raise DataError(f"Expected 2 or more points in every stratum, but got fewer in number {poor}.")
    sample = _Sample(np.asarray(stratum), sizes, np.asarray(weights, dtype=np.float64) / np.sum(weights))
    is_mapped = np.asarray(mapped)[:, None] == np.arange(num_classes)
    is_there = np.asarray(reference)[:, None] == np.arange(num_classes)
    right = is_mapped & is_there
    counts = np.bincount(
        np.asarray(mapped, dtype=np.int64) * num_classes + reference, minlength=num_classes**2
    ).reshape(num_classes, num_classes)
    both = is_mapped[:, :, None] & is_there[:, None, :]
    return Assessment(
        counts=counts,
        proportions=sample.mean(both.reshape(len(both), -1)).value.reshape(num_classes, num_classes),
        overall=sample.mean(right.any(axis=1)),
        users=sample.ratio(right, is_mapped),
        producers=sample.ratio(right, is_there),
        area_share=sample.mean(is_there),
    )


@dataclass(frozen=True)
class _Sample:
    """A stratified sample: stratum (n,), points per stratum (H,), shares of the strata (H,)."""

    stratum: NDArray[np.integer]
    sizes: NDArray[np.int64]
    shares: Float

    def mean(self, indicator: NDArray[np.bool_]) -> Estimate:
        """Estimate the share of the ground where an indicator (n, ...) is true (eq. 3 and 25)."""
        y = indicator.astype(np.float64)
        return Estimate(self._total(y), np.sqrt(self._variance(self._covariance(y, y))))

    def ratio(self, part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> Estimate:
        """Estimate the ratio of the grounds of two indicators (n, C) (eq. 27 and 28)."""
        y, x = part.astype(np.float64), whole.astype(np.float64)
        total = self._total(x)
        known = total > 0
        divisor = np.where(known, total, 1)
        value = np.where(known, self._total(y) / divisor, np.nan)
        spread = (
            self._covariance(y, y) + value**2 * self._covariance(x, x) - 2 * value * self._covariance(x, y)
        )
        # rounding may leave a spread of 0 a hair below it
        return Estimate(value, np.sqrt(np.maximum(self._variance(spread), 0)) / divisor)

    def _stratum_means(self, y: Float) -> Float:
        """(H, ...) mean of each stratum."""
        sums = np.zeros((len(self.sizes), *y.shape[1:]))
        np.add.at(sums, self.stratum, y)
        return sums / self._per_stratum(self.sizes, y)

    def _total(self, y: Float) -> Float:
        weighted: Float = (self._stratum_means(y) * self._per_stratum(self.shares, y)).sum(axis=0)
        return weighted

    def _covariance(self, x: Float, y: Float) -> Float:
        """(H, ...) sample covariance within each stratum."""
        count = self._per_stratum(self.sizes, y)
        moment = self._stratum_means(x * y) - self._stratum_means(x) * self._stratum_means(y)
        covariance: Float = moment * count / (count - 1)
        return covariance

    def _variance(self, spread: Float) -> Float:
        """Variance of a stratified mean from the variance within each stratum."""
        weight = self._per_stratum(self.shares**2 / self.sizes, spread)
        variance: Float = (weight * spread).sum(axis=0)
        return np.maximum(variance, 0)

    @staticmethod
    def _per_stratum(values: NDArray[np.generic], like: Float) -> Float:
        """Values (H,) shaped to multiply arrays (H, ...) as wide as ``like``."""
        return values.reshape(-1, *(1,) * (like.ndim - 1)).astype(np.float64)


__all__ = ("Z_95", "Assessment", "Estimate", "assess")
