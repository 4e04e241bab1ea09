"""Statistics of bands and classes, streamed over any amount of data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from torchgeo.datasets import GeoDataset

from ..errors import DataError, OptionError
from ..grid import Window
from ..types import IGNORE_INDEX
from .ground import Regions, find_ground, lattice_of


@dataclass(frozen=True)
class BandStatistics:
    """Statistics per band over valid pixels, in stored values.

    Attributes:
        bands: Names.
        mean: (C,) float64.
        std: (C,) float64, of the population.
        min: (C,) float64.
        max: (C,) float64.
        count: Valid pixels.
    """

    bands: tuple[str, ...]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    min: NDArray[np.float64]
    max: NDArray[np.float64]
    count: int


def band_statistics(
    dataset: GeoDataset,
    regions: Regions | None = None,
    window_px: int = 512,
    max_windows: int | None = None,
) -> BandStatistics:
    """Compute mean, standard deviation, minimum and maximum of every band.

    Window by window in float64, merged by the parallel form of Welford's update (Chan, Golub, LeVeque 1983),
    so neither the amount of data nor a large mean costs precision.

    Args:
        dataset: Samples with ``image`` and ``valid``.
        regions: Ground to be confined to; default: all of it.
        window_px: Side of a window.
        max_windows: Read at most this many windows, evenly spread; None for all.

    Raises:
        DataError: There is no valid pixel.
    """
    count = 0
    mean = spread = low = high = np.zeros(0)
    for sample in _samples(dataset, regions, window_px, max_windows):
        values = np.asarray(sample["image"])[:, np.asarray(sample["valid"])].astype(np.float64)
        fresh = values.shape[1]
        if not fresh:
            continue
        fresh_mean = values.mean(axis=1)
        fresh_spread = ((values - fresh_mean[:, None]) ** 2).sum(axis=1)
        if not count:
            count, mean, spread = fresh, fresh_mean, fresh_spread
            low, high = values.min(axis=1), values.max(axis=1)
            continue
        delta, total = fresh_mean - mean, count + fresh
        spread = spread + fresh_spread + delta**2 * count * fresh / total
        mean = mean + delta * fresh / total
        count = total
        low, high = np.minimum(low, values.min(axis=1)), np.maximum(high, values.max(axis=1))
    if not count:
        raise DataError(
            "Expected valid pixels to take statistics of, but got none. Check nodata and regions."
        )
    bands = tuple(getattr(dataset, "bands", ())) or tuple(f"band_{i + 1}" for i in range(len(mean)))
    return BandStatistics(bands, mean, np.sqrt(spread / count), low, high, count)


def class_frequencies(
    dataset: GeoDataset,
    num_classes: int,
    regions: Regions | None = None,
    window_px: int = 512,
    max_windows: int | None = None,
) -> NDArray[np.int64]:
    """Count the pixels of every leaf class.

    Args:
        dataset: Samples with ``mask`` (H, W), leaf index or -100.
        num_classes: Leaf classes.
        regions: Ground to be confined to; default: all of it.
        window_px: Side of a window.
        max_windows: Read at most this many windows, evenly spread; None for all.

    Returns:
        (C,) pixels; those without a label are counted nowhere.
    """
    counts = np.zeros(num_classes, dtype=np.int64)
    for sample in _samples(dataset, regions, window_px, max_windows):
        mask = np.asarray(sample["mask"])
        counts += np.bincount(mask[mask != IGNORE_INDEX], minlength=num_classes)
    return counts


def _samples(
    dataset: GeoDataset, regions: Regions | None, window_px: int, max_windows: int | None
) -> Iterator[dict[str, Any]]:
    """Read every pixel of the ground once, window by window."""
    if window_px < 1 or (max_windows is not None and max_windows < 1):
        raise OptionError(
            f"Expected window_px >= 1 and max_windows >= 1, but got {window_px} and {max_windows}."
        )
    lattice = lattice_of(dataset)
    tiles = [
        (tile, part.time)
        for part in find_ground(dataset, lattice, regions)
        for rectangle in (part.pixels.rectangles() if part.pixels.exact else [part.pixels.around])
        for tile in _tiles(rectangle, window_px)
        if part.pixels.exact or shapely.intersects(part.polygon, shapely.box(*lattice.bounds(tile)))
    ]
    if max_windows is not None and len(tiles) > max_windows:
        chosen = np.linspace(0, len(tiles) - 1, max_windows).round().astype(int)
        tiles = [tiles[i] for i in chosen]
    for tile, time in tiles:
        left, bottom, right, top = lattice.bounds(tile)
        yield dataset[left:right, bottom:top, time]


def _tiles(rectangle: Window, side: int) -> Iterator[Window]:
    """Cut a rectangle into tiles that do not overlap; those at its lower and right end are smaller."""
    for row in range(rectangle.row, rectangle.row_stop, side):
        for col in range(rectangle.col, rectangle.col_stop, side):
            yield Window(row, col, min(side, rectangle.row_stop - row), min(side, rectangle.col_stop - col))


__all__ = ("BandStatistics", "band_statistics", "class_frequencies")
