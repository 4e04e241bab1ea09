"""Statistics of bands and classes, streamed over any amount of data; percentiles in bounded memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torchgeo.datasets import GeoDataset

from ..errors import DataError, notice
from ..scenes.nodata import FILL_BEYOND
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX
from .coverage import Regions, WindowWalk

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
) -> BandStatistics:
    """Compute mean, standard deviation, minimum, maximum and percentiles of every band.

    Arguments as of :class:`.WindowWalk`; samples have ``image`` and ``valid``.

    Raises:
        DataError: There is no valid pixel.
    """
    total = BandAccumulator()
    for _, _, sample in WindowWalk(dataset, regions, window_px, max_windows).windows(None):
        total.add(valid_values(sample))
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
        return vars(self) | {"bands": None if self.bands is None else self.bands.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "DataStatistics":
        """Read what :meth:`to_dict` gave."""
        bands = None if content["bands"] is None else BandStatistics.from_dict(content["bands"])
        return cls(**{**content, "bands": bands})


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
    pixels = hidden = 0
    for _, _, sample in walk.windows(description):
        valid = np.asarray(sample["valid"])
        if valid.ndim == 3:
            pixels, hidden = pixels + valid[0].size, hidden + int((~valid.any(axis=0)).sum())
        if with_bands:
            bands.add(valid_values(sample))
        weights = label_weights(sample)
        for counts, labels in zip(classes, level_labels(sample, taxonomy), strict=True):
            known = labels >= 0
            share = None if weights is None else weights[known]
            counts += np.bincount(labels[known], share, minlength=len(counts))
    if hidden:
        notice(
            f"{hidden} of {pixels} pixels of the series ({hidden / pixels:.1%}) hold data at no date: their "
            "labels are not read."
        )
    return DataStatistics(
        bands.result(tuple(getattr(dataset, "bands", ()))) if with_bands else None,
        [whole_pixels(counts) for counts in classes],
        len(walk),
        walk.windows_in_all,
    )


def whole_pixels(counts: NDArray[np.float64]) -> list[int]:
    """Round weighted pixels per class (C,); what occurs is one at least, however little it weighs."""
    rounded: list[int] = np.where(counts > 0, np.rint(counts).clip(1), 0).astype(np.int64).tolist()
    return rounded


def label_weights(sample: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Return the weight (H, W) of the label of each pixel, so that a doubtful one counts for less ground.

    Args:
        sample: With ``label_set`` (H, W) where it has ``label_weight`` (S,).

    Returns:
        0 where there is no label; None where all labels weigh alike.
    """
    if "label_weight" not in sample:
        return None
    table = np.append(np.asarray(sample["label_weight"], dtype=np.float64), 0.0)
    weights: NDArray[np.float64] = table[np.maximum(np.asarray(sample["label_set"]), -1)]
    return weights


#: Whole numbers from here on (int16) up to LARGEST (uint16) are counted one by one.
SMALLEST, LARGEST = -32768, 65535
#: Buckets of other values: sign, exponent and 11 bits of the mantissa of a float32.
_KEY_BITS = 20
_DROPPED_BITS = 32 - _KEY_BITS
#: A value counted in a bucket is at most this share of its distance from the centre away from what is said.
RELATIVE_ERROR = 2.0**-12


class PercentileSketch:
    """Counts values of one band.

    Whole numbers of int16 and uint16 are counted one by one, so their percentiles are exact. As soon as
    another value is met, all are counted in buckets whose width is proportional to the distance from
    ``centre``, the median of the first values: a percentile is then off by at most 2**-12 (0.025 %) of its
    distance from there, whatever the range, offset and outliers of the data (the idea of log-spaced sketches,
    Masson, Rim, Lee 2019, with the bits of a float32 in place of a logarithm).
    """

    def __init__(self) -> None:
        self._whole: NDArray[np.int64] | None = np.zeros(LARGEST - SMALLEST + 1, dtype=np.int64)
        self._buckets: NDArray[np.int64] | None = None
        self.centre = 0.0

    @property
    def exact(self) -> bool:
        """True where percentiles are exact."""
        return self._whole is not None

    def add(self, values: NDArray[np.floating]) -> None:
        """Count finite values (n,)."""
        if not values.size:
            return
        if self._whole is not None:
            if _all_whole(values):
                self._whole += np.bincount(values.astype(np.int64) - SMALLEST, minlength=len(self._whole))
                return
            self._to_buckets(values)
        if self._buckets is not None:
            self._buckets += np.bincount(_keys(values - self.centre), minlength=len(self._buckets))

    def _to_buckets(self, values: NDArray[np.floating]) -> None:
        """Count on in buckets."""
        whole, self._whole = self._whole, None
        self._buckets = np.zeros(2**_KEY_BITS, dtype=np.int64)
        known = np.zeros(0, dtype=np.int64) if whole is None else np.flatnonzero(whole)
        self.centre = float(np.median(known + SMALLEST if len(known) else values))
        if whole is not None and len(known):
            np.add.at(self._buckets, _keys((known + SMALLEST).astype(np.float64) - self.centre), whole[known])

    def percentiles(self, shares: Sequence[float]) -> NDArray[np.float64]:
        """Return the smallest value that at least a share of all values do not exceed.

        Args:
            shares: Per cent, 0..100.

        Returns:
            (P,) float64; NumPy's ``inverted_cdf``.

        Raises:
            DataError: Nothing was counted.
        """
        counts = self._whole if self._whole is not None else self._buckets
        if counts is None or not counts.any():
            raise DataError("Expected values to take percentiles of, but got none.")
        cumulated = counts.cumsum()
        ranks = np.ceil(np.asarray(shares, dtype=np.float64) / 100 * cumulated[-1]).clip(min=1)
        at = np.searchsorted(cumulated, ranks)
        if self._whole is not None:
            return np.asarray(at + SMALLEST, dtype=np.float64)
        return np.asarray(_values(at) + self.centre)


def _all_whole(values: NDArray[np.floating]) -> bool:
    inside = values.min() >= SMALLEST and values.max() <= LARGEST
    return bool(inside and (values == np.rint(values)).all())


def _keys(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Bucket of each value; ascending values have ascending buckets."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (ordered >> _DROPPED_BITS).astype(np.int64)


def _values(keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """Middle of each bucket."""
    ordered = ((keys.astype(np.uint64) << _DROPPED_BITS) + (1 << (_DROPPED_BITS - 1))).astype(np.uint32)
    bits = np.where(ordered >> 31, ordered & np.uint32(0x7FFFFFFF), ~ordered)
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)
