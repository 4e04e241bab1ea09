"""How the values of a scene lie beside those of a training, band by band."""

from collections.abc import Sequence

import numpy as np

from .scene import Scene

#: A scene is foreign where the median of a band lies this many standard deviations from the training's mean.
FOREIGN_STD = 3.0
#: ... or where its middle half spreads over less than this share of what the training's did.
_NARROW = 0.02
#: The middle half of a normal distribution is this many standard deviations wide.
QUARTILES_STD = 1.349
#: Fewer values say nothing.
_FEWEST = 64
#: Bands that a note names.
_NAMED = 3


def foreign_bands(scene: Scene, mean: Sequence[float], std: Sequence[float]) -> tuple[tuple[str, float], ...]:
    """Name the bands whose values lie far from those of a training: another date, sensor, unit or level.

    A few thousand values are looked at, from overviews where files have them: some ten milliseconds.

    Args:
        scene: What is to be predicted, with the bands of the training in its order.
        mean: Of the training, per band, as stored; all 0 where it normalised by a division and nobody knows.
        std: Of the training, per band, > 0.

    Returns:
        (band, distance of its median from the mean in standard deviations), the farthest first. A band that
        hardly varies where the training did counts, too, as a scene in another unit may lie at its mean.

    Raises:
        RasterError: A file is damaged.
    """
    found: list[tuple[str, float]] = []
    if not any(mean):
        return ()
    for band, values, centre, width in zip(scene.bands, scene.values(), mean, std, strict=True):
        if len(values) < _FEWEST:
            continue
        low, median, high = np.percentile(values, (25, 50, 75))
        distance = (float(median) - centre) / width
        narrow = high > low and (high - low) / (QUARTILES_STD * width) < _NARROW
        if abs(distance) >= FOREIGN_STD or narrow:
            found.append((band, distance))
    return tuple(sorted(found, key=lambda entry: -abs(entry[1])))


def foreign_note(scene: Scene, mean: Sequence[float], std: Sequence[float]) -> str | None:
    """Say in words what :func:`foreign_bands` finds; None where nothing is foreign."""
    found = foreign_bands(scene, mean, std)
    if not found:
        return None
    named = ", ".join(f"{band} by {distance:+.1f}" for band, distance in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return (
        f"values lie far from the training's, in standard deviations of it: {named}{more}; expect a poor map "
        "with high confidence. Check unit, level and date"
    )


__all__ = ("FOREIGN_STD", "QUARTILES_STD", "foreign_bands", "foreign_note")
