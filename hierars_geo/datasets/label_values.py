"""ValueDecoder: from stored raster values to class indices of one level."""

import math

import numpy as np
from numpy.typing import NDArray

from ..errors import RasterError
from ..scenes.patch import Pixels
from ..scenes.raster_file import RasterFile
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX

#: Marks a raster value that the tree lacks.
_UNKNOWN = IGNORE_INDEX - 1


class ValueDecoder:
    """Turns the raster values of one level into class indices.

    Args:
        taxonomy: The tree.
        level: 1..N, level that the values are classes of.
    """

    def __init__(self, taxonomy: Taxonomy, level: int) -> None:
        self.taxonomy = taxonomy
        self.level = level
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
        values = self.taxonomy.class_values(self.level)
        if nodata in values:
            name = self.taxonomy.class_names(self.level)[values.index(int(nodata))]
            raise RasterError(
                f"Expected the nodata value of labels to be no class of {self.taxonomy.name}, but got "
                f"{nodata:g}, which is "
                f"'{name}' (in {file.path}). {_remedy(file.path)}"
            )
        return file

    def decode(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> NDArray[np.int32]:
        """Look up class indices.

        Args:
            data: (1, H, W) values as stored.
            valid: (H, W), False where the value has no meaning.
            file: Where they come from.

        Returns:
            (1, H, W) int32, -100 where there is no label.

        Raises:
            TaxonomyError: A value that the tree lacks; file and value are named.
        """
        if data.dtype.name not in {"uint8", "uint16"}:
            values = np.where(valid, data, self.taxonomy.nodata_value)
            return self.taxonomy.value_to_index(values, self.level, file.path).astype(np.int32)
        index = self._table(data.dtype.name, file.nodata[0]).take(data)
        if index.min(initial=0) == _UNKNOWN and bool(((index == _UNKNOWN) & valid).any()):
            # raises, naming values and file
            self.taxonomy.value_to_index(data[:, valid], self.level, file.path)
        return index

    def _table(self, dtype: str, nodata: float | None) -> NDArray[np.int32]:
        """Lookup table from every value of a data type to its index."""
        if (dtype, nodata) not in self._tables:
            table = np.full(np.iinfo(dtype).max + 1, _UNKNOWN, dtype=np.int32)
            tree = self.taxonomy
            known = (*tree.class_values(self.level), tree.nodata_value, *tree.ignore_values)
            values = np.array([value for value in known if value < len(table)], dtype=np.int64)
            table[values] = self.taxonomy.value_to_index(values, self.level)
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
