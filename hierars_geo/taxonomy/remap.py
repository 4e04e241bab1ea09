"""Raster value <-> class index by lookup table: the only place where the two meet."""

import numpy as np
from numpy.typing import NDArray

from ..errors import TaxonomyError
from ..types import IGNORE_INDEX

#: Marks a raster value that is neither a class nor nodata; differs from every index and from IGNORE_INDEX.
_UNKNOWN = -1


class ValueMap:
    """Both directions between the raster values of one level and its class indices.

    Args:
        values: Raster value of every class, in index order.
        nodata: Raster value of a pixel without a class.
    """

    def __init__(self, values: tuple[int, ...], nodata: int) -> None:
        self._values = np.array(values, dtype=np.int64)
        self._nodata = nodata
        table = np.full(max(*values, nodata) + 2, _UNKNOWN, dtype=np.int64)
        table[self._values] = np.arange(len(values))
        table[nodata] = IGNORE_INDEX
        self._table = table

    def to_index(self, values: NDArray[np.generic], origin: str = "") -> NDArray[np.int64]:
        """Turn raster values into class indices.

        Args:
            values: Integers (or whole floats) of any shape.
            origin: Where they come from, for the message.

        Returns:
            int64 of the same shape, ``IGNORE_INDEX`` where the value is nodata.

        Raises:
            TaxonomyError: Values that are neither a class nor nodata; up to ten of them are listed.
        """
        whole = _as_whole(values, origin)
        last = len(self._table) - 1
        index = self._table[np.where((whole < 0) | (whole > last), last, whole)]
        unknown = index == _UNKNOWN
        if unknown.any():
            found = np.unique(whole[unknown])
            listed = ", ".join(str(v) for v in found[:10].tolist()) + (", ..." if len(found) > 10 else "")
            known = ", ".join(str(v) for v in sorted(self._values.tolist())[:20])
            where = f" (in {origin})" if origin else ""
            raise TaxonomyError(
                f"Expected label values to be classes of the taxonomy ({known}"
                f"{', ...' if len(self._values) > 20 else ''}) or nodata {self._nodata}, "
                f"but got {listed}{where}. Choose the taxonomy of these labels or recode them."
            )
        return index

    def to_value(self, index: NDArray[np.integer]) -> NDArray[np.int64]:
        """Turn class indices into raster values, ``IGNORE_INDEX`` into nodata.

        Args:
            index: Integers of any shape, 0..C-1 or ``IGNORE_INDEX``.

        Returns:
            int64 of the same shape.

        Raises:
            TaxonomyError: An index is out of range.
        """
        index = np.asarray(index)
        ignored = index == IGNORE_INDEX
        wrong = ~ignored & ((index < 0) | (index >= len(self._values)))
        if wrong.any():
            raise TaxonomyError(
                f"Expected class indices to be 0..{len(self._values) - 1} or {IGNORE_INDEX}, "
                f"but got {index[wrong].flat[0]}."
            )
        return np.where(ignored, self._nodata, self._values[np.where(ignored, 0, index)])


def _as_whole(values: NDArray[np.generic], origin: str) -> NDArray[np.int64]:
    """Return values as int64 and refuse fractions and NaN."""
    array = np.asarray(values)
    if array.dtype.kind == "f":
        if not bool(np.all(np.isfinite(array)) and np.all(array == np.floor(array))):
            raise TaxonomyError(
                f"Expected label values to be whole numbers, but got fractions or NaN{f' (in {origin})' if origin else ''}."
                " Give a class raster."
            )
        return array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise TaxonomyError(f"Expected label values to be integers, but got dtype {array.dtype}.")
    return array.astype(np.int64, copy=False)


__all__ = ("ValueMap",)
