"""Robust statistics of the values of a scene, band by band, and how they lie beside those of a training."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: A scene is foreign where the median of a band lies this many standard deviations from the training's mean.
FOREIGN_STD = 3.0
#: ... or where its middle half spreads over less than this share of what the training's did.
_NARROW = 0.02
#: The middle half of a normal distribution is this many standard deviations wide.
_QUARTILES_STD = 1.349
#: Fewer values say nothing.
_FEWEST = 64
#: Bands that a note names.
_NAMED = 3


def median_and_spread(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return the median, and the standard deviation of the normal distribution with as wide a middle half.

    Clouds, shadows and bright roofs that cover less than a quarter of a scene hardly move either.

    Args:
        values: (n,) valid values of a band.

    Returns:
        Median and spread > 0; the standard deviation where the middle half is one value, 1 where all are, and
        (0, 1) without a value.
    """
    if not len(values):
        return 0.0, 1.0
    low, median, high = (float(value) for value in np.percentile(values, (25, 50, 75)))
    return median, (high - low) / _QUARTILES_STD or float(np.std(values, dtype=np.float64)) or 1.0


def foreign_note(
    bands: Sequence[str],
    values: Sequence[NDArray[np.float32]],
    mean: Sequence[float],
    std: Sequence[float],
) -> str | None:
    """Name the bands whose values lie far from those of a training: another date, sensor, unit or level.

    A band that hardly varies where the training did counts, too, as a scene in another unit may lie at its
    mean.

    Args:
        bands: Names of the bands, in the order of the training.
        values: (n,) per band, as :meth:`.Scene.values` reads them.
        mean: Of the training, per band, as stored; all 0 where it normalised by a division and nobody knows.
        std: Of the training, per band, > 0.

    Returns:
        Bands and the distances of their medians from the mean in standard deviations, the farthest first;
        None where nothing is foreign.
    """
    found: list[tuple[str, float]] = []
    for band, held, centre, width in zip(bands, values, mean, std, strict=True):
        if len(held) < _FEWEST or not any(mean):
            continue
        median, spread = median_and_spread(held)
        distance = (median - centre) / width
        narrow = held.min() < held.max() and spread / width < _NARROW
        if abs(distance) >= FOREIGN_STD or narrow:
            found.append((band, distance))
    if not found:
        return None
    found.sort(key=lambda entry: -abs(entry[1]))
    named = ", ".join(f"{band} by {distance:+.1f}" for band, distance in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return (
        f"values lie far from the training's, in standard deviations of it: {named}{more}; expect a poor map "
        "with high confidence. Check unit, level and date, or train with normalization.method scene"
    )
