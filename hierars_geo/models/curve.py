"""Curves that turn the confidence of a level into the share that is right at it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from .namespace import Array, namespace_of

#: (Confidence that is said, share that is right): the first rises from 0 to 1, the second never falls.
Curve: TypeAlias = tuple[tuple[float, float], ...]


def curved(confidence: Array, curve: Curve) -> Array:
    """Read a curve at confidences (...), on a straight line between its knots.

    It is a sum of ramps, which arrays, tensors and exported graphs know; none falls where confidence rises.
    """
    xp = namespace_of(confidence)
    found: Any = confidence * 0 + curve[0][1]
    for (start, low), (stop, high) in pairwise(curve):
        found = found + (high - low) / (stop - start) * (xp.clip(confidence, start, stop) - start)
    return found  # type: ignore[no-any-return]


def curved_steps(steps: Sequence[Array], curves: Sequence[Curve]) -> tuple[Array, ...]:
    """Read the curves of every level at its steps (...), several to a level; what was never rising stays so.

    Args:
        steps: As many for each level, coarsest first.
        curves: By level; none leaves the steps as they are.
    """
    if not curves:
        return tuple(steps)
    found: list[Array] = []
    for place, step in enumerate(steps):
        here = curved(step, curves[place * len(curves) // len(steps)])
        found.append(namespace_of(here).minimum(here, found[-1]) if found else here)
    return tuple(found)
