"""Mean and minimum confidence of regions, from sums over runs of pixels while their rows go by."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..maps.cog import CONFIDENCE_NODATA


@dataclass(frozen=True)
class RegionConfidence:
    """Confidence of the pixels of regions, in per cent.

    Attributes:
        mean: (count,) NaN where a region has no pixel with a confidence, or the level no raster.
        minimum: (count,) likewise.
    """

    mean: NDArray[np.float64]
    minimum: NDArray[np.float64]


class ConfidenceSums:
    """Sums and least values of confidence over runs of pixels, by level.

    Args:
        levels: Levels that there is a confidence raster of.
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        # the upper frame's run comes before the first strip; a run's sum is below 100 times the width
        start = np.zeros(1, dtype=np.int32)
        frame = np.full(1, CONFIDENCE_NODATA, dtype=np.uint8)
        self._sums: dict[int, list[NDArray[np.int32]]] = {level: [start] for level in levels}
        self._counts: dict[int, list[NDArray[np.int32]]] = {level: [start] for level in levels}
        self._least: dict[int, list[NDArray[np.uint8]]] = {level: [frame] for level in levels}

    def add(self, confidence: Mapping[int, NDArray[np.integer]], runs: NDArray[np.int64]) -> None:
        """Add a strip.

        Args:
            confidence: By level (h, W) per cent, 255 where there is none.
            runs: (r,) where the strip's runs start, as the scanner returns them.
        """
        for level, strip in confidence.items():
            framed = np.full((strip.shape[0], strip.shape[1] + 2), CONFIDENCE_NODATA, dtype=np.uint8)
            framed[:, 1:-1] = strip
            # nodata is above every per cent
            self._least[level].append(np.minimum.reduceat(framed.reshape(-1), runs))
            present = framed != CONFIDENCE_NODATA
            framed[~present] = 0
            self._sums[level].append(np.add.reduceat(framed.reshape(-1), runs, dtype=np.int32))
            self._counts[level].append(np.add.reduceat(present.reshape(-1), runs, dtype=np.int32))

    def of_regions(self, level: int, region_of_run: NDArray[np.int32], count: int) -> RegionConfidence:
        """Bring the runs of regions together.

        Args:
            level: 1..N.
            region_of_run: (n,) region of each run; runs of the lower frame at the end.
            count: Regions.

        Returns:
            Mean and minimum of each region.
        """
        mean, minimum = np.full((2, count), np.nan)
        if level in self._sums:
            sums, counts, least = (
                np.concatenate(parts[level]) for parts in (self._sums, self._counts, self._least)
            )
            region = region_of_run[: len(sums)]
            pixels = np.bincount(region, weights=counts, minlength=count)
            total = np.bincount(region, weights=sums, minlength=count)
            np.divide(total, pixels, out=mean, where=pixels > 0)
            lowest = np.full(count, CONFIDENCE_NODATA, dtype=np.uint8)
            np.minimum.at(lowest, region, least)
            minimum[pixels > 0] = lowest[pixels > 0]
        return RegionConfidence(mean, minimum)


__all__ = ("ConfidenceSums", "RegionConfidence")
