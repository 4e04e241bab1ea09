"""Mean confidence of regions, summed up while their rows go by."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..raster import CONFIDENCE_NODATA


class ConfidenceSums:
    """Sums of confidence over runs of pixels, by level.

    Args:
        levels: Levels that there is a confidence raster of.
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        # the upper frame's run comes before the first strip
        start = np.zeros(1, dtype=np.int64)
        self._sums: dict[int, list[NDArray[np.int64]]] = {level: [start] for level in levels}
        self._counts: dict[int, list[NDArray[np.int64]]] = {level: [start] for level in levels}

    def add(self, confidence: Mapping[int, NDArray[np.integer]], runs: NDArray[np.int64]) -> None:
        """Add a strip.

        Args:
            confidence: By level (h, W) per cent, 255 where there is none.
            runs: (r,) where the strip's runs start, as the scanner returns them.
        """
        for level, strip in confidence.items():
            framed = np.full((strip.shape[0], strip.shape[1] + 2), CONFIDENCE_NODATA, dtype=np.uint8)
            framed[:, 1:-1] = strip
            present = framed != CONFIDENCE_NODATA
            framed[~present] = 0
            self._sums[level].append(np.add.reduceat(framed.reshape(-1), runs, dtype=np.int64))
            self._counts[level].append(np.add.reduceat(present.reshape(-1), runs, dtype=np.int64))

    def mean(self, level: int, region_of_run: NDArray[np.int32], count: int) -> NDArray[np.float64]:
        """Average over regions.

        Args:
            level: 1..N.
            region_of_run: (n,) region of each run; runs of the lower frame at the end.
            count: Regions.

        Returns:
            (count,) per cent; NaN where the region has no pixel with a confidence, or the level no raster.
        """
        mean = np.full(count, np.nan)
        if level in self._sums:
            sums, counts = (np.concatenate(parts[level]) for parts in (self._sums, self._counts))
            region = region_of_run[: len(sums)]
            pixels = np.bincount(region, weights=counts, minlength=count)
            total = np.bincount(region, weights=sums, minlength=count)
            np.divide(total, pixels, out=mean, where=pixels > 0)
        return mean


__all__ = ("ConfidenceSums",)
