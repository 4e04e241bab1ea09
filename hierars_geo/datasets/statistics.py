"""Statistics of bands and classes, streamed over any amount of data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torchgeo.datasets import GeoDataset

from ..errors import DataError
from ..scenes.nodata import FILL_BEYOND
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX
from .ground import Regions
from .ground_walk import GroundWalk
from .percentiles import PercentileSketch

#: Per cent.
PERCENTILES: tuple[float, ...] = (1.0, 2.0, 5.0, 25.0, 50.0, 75.0, 95.0, 98.0, 99.0)


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
        percentiles: (P, C) float64, of :data:`PERCENTILES`: exact for whole numbers of int16 and uint16, else
            as :class:`PercentileSketch` states.
    """

    bands: tuple[str, ...]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    min: NDArray[np.float64]
    max: NDArray[np.float64]
    count: int
    percentiles: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))

    def percentile(self, share: float) -> NDArray[np.float64]:
        """Return one of :data:`PERCENTILES` (C,), in per cent.

        Raises:
            DataError: It was not computed.
        """
        if share not in PERCENTILES or not len(self.percentiles):
            raise DataError(f"Expected a percentile of {PERCENTILES}, but got {share}.")
        return np.asarray(self.percentiles[PERCENTILES.index(share)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, fit for JSON."""
        return {
            "bands": list(self.bands),
            "count": self.count,
            **{name: getattr(self, name).tolist() for name in ("mean", "std", "min", "max")},
            "percentiles": {
                f"{share:g}": row for share, row in zip(PERCENTILES, self.percentiles.tolist(), strict=True)
            },
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "BandStatistics":
        """Read what :meth:`to_dict` gave."""
        mean, std, low, high = (
            np.array(content[name], dtype=np.float64) for name in ("mean", "std", "min", "max")
        )
        rows = np.array([content["percentiles"][f"{share:g}"] for share in PERCENTILES], dtype=np.float64)
        return cls(tuple(content["bands"]), mean, std, low, high, int(content["count"]), rows)


class BandAccumulator:
    """Adds values of all bands, window by window.

    In float64, merged by the parallel form of Welford's update (Chan, Golub, LeVeque 1983), so neither the
    amount of data nor a large mean costs precision.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean = self._spread = self._low = self._high = np.zeros(0)
        self._sketches: list[PercentileSketch] = []

    def add(self, values: NDArray[Any]) -> None:
        """Add the values (C, n) of valid pixels."""
        values = values.astype(np.float64)
        fresh = values.shape[1]
        if not fresh:
            return
        fresh_mean = values.mean(axis=1)
        fresh_spread = ((values - fresh_mean[:, None]) ** 2).sum(axis=1)
        low, high = values.min(axis=1), values.max(axis=1)
        if not self.count:
            self._mean, self._spread = np.zeros_like(fresh_mean), np.zeros_like(fresh_spread)
            self._low, self._high = low, high
            self._sketches = [PercentileSketch() for _ in values]
        total = self.count + fresh
        delta = fresh_mean - self._mean
        self._spread = self._spread + fresh_spread + delta**2 * self.count * fresh / total
        self._mean = self._mean + delta * fresh / total
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        self.count = total
        for sketch, band in zip(self._sketches, values, strict=True):
            sketch.add(band)

    def result(self, bands: Sequence[str]) -> BandStatistics:
        """Return the statistics so far.

        Args:
            bands: Names; empty for band_1, band_2, ...

        Raises:
            DataError: There was no valid pixel, or a band holds values that no sensor measures.
        """
        if not self.count:
            raise DataError(
                "Expected valid pixels to take statistics of, but got none. Check nodata and regions."
            )
        names = tuple(bands) or tuple(f"band_{i + 1}" for i in range(len(self._mean)))
        size = np.maximum(np.abs(self._low), np.abs(self._high))
        if (size >= FILL_BEYOND).any():
            band = int(size.argmax())
            raise DataError(
                f"Expected values that a sensor measures, but got {self._low[band]:.4g}.."
                f"{self._high[band]:.4g} in band {names[band]}. Say which value means no data (nodata)."
            )
        rows = np.stack([sketch.percentiles(PERCENTILES) for sketch in self._sketches], axis=1)
        rows = rows.clip(self._low, self._high)
        std = np.sqrt(self._spread / self.count)
        return BandStatistics(names, self._mean, std, self._low, self._high, self.count, rows)


def band_statistics(
    dataset: GeoDataset,
    regions: Regions | None = None,
    window_px: int = 512,
    max_windows: int | None = None,
    description: str | None = None,
) -> BandStatistics:
    """Compute mean, standard deviation, minimum, maximum and percentiles of every band.

    Args:
        dataset: Samples with ``image`` and ``valid``.
        regions: Ground to be confined to; default: all of it.
        window_px: Side of a window.
        max_windows: Read at most this many windows, evenly spread; None for all.
        description: Shows a progress bar of that name on a terminal; None for no bar.

    Raises:
        DataError: There is no valid pixel.
    """
    total = BandAccumulator()
    for stop in GroundWalk(dataset, regions, window_px, max_windows).stops(description):
        total.add(np.asarray(stop.sample["image"])[:, np.asarray(stop.sample["valid"])])
    return total.result(tuple(getattr(dataset, "bands", ())))


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
    for stop in GroundWalk(dataset, regions, window_px, max_windows).stops():
        mask = np.asarray(stop.sample["mask"])
        counts += np.bincount(mask[mask != IGNORE_INDEX], minlength=num_classes)
    return counts


def level_labels(sample: Mapping[str, Any], taxonomy: Taxonomy) -> list[NDArray[np.int64]]:
    """Return the labels of a sample at every level, coarsest first.

    Args:
        sample: With ``mask`` (H, W), and ``label_set`` with ``label_table`` where labels may be no leaves.
        taxonomy: Its tree.

    Returns:
        (H, W) class indices per level, -100 where the label leaves the class at that level open.
    """
    if "label_set" not in sample:
        leaf = np.asarray(sample["mask"])
        return [taxonomy.lift(leaf, level) for level in range(1, taxonomy.num_levels)] + [leaf]
    number = np.asarray(sample["label_set"])
    shared = [taxonomy.shared_levels(row) for row in np.asarray(sample["label_table"])]
    table = np.array([*shared, np.full(taxonomy.num_levels, IGNORE_INDEX)])
    return list(np.moveaxis(table[np.maximum(number, -1)], -1, 0))


__all__ = (
    "PERCENTILES",
    "BandAccumulator",
    "BandStatistics",
    "band_statistics",
    "class_frequencies",
    "level_labels",
)
