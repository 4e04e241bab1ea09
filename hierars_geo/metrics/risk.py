"""Thresholds that keep a promise: of all pixels shown, at most a share is wrong.

Pixels beside each other are wrong together, so blocks of ground count, not pixels. For one threshold, block i
shows the share S_i of the largest block's pixels and W_i of them are wrong. The risk E[W] / E[S] is at most
``risk`` where E[W - risk * S] <= 0, the mean of a number within [-risk, 1 - risk]: its test is that of a
bounded mean by betting (Waudby-Smith and Ramdas 2024, J. R. Stat. Soc. B 86:1, to one side), with bets that
aim at what is still missing in what is left of the blocks (Voracek and Orabona 2025, arXiv 2505.22422). Which
threshold is taken is a choice among many tests: one fixed sequence of them, from a start that the blocks do
not choose, keeps the probability of a wrong promise below that of one test (learn then test, Angelopoulos et
al. 2021, arXiv 2110.01052). It holds for blocks drawn as those it was found on were.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, OptionError

#: Part of its capital that a bet may risk at most.
_BOLDEST = 0.95

#: Thresholds that promises are looked for among: whole per cents, falling.
THRESHOLDS = tuple(round(1 - step / 100, 2) for step in range(101))


def shown_and_wrong(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], block: NDArray[np.integer] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count what an adaptive map shows of some pixels: each at its finest level that is sure enough.

    Args:
        confidence: (N, n) by level, or other step, and pixel, 0..1, never rising from step to step.
        right: (N, n) whether what is said at that step is right.
        block: (n,) block of ground that a pixel lies in, 0..B-1; None where all are one.

    Returns:
        (B, K) pixels shown and wrong, and (B, K) pixels shown, by threshold of :data:`THRESHOLDS`; (K,) where
        all are one block.
    """
    reached = (np.asarray(confidence) * (len(THRESHOLDS) - 1)).astype(np.int64)
    wrong = np.zeros_like(above(reached[0], block))
    for level in range(len(reached)):
        bad = ~right[level]
        wrong += above(reached[level], block, bad)  # shown at this level or a finer one ...
        if level + 1 < len(reached):
            wrong -= above(reached[level + 1], block, bad)  # ... less what is shown finer
    return wrong, above(reached[0], block)


def above(
    reached: NDArray[np.int64],
    block: NDArray[np.integer] | None = None,
    weight: NDArray[np.integer] | NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Sum pixels (n,), or weights of theirs, that reach each threshold: (B, K), or (K,) of one block.

    Args:
        reached: Confidence in whole per cents, rounded down.
        block: See :func:`shown_and_wrong`.
        weight: What is summed; None for pixels.
    """
    steps, blocks = len(THRESHOLDS), 1 if block is None else int(block.max(initial=0)) + 1
    code = reached if block is None else block * steps + reached
    sums = np.bincount(code, weight, minlength=blocks * steps).reshape(blocks, steps)
    found: NDArray[np.int64] = np.rint(sums[:, ::-1].cumsum(axis=1)).astype(np.int64)
    return found[0] if block is None else found


def below_bound(values: NDArray[np.float64], bound: float, level: float) -> NDArray[np.bool_]:
    """Test by betting whether a bounded mean lies below a bound.

    Capital starts at 1. Where the mean is at least the bound, whoever bets that it is not ever reaches
    1 / level with a probability of at most ``level``, however the bets are laid (Ville's inequality). Bets
    decide how often a mean below is found: each knows the draws before it, the capital, and how many draws
    are left.

    Args:
        values: (n, K) draws within 0..1, the rows independent and of one distribution; each column is a test.
        bound: Mean under the hypothesis that is tested, 0 < bound < 1: the mean is at least that.
        level: Probability with which the answer may be yes where the hypothesis holds, 0..1, for every n.

    Returns:
        (K,) whether the mean is found to lie below the bound.
    """
    count, tests = values.shape
    capital, found = np.zeros(tests), np.zeros(tests, dtype=np.bool_)  # its logarithm
    total, squares = np.full(tests, 0.5), np.full(tests, 0.25)  # as if one draw had been seen
    for place, value in enumerate(values):
        missing = np.maximum(-math.log(level) - capital, 0.0)
        bet = np.sqrt(2 * missing * (place + 1) / (squares * (count - place)))
        capital += np.log1p(-np.minimum(bet, _BOLDEST / (1 - bound)) * (value - bound))
        found |= capital >= -math.log(level)
        total += value
        squares += (value - total / (place + 2)) ** 2
    return found


def level_for_maps(delta: float) -> float:
    """Say how often a test may err, 0..1, so that about one map in 1 / delta fails its promise.

    What is tested is the risk over all ground like that of the blocks. The share that is wrong in one map of
    as much ground scatters about it as the share in the blocks does: the margin grows by the root of two.
    """
    normal = NormalDist()
    return min(delta, normal.cdf(math.sqrt(2) * normal.inv_cdf(delta)))


def blocks_needed(risk: float, delta: float) -> int:
    """Fewest blocks that a promise can be found on: all of them shown whole, and all of it right."""
    level = level_for_maps(delta)
    by_boldest = math.ceil(-math.log(level) / math.log1p(_BOLDEST * risk / (1 - risk)))
    enough = range(by_boldest, 2 * by_boldest + 10)
    return enough[
        bisect_left(enough, True, key=lambda n: bool(below_bound(np.zeros((n, 1)), risk, level)[0]))
    ]


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
        delta: Probability with which a map may fail the promise, 0 < delta < 1; see :func:`level_for_maps`.
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
    # a model that knows its confidence errs least, beside what is promised, from 1 - risk upwards
    columns = np.flatnonzero(np.asarray(thresholds) <= 1 - risk + 1e-9)
    kept = below_bound(loss[np.ix_(order, columns)], risk, level_for_maps(delta))
    passed = int(np.argmin(np.append(kept, False)))
    return float(thresholds[int(columns[passed - 1])]) if passed else None
