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
from .coverage import Regions, WindowWalk
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


def valid_values(sample: Mapping[str, Any]) -> NDArray[Any]:
    """Return the values (C, n) of the valid pixels of a sample, those of all dates of a series."""
    image, valid = np.asarray(sample["image"]), np.asarray(sample["valid"])
    return np.moveaxis(image, -3, 0)[:, valid]


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
    for part in WindowWalk(dataset, regions, window_px, max_windows).windows(description):
        total.add(valid_values(part.sample))
    return total.result(tuple(getattr(dataset, "bands", ())))


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


@dataclass(frozen=True)
class DataStatistics:
    """Statistics of bands and classes of a data set.

    Attributes:
        bands: Statistics per band; None where they were not asked for.
        classes: Labelled pixels per level and class, coarsest level first, each by the weight of its label.
        windows: Windows that were read.
        windows_in_all: Windows there are; more than ``windows`` where a sample was taken.
    """

    bands: BandStatistics | None
    classes: list[list[int]]
    windows: int
    windows_in_all: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, fit for JSON."""
        return {
            "bands": None if self.bands is None else self.bands.to_dict(),
            "classes": self.classes,
            "windows": self.windows,
            "windows_in_all": self.windows_in_all,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "DataStatistics":
        """Read what :meth:`to_dict` gave."""
        bands = None if content["bands"] is None else BandStatistics.from_dict(content["bands"])
        return cls(bands, content["classes"], content["windows"], content["windows_in_all"])


def data_statistics(
    dataset: GeoDataset,
    taxonomy: Taxonomy,
    with_bands: bool = True,
    window_px: int = 512,
    max_windows: int | None = None,
    description: str | None = None,
) -> DataStatistics:
    """Take statistics of bands and classes in one reading.

    Args:
        dataset: Samples with ``image``, ``valid`` and ``mask``.
        taxonomy: Tree of the labels.
        with_bands: Whether statistics of the bands are wanted.
        window_px: Side of a window.
        max_windows: Read at most this many windows, evenly spread; None for all.
        description: Shows a progress bar of that name on a terminal; None for no bar.

    Raises:
        DataError: There is no ground, or bands are wanted and no pixel is valid.
    """
    walk = WindowWalk(dataset, None, window_px, max_windows)
    bands = BandAccumulator()
    classes = [np.zeros(count) for count in taxonomy.num_classes]
    for part in walk.windows(description):
        if with_bands:
            bands.add(valid_values(part.sample))
        weights = _weights(part.sample)
        for counts, labels in zip(classes, level_labels(part.sample, taxonomy), strict=True):
            known = labels >= 0
            share = None if weights is None else weights[known]
            counts += np.bincount(labels[known], share, minlength=len(counts))
    return DataStatistics(
        bands.result(tuple(getattr(dataset, "bands", ()))) if with_bands else None,
        [np.rint(counts).astype(np.int64).tolist() for counts in classes],
        len(walk),
        walk.windows_in_all,
    )


def _weights(sample: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """(H, W) weight of the label of each pixel, so that a doubtful one counts for less ground."""
    if "label_weight" not in sample:
        return None
    table = np.append(np.asarray(sample["label_weight"], dtype=np.float64), 0.0)
    weights: NDArray[np.float64] = table[np.maximum(np.asarray(sample["label_set"]), -1)]
    return weights


__all__ = (
    "PERCENTILES",
    "BandAccumulator",
    "BandStatistics",
    "DataStatistics",
    "band_statistics",
    "data_statistics",
    "level_labels",
)
