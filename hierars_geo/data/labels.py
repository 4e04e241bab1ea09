"""HierarchicalLabels: class rasters as leaf indices of a tree."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from ..errors import RasterError
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX
from .geo_raster import GeoRaster
from .patch import Patch, Pixels
from .raster_file import RasterFile, map_all, probe_all
from .raster_paths import Paths, find_rasters
from .resampling import Kind
from .scenes import Layer, Scene

#: Marks a raster value that the tree lacks.
_UNKNOWN = IGNORE_INDEX - 1


class HierarchicalLabels(GeoRaster):
    """Label rasters with one band, whose values are the raster values of a tree's leaves.

    A sample holds ``mask`` (H, W) int64: the leaf index, -100 where the pixel is unlabelled (the tree's
    nodata or the file's), and beyond the files. Labels are resampled by the nearest pixel, or by vote when
    coarsened.

    Args:
        paths: Files, folders, patterns, or a list of them.
        taxonomy: The tree, its name in the catalog, or the path of its YAML file.
        crs: CRS of queries and samples (default: that of the first file).
        res: Pixel size in units of the CRS (default: that of the first file).
        transforms: Applied to every sample.
        max_open_files: Handles kept open per process.

    Attributes:
        taxonomy: The tree.

    Raises:
        MissingFileError: Something named does not exist.
        RasterError: Files cannot be read, have no CRS, several bands, or a class as nodata value; all are
            named.
        TaxonomyError: When read: a value that the tree lacks; file and value are named.
    """

    kind: Kind = "labels"

    def __init__(
        self,
        paths: Paths,
        taxonomy: Taxonomy | str | Path,
        crs: CRS | str | int | None = None,
        res: float | tuple[float, float] | None = None,
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        max_open_files: int = 64,
    ) -> None:
        self.taxonomy = taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.from_yaml(taxonomy)
        files = probe_all(find_rasters(paths)[0])
        scenes = map_all(self._scene, files)
        self._tables: dict[tuple[str, float | None], NDArray[np.int32]] = {}
        super().__init__(scenes, (), crs, res, transforms, max_open_files)

    @property
    def num_classes(self) -> tuple[int, ...]:
        """Classes per level, coarsest first."""
        return self.taxonomy.num_classes

    def _scene(self, file: RasterFile) -> Scene:
        if len(file.indexes) != 1:
            raise RasterError(
                f"Expected a label raster with one band, but got {len(file.indexes)} (in {file.path}). "
                "Name the label files, or put them into a folder of their own."
            )
        nodata = file.nodata[0]
        values = self.taxonomy.class_values(self.taxonomy.num_levels)
        if nodata in values:
            name = self.taxonomy.class_names(self.taxonomy.num_levels)[values.index(int(nodata))]
            raise RasterError(
                f"Expected the nodata value of labels to be no class of {self.taxonomy.name}, but got "
                f"{nodata:g}, which is "
                f"'{name}' (in {file.path}). Remove the declaration: gdal_edit.py -unsetnodata {file.path}."
            )
        return Scene((Layer(file, file.indexes),))

    def _decode(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> Patch:
        index = self._to_index(data, valid, file)
        return Patch(index, valid & (index[0] != IGNORE_INDEX))

    def _to_index(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> NDArray[np.int32]:
        if data.dtype.name not in {"uint8", "uint16"}:
            values = np.where(valid, data, self.taxonomy.nodata_value)
            return self.taxonomy.value_to_index(values, origin=file.path).astype(np.int32)
        index = self._table(data.dtype.name, file.nodata[0]).take(data)
        if index.min(initial=0) == _UNKNOWN and bool(((index == _UNKNOWN) & valid).any()):
            self.taxonomy.value_to_index(data[:, valid], origin=file.path)  # raises, naming values and file
        return index

    def _table(self, dtype: str, nodata: float | None) -> NDArray[np.int32]:
        """Lookup table from every value of a data type to its index."""
        if (dtype, nodata) not in self._tables:
            table = np.full(np.iinfo(dtype).max + 1, _UNKNOWN, dtype=np.int32)
            known = (*self.taxonomy.class_values(self.taxonomy.num_levels), self.taxonomy.nodata_value)
            values = np.array([value for value in known if value < len(table)], dtype=np.int64)
            table[values] = self.taxonomy.value_to_index(values)
            if nodata is not None and math.isfinite(nodata) and 0 <= nodata < len(table):
                table[int(nodata)] = IGNORE_INDEX
            self._tables[(dtype, nodata)] = table
        return self._tables[(dtype, nodata)]


__all__ = ("HierarchicalLabels",)
