"""PercentileSketch: percentiles of any number of values in bounded memory, with a stated error."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

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
        """Count values.

        Args:
            values: (n,) finite.
        """
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


__all__ = ("LARGEST", "RELATIVE_ERROR", "SMALLEST", "PercentileSketch")
