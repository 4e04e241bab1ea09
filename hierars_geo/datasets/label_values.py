"""ValueDecoder: from stored raster values to the numbers of label sets."""

import math

import numpy as np
from numpy.typing import NDArray

from ..errors import RasterError
from ..scenes.patch import Pixels
from ..scenes.raster_file import RasterFile
from ..taxonomy import Legend, Taxonomy
from ..types import IGNORE_INDEX

#: Marks a raster value that the legend lacks.
_UNKNOWN = IGNORE_INDEX - 1


class ValueDecoder:
    """Turns raster values into the numbers of their sets of paths; of leaves these are their indices.

    Args:
        legend: What the values say.
    """

    def __init__(self, legend: Legend) -> None:
        self.legend = legend
        self._tables: dict[tuple[str, float | None], NDArray[np.int32]] = {}

    def accept(self, file: RasterFile) -> RasterFile:
        """Check that a file is a class raster.

        Raises:
            RasterError: It has several bands, or a class as nodata value.
        """
        if len(file.indexes) != 1:
            raise RasterError(
                f"Expected a label raster with one band, but got {len(file.indexes)} (in {file.path}). "
                "Name the label files, or put them into a folder of their own; set rgb where labels are "
                "pictures in the colours of the tree."
            )
        nodata = file.nodata[0]
        if nodata in self.legend.values:
            raise RasterError(
                f"Expected the nodata value of labels to be no class of {self.legend.origin.name}, but got "
                f"{nodata:g}, which is '{self.legend.name_of(int(nodata))}' (in {file.path}). "
                f"{_remedy(file.path)}"
            )
        return file

    def decode(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> NDArray[np.int32]:
        """Look up the numbers of sets.

        Args:
            data: (1, H, W) values as stored.
            valid: (H, W), False where the value has no meaning.
            file: Where they come from.

        Returns:
            (1, H, W) int32, -100 where there is no label.

        Raises:
            TaxonomyError: A value that the legend lacks; file and value are named.
        """
        tree = self.legend.origin
        if not isinstance(tree, Taxonomy) or data.dtype.name not in {"uint8", "uint16"}:
            nothing = tree.nodata_value if isinstance(tree, Taxonomy) else 0
            return self.legend.numbers(np.where(valid, data, nothing), file.path).astype(np.int32)
        numbers = self._table(tree, data.dtype.name, file.nodata[0]).take(data)
        if numbers.min(initial=0) == _UNKNOWN and bool(((numbers == _UNKNOWN) & valid).any()):
            self.legend.numbers(data[:, valid], file.path)  # raises, naming values and file
        return numbers

    def _table(self, tree: Taxonomy, dtype: str, nodata: float | None) -> NDArray[np.int32]:
        """Lookup table from every value of a data type to the number of its set."""
        if (dtype, nodata) not in self._tables:
            table = np.full(np.iinfo(dtype).max + 1, _UNKNOWN, dtype=np.int32)
            known = (*self.legend.values, tree.nodata_value, *tree.ignore_values)
            values = np.array([value for value in known if value < len(table)], dtype=np.int64)
            table[values] = self.legend.numbers(values)
            if nodata is not None and math.isfinite(nodata) and 0 <= nodata < len(table):
                table[int(nodata)] = IGNORE_INDEX
            self._tables[(dtype, nodata)] = table
        return self._tables[(dtype, nodata)]


def _remedy(path: str) -> str:
    """Say how a nodata value goes; the transparent colour of a PNG cannot be taken away."""
    if path.lower().endswith(".png"):
        return f"Save it without transparency: gdal_translate -a_nodata none {path} OUT.tif."
    return f"Remove the declaration: gdal_edit.py -unsetnodata {path}."


__all__ = ("ValueDecoder",)
