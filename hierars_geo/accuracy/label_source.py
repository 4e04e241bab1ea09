"""Where reference labels come from: a class raster here, anything else by the same protocol."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..grid import GeoGrid, Window
from ..maps.label_map import LabelMap, open_label_map
from ..taxonomy import Taxonomy

#: Reads a window: leaf indices (h, w), or class indices of every level (N, h, w); -100 without a label.
LabelReader: TypeAlias = Callable[[Window], NDArray[np.int64]]


class LabelSource(Protocol):
    """Labels that can be read on the grid of the maps.

    Attributes:
        name: For messages.
    """

    @property
    def name(self) -> str:
        """What the labels are called in messages."""

    def open(self, grid: GeoGrid) -> AbstractContextManager[LabelReader]:
        """Open them on a grid."""


class RasterLabels:
    """A class raster of leaf values on any grid.

    Args:
        path: The file.
        taxonomy: The tree of its values.
    """

    def __init__(self, path: str | Path, taxonomy: Taxonomy) -> None:
        self.name = os.fspath(path)
        self._taxonomy = taxonomy

    @contextmanager
    def open(self, grid: GeoGrid) -> Iterator[LabelReader]:
        """Open the raster on a grid, warped by mode where it is finer.

        Yields:
            Reader of leaf indices.

        Raises:
            DataError: A class of the tree is declared nodata.
            HieraRSError: It cannot be read; while reading also: it holds values that the tree lacks.
        """
        nodata = self._taxonomy.nodata_value
        with open_label_map(self.name, grid, nodata) as labels:
            self._refuse_class_as_nodata(labels)

            def read(window: Window) -> NDArray[np.int64]:
                values = labels.read(window).astype(np.int64)
                return self._taxonomy.value_to_index(
                    np.where(values == labels.nodata, nodata, values), origin=labels.path
                )

            yield read

    def _refuse_class_as_nodata(self, labels: LabelMap) -> None:
        """A class that is declared nodata would be left out of every score in silence."""
        taxonomy = self._taxonomy
        leaves = taxonomy.class_values(taxonomy.num_levels)
        if labels.nodata in leaves:
            name = taxonomy.class_names(taxonomy.num_levels)[leaves.index(labels.nodata)]
            raise DataError(
                f"Expected the nodata value of labels to be no class of {taxonomy.name}, but got "
                f"{labels.nodata}, which is '{name}' (in {labels.path}). Remove the declaration: "
                f"gdal_edit.py -unsetnodata {labels.path}."
            )


__all__ = ("LabelReader", "LabelSource", "RasterLabels")
