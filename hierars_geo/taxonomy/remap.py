"""Raster value <-> class index by lookup table: the only place where the two meet."""

import numpy as np
from numpy.typing import NDArray

from ..errors import TaxonomyError, list_some
from ..types import IGNORE_INDEX
from .schema import MAX_VALUE

#: Marks an entry that no valid input can reach; below IGNORE_INDEX, so that one ``min()`` finds it.
_UNKNOWN = IGNORE_INDEX - 1


class IndexTable:
    """One number per class index, and one for ``IGNORE_INDEX``.

    Negative indices of an array count from its end, so a table of C + 100 entries holds the number of
    ``IGNORE_INDEX`` = -100 at position C: one lookup and no mask, whatever the size of the input.

    Args:
        numbers: (C,) the number of every class, none below ``IGNORE_INDEX``.
        ignored: The number of ``IGNORE_INDEX``.
    """

    def __init__(self, numbers: NDArray[np.int64], ignored: int) -> None:
        table = np.full(len(numbers) - IGNORE_INDEX, _UNKNOWN, dtype=np.int64)
        table[: len(numbers)] = numbers
        table[IGNORE_INDEX] = ignored
        self._table = table
        self._count = len(numbers)

    def take(self, index: NDArray[np.generic]) -> NDArray[np.int64]:
        """Look up class indices as int64 of the same shape.

        Args:
            index: Integers of any shape, 0..C-1 or ``IGNORE_INDEX``.

        Raises:
            TaxonomyError: An index is out of range or the dtype is no integer.
        """
        if index.dtype.kind not in "iu":
            raise TaxonomyError(f"Expected class indices to be integers, but got dtype {index.dtype}.")
        if index.size == 0:
            return np.zeros(index.shape, dtype=np.int64)
        low, high = int(index.min()), int(index.max())
        if high >= self._count or low < IGNORE_INDEX:
            raise self._out_of_range(high if high >= self._count else low)
        numbers = np.asarray(self._table[index])
        if low < 0 and numbers.min() == _UNKNOWN:
            raise self._out_of_range(int(index[numbers == _UNKNOWN].flat[0]))
        return numbers

    def _out_of_range(self, index: int) -> TaxonomyError:
        return TaxonomyError(
            f"Expected class indices to be 0..{self._count - 1} or {IGNORE_INDEX}, but got {index}."
        )


class ValueMap:
    """Both directions between the raster values of one level and its class indices.

    Args:
        values: Raster value of every class, in index order.
        nodata: Raster value of a pixel without a class; what ``IGNORE_INDEX`` is written as.
        ignored: Further raster values without a class.
    """

    def __init__(self, values: tuple[int, ...], nodata: int, ignored: tuple[int, ...] = ()) -> None:
        self._values = values
        self._nodata = nodata
        # Any byte or uint16 value is an entry: rasters of these types need no check before the lookup.
        table = np.full(MAX_VALUE + 1, _UNKNOWN, dtype=np.int64)
        table[list(values)] = np.arange(len(values))
        table[[nodata, *(value for value in ignored if value >= 0)]] = IGNORE_INDEX
        self._below_zero = [value for value in ignored if value < 0]
        self._to_index = table
        self._to_value = IndexTable(np.array(values, dtype=np.int64), nodata)

    def to_index(self, values: NDArray[np.generic], origin: str = "") -> NDArray[np.int64]:
        """Turn raster values into class indices.

        Args:
            values: Integers, booleans or whole floats of any shape.
            origin: Where they come from, for the message.

        Returns:
            int64 of the same shape, ``IGNORE_INDEX`` where the value is nodata or to be ignored.

        Raises:
            TaxonomyError: Values that are neither a class nor without one; up to ten of them are listed.
        """
        if values.dtype not in (np.uint8, np.uint16):
            _refuse_fractions(values, origin)
            if self._below_zero:
                wide = values.astype(np.result_type(values.dtype, np.int32))  # a byte may not hold nodata
                values = np.where(np.isin(values, self._below_zero), self._nodata, wide)
            outside = np.asarray((values < 0) | (values > MAX_VALUE))  # type: ignore[operator]
            if outside.any():
                raise self._unknown(values[outside], origin)
            values = values.astype(np.uint16)
        index = np.asarray(self._to_index[values])
        if index.size and index.min() == _UNKNOWN:
            raise self._unknown(values[index == _UNKNOWN], origin)
        return index

    def to_value(self, index: NDArray[np.generic]) -> NDArray[np.int64]:
        """Turn class indices into raster values, ``IGNORE_INDEX`` into nodata, as :class:`IndexTable`."""
        return self._to_value.take(index)

    def tabulate(self, numbers: NDArray[np.integer], ignored: int, unknown: int) -> NDArray[np.integer]:
        """Lay any numbers of the classes out by raster value.

        Args:
            numbers: (C,) whole numbers, one per class index.
            ignored: Number of values without a class.
            unknown: Number of values that are neither.

        Returns:
            (65536,) of the smallest type that holds them all.
        """
        largest = np.min_scalar_type(max(int(numbers.max()), ignored, unknown))
        dtype = np.result_type(largest, np.min_scalar_type(min(int(numbers.min()), ignored, unknown)))
        table = np.full(MAX_VALUE + 1, unknown, dtype=dtype)
        known = self._to_index != _UNKNOWN
        # IGNORE_INDEX counts from the end of one longer than the classes
        by_index = np.append(numbers, np.full(-IGNORE_INDEX, ignored))
        table[known] = by_index[self._to_index[known]]
        return table

    def _unknown(self, values: NDArray[np.generic], origin: str) -> TaxonomyError:
        found, pixels = np.unique(values, return_counts=True)
        told = [
            f"{value:.15g} on {count} pixel{'s' * (count != 1)}"
            for value, count in zip(found.tolist(), pixels.tolist(), strict=True)
        ]
        return TaxonomyError(
            f"Expected label values to be classes of the taxonomy ({list_some(sorted(self._values), 20)}) "
            f"or nodata {self._nodata}, but got {list_some(told, 10)}{_in(origin)}. "
            "Choose the taxonomy of these labels, recode them, or list values that stand for no class under "
            "ignore_values of the tree."
        )


def class_as_nodata(nodata: float, name: str, origin: str) -> TaxonomyError:
    """Return the error for a raster whose nodata value is a class."""
    if origin.lower().endswith(".png"):  # the transparent colour of a PNG cannot be taken away
        remedy = f"save it without transparency: gdal_translate -a_nodata none {origin} OUT.tif"
    else:
        remedy = f"remove the declaration: gdal_edit.py -unsetnodata {origin}"
    return TaxonomyError(
        f"Expected the nodata value to be no class of the taxonomy, but got {nodata:g}, which is '{name}' "
        f"(in {origin}). Give the file's own taxonomy, or {remedy}."
    )


def _refuse_fractions(values: NDArray[np.generic], origin: str) -> None:
    if values.dtype.kind == "f":
        if not np.all(np.isfinite(values) & (values == np.floor(values))):
            raise TaxonomyError(
                f"Expected label values to be whole numbers, but got fractions or NaN{_in(origin)}. "
                "Give a class raster."
            )
    elif values.dtype.kind not in "iub":
        raise TaxonomyError(
            f"Expected label values to be integers, but got dtype {values.dtype}{_in(origin)}. "
            "Give a class raster."
        )


def _in(origin: str) -> str:
    return f" (in {origin})" if origin else ""
