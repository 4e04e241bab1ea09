"""Reference labels on the grid of maps: rasters and polygons, read as training reads them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import datasets  # whose face is lazy: TorchGeo takes seconds to import, and rasters do without it
from ..errors import OptionError
from ..grid import GeoGrid, Window
from ..polygons.vector_file import is_vector
from ..scenes.class_rasters import ClassRasters, label_classes
from ..taxonomy import Crosswalk, Legend, Taxonomy
from ..types import IGNORE_INDEX

if TYPE_CHECKING:
    from ..datasets.vector_labels import VectorLabels

#: Reads a window: leaf indices (h, w), or class indices of every level (N, h, w); -100 without a label.
LabelReader: TypeAlias = Callable[[Window], NDArray[np.int64]]


class ReferenceLabels:
    """Labels as training reads them, burnt or warped onto the grid of maps.

    Rasters of any integer type, and of whole floats, count by their nodata value, mask and alpha band; on
    another grid they are reduced by vote where they are finer, else read at the nearest pixel.

    Args:
        path: Polygons or a class raster.
        taxonomy: The tree.
        attribute: Column of polygons whose values are classes of any level.
        level: Level 1..N that the values of a raster are classes of; None for the leaves.
        crosswalk: Where the labels are of another legend: from it to the tree.

    Raises:
        HieraRSError: The options do not fit the file, or it cannot be used.
    """

    def __init__(
        self,
        path: str | Path,
        taxonomy: Taxonomy,
        attribute: str | None = None,
        level: int | None = None,
        crosswalk: Crosswalk | str | Path | None = None,
    ) -> None:
        self.name = os.fspath(path)
        if isinstance(crosswalk, str | Path):
            crosswalk = Crosswalk.from_yaml(crosswalk, taxonomy)
        if is_vector(path) or (attribute is not None and Path(path).is_dir()):
            self._source: ClassRasters | VectorLabels = datasets.VectorLabels(
                path, taxonomy, attribute, crosswalk=crosswalk
            )
        elif attribute is not None:
            raise OptionError(
                f"Expected polygons for attribute, but got {path}. Leave the option out for rasters."
            )
        else:
            self._source = ClassRasters(path, Legend(taxonomy, level, crosswalk))

    @contextmanager
    def open(self, grid: GeoGrid) -> Iterator[LabelReader]:
        """Open them on a grid.

        Yields:
            Reader of leaf indices, or of indices of every level where some labels are coarse.

        Raises:
            RasterError: The grid is not on the Earth.
            HieraRSError: While reading: a file is damaged, or holds values that the tree lacks.
        """
        grid.gsd_m()  # says so where the CRS has no relation to the Earth
        source = self._source

        def read(window: Window) -> NDArray[np.int64]:
            patch = source.read_on(grid, window)
            if patch is None:
                return np.full((window.height, window.width), IGNORE_INDEX, dtype=np.int64)
            return label_classes(patch, source.label_sets)

        try:
            yield read
        finally:
            source.close()
