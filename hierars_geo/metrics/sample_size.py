"""How many reference points a map needs, and where they go (Olofsson et al. 2014, section 5.1)."""

import math

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError


def sample_size(
    weights: NDArray[np.float64], users_accuracy: NDArray[np.float64], target_error: float
) -> int:
    """Points that bring the standard error of the overall accuracy down to a target (eq. 13).

    Args:
        weights: (H,) area of each stratum, in any unit.
        users_accuracy: (H,) user's accuracy that is expected of each, 0..1.
        target_error: Standard error of the overall accuracy to reach, 0 < error < 0.5.

    Returns:
        Number of points, rounded up.

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


__all__ = ("allocate", "sample_size")
