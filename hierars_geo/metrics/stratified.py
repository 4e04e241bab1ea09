"""Accuracy and areas from a stratified random sample, with their standard errors.

Estimators of Stehman (2014, Int. J. Remote Sens. 35:4923): they hold whatever the strata were, so that a
sample drawn by one level of a class tree serves all of them. Where the strata are the mapped classes they are
those of Olofsson et al. (2014, Remote Sens. Environ. 148:42).

Where the size of the strata is known, variances carry the finite population correction 1 - n/N of Stehman's
equations: a stratum whose pixels are all labelled adds nothing to an error. A stratum with a single labelled
point takes its variance from that point and those of its nearest kin together (collapsed strata: Cochran
1977, Sampling Techniques, sec. 5A.12; Wolter 2007, Introduction to Variance Estimation, sec. 2.5), which is
too large rather than too small.
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
    population: NDArray[np.integer] | None = None,
    kin: NDArray[np.integer] | None = None,
) -> Assessment:
    """Estimate accuracy and areas from a stratified random sample.

    Args:
        stratum: (n,) stratum that each point was drawn from, 0..H-1.
        mapped: (n,) class that the map shows there, 0..C-1.
        reference: (n,) class that is there, 0..C-1.
        weights: (H,) area or pixels of each stratum, in any unit, > 0.
        num_classes: C.
        population: (H,) pixels of each stratum; None for many more than points, as in Olofsson et al.
        kin: (H,) number of the family of each stratum: one with a single point is collapsed with the largest
            of its family that has points, else with the largest of all. None for one family.

    Returns:
        The estimates.

    Raises:
        DataError: A stratum has no points, or all ground is one stratum with a single point.

    Examples:
        Two strata of equal size, 10 points each, 9 and 8 of them right: overall accuracy 0.85.
    """
    sizes = np.bincount(stratum, minlength=len(weights))
    if (sizes < 1).any():
        poor = ", ".join(str(number) for number in np.flatnonzero(sizes < 1))
        raise DataError(f"Expected points in every stratum, but got none in number {poor}.")
    rest = np.ones(len(sizes)) if population is None else np.clip(1 - sizes / population, 0, 1)
    single = np.flatnonzero((sizes == 1) & (rest > 0))
    if len(single) and len(sizes) == 1:
        raise DataError("Expected 2 or more points in the only stratum, but got 1.")
    families = np.zeros(len(sizes), dtype=np.int64) if kin is None else np.asarray(kin)
    partners = {int(lone): _partner(int(lone), np.asarray(weights), families) for lone in single}
    shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    sample = _Sample(np.asarray(stratum), sizes, shares, rest, partners)
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


def _partner(lone: int, weights: Float, families: NDArray[np.integer]) -> int:
    """The stratum whose points help out where there is one: the largest of the family, else of all."""
    others = np.arange(len(weights)) != lone
    family = others & (families == families[lone])
    return int(np.argmax(np.where(family if family.any() else others, weights, -1)))


@dataclass(frozen=True)
class _Sample:
    """A stratified sample of H strata.

    Attributes:
        stratum: (n,) stratum of each point.
        sizes: (H,) points.
        shares: (H,) share of the ground.
        rest: (H,) share of the pixels that was not drawn.
        partners: Stratum with a single point -> the one that it is collapsed with.
    """

    stratum: NDArray[np.integer]
    sizes: NDArray[np.int64]
    shares: Float
    rest: Float
    partners: dict[int, int]

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
        covariance: Float = moment * count / np.maximum(count - 1, 1)
        for lone, partner in self.partners.items():
            pooled = np.isin(self.stratum, (lone, partner))
            a, b, n = x[pooled], y[pooled], int(pooled.sum())
            covariance[lone] = ((a * b).mean(axis=0) - a.mean(axis=0) * b.mean(axis=0)) * n / (n - 1)
        return covariance

    def _variance(self, spread: Float) -> Float:
        """Variance of a stratified mean from the variance within each stratum."""
        weight = self._per_stratum(self.rest * self.shares**2 / self.sizes, spread)
        variance: Float = (weight * spread).sum(axis=0)
        return np.maximum(variance, 0)

    @staticmethod
    def _per_stratum(values: NDArray[np.generic], like: Float) -> Float:
        """Values (H,) shaped to multiply arrays (H, ...) as wide as ``like``."""
        return values.reshape(-1, *(1,) * (like.ndim - 1)).astype(np.float64)


__all__ = ("Z_95", "Assessment", "Estimate", "assess")
