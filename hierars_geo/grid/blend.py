"""Weights with which overlapping windows are blended; every pixel has weight > 0, the outer ring too."""

from collections.abc import Callable
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..types import Blend


def _flat(size: int, overlap: int) -> NDArray[np.float32]:
    return np.ones(size, dtype=np.float32)


def _hann(size: int, overlap: int) -> NDArray[np.float32]:
    """Rise as sin^2 over the overlap, stay at 1 between; sampled at pixel centres, so it never touches 0."""
    return (np.sin(np.pi / 2 * _ramp(size, overlap)) ** 2).astype(np.float32)


def _linear(size: int, overlap: int) -> NDArray[np.float32]:
    return _ramp(size, overlap).astype(np.float32)


def _trim(size: int, overlap: int) -> NDArray[np.float32]:
    """Use the inner part of a window where there is one; the tiny weight covers the raster's outer ring."""
    weight = np.full(size, 1e-4, dtype=np.float32)
    cut = overlap // 2
    weight[cut : size - cut] = 1.0
    return weight


def _ramp(size: int, overlap: int) -> NDArray[np.float64]:
    """Distance to the nearer end in units of the overlap, at pixel centres, at most 1."""
    centre = np.arange(size) + 0.5
    ramp: NDArray[np.float64] = np.minimum(centre, size - centre) / max(overlap, 0.5)
    return ramp.clip(max=1.0)


_PROFILES: dict[Blend, Callable[[int, int], NDArray[np.float32]]] = {
    "none": _flat,
    "hann": _hann,
    "linear": _linear,
    "trim": _trim,
}


def blend_weights(
    size: tuple[int, int], overlap_px: tuple[int, int], kind: Blend = "hann"
) -> NDArray[np.float32]:
    """Weights of one window.

    Two neighbours at the nominal overlap add up to 1 with ``hann`` and ``linear``; elsewhere dividing by the
    sum of weights makes up for it. ``none`` gives all the same weight: a plain mean where they overlap.

    Args:
        size: (height, width) of the window in pixels.
        overlap_px: (rows, columns) shared with the next window, 0..size-1.
        kind: One of ``none``, ``hann``, ``linear``, ``trim``.

    Returns:
        (height, width) float32, > 0 everywhere.

    Raises:
        OptionError: An unknown kind, or an overlap out of range.
    """
    if kind not in _PROFILES:
        raise OptionError(f"Expected blend to be one of {', '.join(get_args(Blend))}, but got '{kind}'.")
    for pixels, shared in zip(size, overlap_px, strict=True):
        if not 0 <= shared < pixels:
            raise OptionError(f"Expected an overlap of 0..{pixels - 1} px, but got {shared}.")
    profile = _PROFILES[kind]
    # overlap over half the window: the ramps of both ends meet in the middle
    rows, cols = (profile(pixels, shared) for pixels, shared in zip(size, overlap_px, strict=True))
    return np.outer(rows, cols)
