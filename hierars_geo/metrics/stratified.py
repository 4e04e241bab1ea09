"""Accuracy and areas from a stratified random sample, with standard errors, and how large it has to be.

Estimators of Stehman (2014, Int. J. Remote Sens. 35:4923): they hold whatever the strata were, so that a
sample drawn by one level of a class tree serves all of them. Where the strata are the mapped classes they are
those of Olofsson et al. (2014, Remote Sens. Environ. 148:42).

Where the size of the strata is known, variances carry the finite population correction 1 - n/N of Stehman's
equations: a stratum whose pixels are all labelled adds nothing to an error. A stratum with a single labelled
point takes its variance from that point and those of its nearest kin together (collapsed strata: Cochran
1977, Sampling Techniques, sec. 5A.12; Wolter 2007, Introduction to Variance Estimation, sec. 2.5), which is
too large rather than too small.

A map tells something of all ground, not of the points alone. The model-assisted estimates use that: a guess
that is known everywhere (the confidence of the class shown) is averaged over the map and put right by what
the points show of its mistakes, weighted so that the variance is least. That is the difference estimator of
survey sampling (Sarndal, Swensson and Wretman 1992, Model Assisted Survey Sampling, sec. 6.3) with the weight
of prediction-powered inference (Angelopoulos, Duchi and Zrnic 2023, PPI++, arXiv 2311.01453). A bad guess
costs nothing: its weight is then near 0.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, OptionError

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
        assisted_overall: Scalar, overall accuracy with the help of guesses; None without them.
        assisted_area_share: (C,) share of the ground with their help.
    """

    counts: NDArray[np.int64]
    proportions: Float
    overall: Estimate
    users: Estimate
    producers: Estimate
    area_share: Estimate
    assisted_overall: Estimate | None = None
    assisted_area_share: Estimate | None = None


@dataclass(frozen=True)
class Guesses:
    """What a map says everywhere of how right it is.

    Attributes:
        at_points: (n, C) share that is expected to be the class shown and right: its confidence, 0..1, in the
            column of the class that the map shows, 0 elsewhere.
        mean: (C,) mean of that over all ground.
    """

    at_points: Float
    mean: Float


def assess(
    stratum: NDArray[np.integer],
    mapped: NDArray[np.integer],
    reference: NDArray[np.integer],
    weights: Float,
    num_classes: int,
    population: NDArray[np.integer] | None = None,
    kin: NDArray[np.integer] | None = None,
    guesses: Guesses | None = None,
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
        guesses: For the model-assisted estimates.

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
        assisted_overall=None if guesses is None else sample.assisted_overall(right, guesses),
        assisted_area_share=None
        if guesses is None
        else sample.assisted(is_there, guesses.at_points, guesses.mean),
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
        return Estimate(self._total(y), _root(self._variance(self._covariance(y, y))))

    def assisted(self, indicator: NDArray[np.bool_], guess: Float, mean_guess: Float) -> Estimate:
        """Estimate the share of the ground where an indicator (n, ...) is true with a guess (n, ...)."""
        y = indicator.astype(np.float64)
        both = self._variance(self._covariance(y, guess))
        spread = self._variance(self._covariance(guess, guess))
        weight = np.where(spread > 0, both / np.where(spread > 0, spread, 1), 0)
        rest = y - weight * guess
        return Estimate(
            self._total(rest) + weight * mean_guess, _root(self._variance(self._covariance(rest, rest)))
        )

    def assisted_overall(self, right: NDArray[np.bool_], guesses: Guesses) -> Estimate:
        """Estimate the share of the ground that is right, whatever the class."""
        mean = np.asarray(guesses.mean.sum())
        any_class: NDArray[np.bool_] = np.asarray(right.any(axis=1))
        return self.assisted(any_class, guesses.at_points.sum(axis=1), mean)

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
        return Estimate(value, _root(self._variance(spread)) / divisor)

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
        """(Co)variance of stratified means from the (co)variance within each stratum."""
        weight = self._per_stratum(self.rest * self.shares**2 / self.sizes, spread)
        variance: Float = (weight * spread).sum(axis=0)
        return variance

    @staticmethod
    def _per_stratum(values: NDArray[np.generic], like: Float) -> Float:
        """Values (H,) shaped to multiply arrays (H, ...) as wide as ``like``."""
        return values.reshape(-1, *(1,) * (like.ndim - 1)).astype(np.float64)


def _root(variance: Float) -> Float:
    """Standard error of a variance; rounding may leave one of 0 a hair below it."""
    error: Float = np.sqrt(np.maximum(variance, 0))
    return error


def sample_size(
    weights: NDArray[np.float64], users_accuracy: NDArray[np.float64], target_error: float
) -> int:
    """Points that bring the standard error of the overall accuracy down to a target (eq. 13).

    Args:
        weights: (H,) area of each stratum, in any unit.
        users_accuracy: (H,) user's accuracy that is expected of each, 0..1.
        target_error: Standard error of the overall accuracy to reach, 0 < error < 0.5.

    Raises:
        OptionError: A number is out of range.

    Examples:
        >>> shares = np.array([0.02, 0.015, 0.32, 0.645])
        >>> sample_size(shares, np.array([0.7, 0.6, 0.9, 0.95]), 0.01)
        641
    """
    if not 0 < target_error < 0.5:
        raise OptionError(f"Expected the target standard error to be within 0..0.5, but got {target_error}.")
    if not ((users_accuracy >= 0) & (users_accuracy <= 1)).all():
        raise OptionError(f"Expected accuracies to be within 0..1, but got {users_accuracy.tolist()}.")
    shares = weights / weights.sum()
    spread = float((shares * np.sqrt(users_accuracy * (1 - users_accuracy))).sum())
    return math.ceil((spread / target_error) ** 2)


def allocate(
    size: int,
    weights: NDArray[np.float64],
    minimum: int,
    available: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Deal points to strata: a minimum for the rare ones, the rest by area.

    Args:
        size: Points in all.
        weights: (H,) area of each stratum.
        minimum: Least points of a stratum, >= 2.
        available: (H,) pixels of each stratum: what a small one cannot give is dealt to the others.

    Returns:
        (H,) points; they add up to ``size``, to more where the minimum asks for it, or to less where all
        pixels are drawn.

    Raises:
        OptionError: ``minimum`` is below 2, or ``size`` below 1.

    Examples:
        >>> allocate(640, np.array([0.02, 0.015, 0.32, 0.645]), 75).tolist()
        [75, 75, 162, 328]
    """
    if minimum < 2 or size < 1:
        raise OptionError(f"Expected 1 or more points, 2 or more a class, but got {size} and {minimum}.")
    whole = np.zeros(len(weights), dtype=np.bool_) if available is None else available <= minimum
    while True:
        points = np.full(len(weights), minimum, dtype=np.int64)
        if available is not None:
            points[whole] = available[whole]
        large = ~whole
        while large.any():
            rest = max(0, size - int(points[~large].sum()))
            ideal = rest * weights / weights[large].sum()
            small = large & (ideal < minimum)
            if not small.any():
                points[large] = _round_to_sum(ideal[large], rest)
                break
            large &= ~small
        if available is None or not (over := points > available).any():
            return points
        whole |= over


def _round_to_sum(ideal: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Round so that the sum is kept: the largest remainders go up."""
    floor = np.floor(ideal).astype(np.int64)
    up = np.argsort(floor - ideal, kind="stable")[: total - int(floor.sum())]
    floor[up] += 1
    return floor
