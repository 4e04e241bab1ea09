"""Sets of sibling classes: what can be said between a class and its parent, and how sure that is.

From coarse to fine each step of a ladder lies in the one before it: at level 1 the set of the decoded class
and its two most probable siblings, the set with the first of them, the class alone; then the same among its
children. What is sure enough ends at one step, whatever the threshold. All siblings together are the parent
and no set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from .calibration import Curve, curved_steps
from .namespace import Array, namespace_of


class Ladder:
    """The steps of a tree.

    Args:
        paths: (T, N) class index of every path at every level.
        most: Most classes of a set, M; 1 for classes alone.
        curves: By level, what turns confidence into the share that is right; none leaves it as it is.

    Attributes:
        groups: By level, (T,) number of the beginning that a path has down to it.
    """

    def __init__(self, paths: NDArray[np.int64], most: int = 1, curves: Sequence[Curve] = ()) -> None:
        self.most, self._curves = most, curves
        self.groups: list[NDArray[np.int32]] = []
        self._parents: list[NDArray[np.int32]] = []  # by level, (G,) number of the beginning one level up
        self._siblings: list[NDArray[np.int64]] = []  # by level, (G,) children of it
        above = np.zeros(len(paths), np.int32)
        for level in range(1, paths.shape[1] + 1):
            first, group = np.unique(paths[:, :level], axis=0, return_index=True, return_inverse=True)[1:]
            parent = above[first]
            above = group.ravel().astype(np.int32)
            self.groups.append(above)
            self._parents.append(parent)
            self._siblings.append(np.bincount(parent)[parent])

    def climb(self, probability: Array, best: Array) -> "Climb[Array]":
        """Find confidence and members of every step.

        Sums run path by path, so that a pixel's bits do not depend on its place among others.

        Args:
            probability: (T, ...) P(t).
            best: (...) the path that was decoded.
        """
        xp = namespace_of(probability)
        confidence: list[Array] = []
        members: list[tuple[Array, ...]] = []
        for level in range(len(self.groups)):
            shares, ids = self._ranked(level, probability, best)
            members.append(ids)
            for size in range(self.most, 0, -1):
                here = reduce(add, shares[:size]).clip(max=1.0)
                # rounding may not raise it
                confidence.append(xp.minimum(here, confidence[-1]) if confidence else here)
        return Climb(self.most, curved_steps(confidence, self._curves), tuple(members))

    def _ranked(
        self, level: int, probability: Array, best: Array
    ) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Shares (...) and numbers (...) of the decoded class and of its most probable siblings.

        A place that would make all siblings has share 0 and number -1.
        """
        xp = namespace_of(probability)

        def known(table: NDArray[Any]) -> Any:  # noqa: ANN401  # of the kind of the probabilities
            return xp.asarray(table, device=probability.device)

        group, parents, siblings = self.groups[level], self._parents[level], self._siblings[level]
        own = known(group)[best]
        most = min(self.most, max(1, int(siblings.max()) - 1))
        if most == 1 and len(parents) == len(group):  # each path is a class of its own: the most probable one
            shares: list[Any] = [xp.amax(probability, axis=0)]
            numbers: list[Any] = [own]
        else:
            shares = [xp.zeros_like(probability[0])] + [xp.zeros_like(probability[0]) - 1] * (most - 1)
            numbers = [own] + [xp.zeros_like(own) - 1] * (most - 1)
            above, alike = known(parents)[own], known(siblings)[own]
            for number, parent in enumerate(parents.tolist()):
                total = reduce(add, (probability[path] for path in np.flatnonzero(group == number).tolist()))
                mine = own == number
                shares[0] = xp.where(mine, total, shares[0])
                here: Any = xp.where((above == parent) & ~mine, total, -1.0) if most > 1 else None
                which: Any = number
                for place in range(1, most):  # into the ranks, where what it drives out goes on
                    ahead = here > shares[place]
                    shares[place], here = (
                        xp.where(ahead, here, shares[place]),
                        xp.where(ahead, shares[place], here),
                    )
                    numbers[place], which = (
                        xp.where(ahead, which, numbers[place]),
                        xp.where(ahead, numbers[place], which),
                    )
            for place in range(1, most):
                proper = alike > place + 1
                shares[place] = xp.where(proper, shares[place], 0.0)
                numbers[place] = xp.where(proper, numbers[place], -1)
        shares += [xp.zeros_like(shares[0])] * (self.most - most)
        numbers += [xp.zeros_like(own) - 1] * (self.most - most)
        return tuple(shares), tuple(numbers)


@dataclass(frozen=True)
class Climb(Generic[Array]):
    """The steps of some pixels, N levels of M each: sets of M, M - 1, ... classes, then the class alone.

    Where there are too few siblings for a set, it is the next smaller one.

    Attributes:
        most: M.
        confidence: (...) of every step, never rising.
        members: By level M of (...): number of the decoded class among the beginnings, and of its siblings in
            order of their probability, -1 where there is none.
    """

    most: int
    confidence: tuple[Array, ...]
    members: tuple[tuple[Array, ...], ...]

    @property
    def alone(self) -> tuple[Array, ...]:
        """Confidence (...) of the decoded class at every level."""
        return self.confidence[self.most - 1 :: self.most]

    def holds(self, truth: list[NDArray[np.integer]]) -> NDArray[np.bool_]:
        """Tell which steps hold the truth, (N * M, ...); on a CPU.

        Args:
            truth: By level (...), number of the true beginning.
        """
        found = []
        for ids, true in zip(self.members, truth, strict=True):
            alike = np.stack([number == true for number in ids])
            found += [alike[:size].any(axis=0) for size in range(self.most, 0, -1)]
        return np.stack(found)
