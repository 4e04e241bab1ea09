"""Thresholds that keep a promise: of all pixels shown, at most a share is wrong.

Pixels beside each other are wrong together, so blocks of ground count, not pixels. For one threshold, block i
shows the share S_i of the largest block's pixels and W_i of them are wrong. The risk E[W] / E[S] is at most
``risk`` where E[W - risk * S] <= 0, the mean of a number within [-risk, 1 - risk]: its test is that of a
bounded mean by betting (Waudby-Smith and Ramdas 2024, J. R. Stat. Soc. B 86:1, to one side). Which threshold
is taken is a choice among many tests: fixed sequences that start at several thresholds, each with its part of
``delta``, keep the probability of any wrong promise below it (learn then test, Angelopoulos et al. 2021,
arXiv 2110.01052). It holds for blocks drawn as those it was found on were.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, OptionError

#: Thresholds that sequences start at, in the order of the confidence that they ask for.
STARTS = (0.99, 0.95, 0.9, 0.8, 0.6)

#: Part of its capital that a bet may risk at most.
_BOLDEST = 0.75


#: Thresholds that promises are looked for among: whole per cents, falling.
THRESHOLDS = tuple(round(1 - step / 100, 2) for step in range(101))


def shown_and_wrong(
    confidence: NDArray[np.floating], right: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count what an adaptive map shows of some pixels: each at its finest level that is sure enough.

    Args:
        confidence: (N, n) by level and pixel, 0..1, never rising from level 1 to N.
        right: (N, n) whether the class at that level is right.

    Returns:
        (K,) pixels shown and wrong, and (K,) pixels shown, by threshold of :data:`THRESHOLDS`.
    """
    steps = len(THRESHOLDS)
    reached = (np.asarray(confidence) * (steps - 1)).astype(np.int64)

    def above(bins: NDArray[np.int64]) -> NDArray[np.int64]:
        counts = np.bincount(bins, minlength=steps)[::-1].cumsum()
        return counts.astype(np.int64)

    wrong = np.zeros(steps, np.int64)
    for level in range(len(reached)):
        bad = ~right[level]
        wrong += above(reached[level][bad])  # shown at this level or a finer one ...
        if level + 1 < len(reached):
            wrong -= above(reached[level + 1][bad])  # ... less what is shown finer
    return wrong, above(reached[0])


def mean_p_value(values: NDArray[np.float64], bound: float) -> float:
    """Test whether a bounded mean reaches a bound, by betting against it.

    Args:
        values: (n,) draws within 0..1, independent and of one distribution.
        bound: Mean under the hypothesis that is tested, 0 < bound < 1: the mean is at least that.

    Returns:
        Probability of such draws, or of ones that speak against the hypothesis more, where it holds: at most
        this, 0..1. It is valid for every n.
    """
    count = np.arange(1, len(values) + 1)
    mean = (0.5 + np.cumsum(values)) / (count + 1)
    variance = (0.25 + np.cumsum((values - mean) ** 2)) / (count + 1)
    before = np.concatenate([[0.25], variance[:-1]])  # a bet knows only what came before
    bet = np.sqrt(2 * math.log(20) / (before * len(values)))
    bet = np.minimum(bet, _BOLDEST / (1 - bound))
    capital = np.cumsum(np.log1p(-bet * (values - bound)))
    return float(min(1.0, math.exp(-max(0.0, capital.max(initial=0.0)))))


def blocks_needed(risk: float, delta: float) -> int:
    """Fewest blocks that a promise can be found on: all of them shown whole, and all of it right."""
    needed = 1
    while mean_p_value(np.zeros(needed), risk) > delta / len(STARTS):
        needed += 1
    return needed


def check_promises(risks: Sequence[float], delta: float, blocks: int | None = None) -> None:
    """Refuse promises that nobody can find a threshold for.

    Args:
        risks: Shares of the shown pixels that may be wrong.
        delta: Probability with which a promise may fail for the draw of the blocks.
        blocks: Blocks of ground that there are; None where that is not known yet.

    Raises:
        OptionError: A number is out of range.
        DataError: There are fewer blocks than a promise needs; how many it takes is said.
    """
    for name, shares in (("risk", risks), ("delta", (delta,))):
        for share in shares:
            if not 0 < share < 1:
                raise OptionError(f"Expected {name} to be a share, 0 < {name} < 1, but got {share:g}.")
    for risk in sorted(risks) if blocks is not None else ():
        needed = blocks_needed(risk, delta)
        if blocks is not None and blocks < needed:
            raise DataError(
                f"Expected at least {needed} blocks of labelled ground for a risk of {risk:g}, but got "
                f"{blocks}. Keep more ground apart, take smaller blocks, or promise less."
            )


def promised_threshold(
    wrong: NDArray[np.integer],
    shown: NDArray[np.integer],
    thresholds: Sequence[float],
    risk: float,
    delta: float = 0.1,
    seed: int = 0,
) -> float | None:
    """Find the lowest threshold at which, of all pixels shown, at most a share of ``risk`` is wrong.

    Args:
        wrong: (n, K) pixels of each block that are shown and wrong, by threshold.
        shown: (n, K) pixels of each block that are shown.
        thresholds: (K,) least confidence of what is shown, falling.
        risk: Share of the shown pixels that may be wrong, 0 < risk < 1.
        delta: Probability with which the promise may fail for the draw of the blocks, 0 < delta < 1.
        seed: Order in which the blocks are looked at.

    Returns:
        The threshold, None where none keeps the promise.

    Raises:
        OptionError: ``risk`` or ``delta`` is out of range.
        DataError: There are fewer blocks than any promise needs; how many it takes is said.
    """
    check_promises((risk,), delta, len(shown))
    order = np.random.default_rng(seed).permutation(len(shown))
    largest = max(int(np.max(shown)), 1)
    loss = (np.asarray(wrong, dtype=np.float64) - risk * np.asarray(shown)) / largest + risk
    found = None
    for start in STARTS:
        for column in np.flatnonzero(np.asarray(thresholds) <= start):
            if mean_p_value(loss[order, column], risk) > delta / len(STARTS):
                break
            here = thresholds[int(column)]
            found = here if found is None else min(found, here)
    return found
