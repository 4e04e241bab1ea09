"""Reference labels on the grid of maps: rasters and polygons, read as training reads them."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..datasets.geo_raster import GeoRaster
from ..datasets.label_opening import open_labels
from ..datasets.scene_source import label_classes
from ..datasets.vector_labels import VectorLabels
from ..errors import RasterError
from ..grid import GeoGrid, Lattice, Window
from ..taxonomy import Crosswalk, Taxonomy
from ..types import IGNORE_INDEX

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


class ReferenceLabels:
    """Labels as :func:`hierars_geo.datasets.open_labels` opens them, burnt or warped onto the grid of maps.

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
        self._source = open_labels(path, taxonomy, attribute=attribute, level=level, crosswalk=crosswalk)

    @contextmanager
    def open(self, grid: GeoGrid) -> Iterator[LabelReader]:
        """Open them on a grid.

        Yields:
            Reader of leaf indices, or of indices of every level where some labels are coarse.

        Raises:
            RasterError: The grid is not on the Earth, or turned or south-up and labels are of several kinds.
            HieraRSError: While reading: a file is damaged, or holds values that the tree lacks.
        """
        grid.gsd_m()  # says so where the CRS has no relation to the Earth
        source = self._source
        any_grid = isinstance(source, (GeoRaster, VectorLabels))
        if not (grid.is_north_up or any_grid):
            raise RasterError(
                "Expected maps whose rows run from west to east and north to south, but got a rotated or "
                "south-up grid. Warp the maps first (gdalwarp), then evaluate."
            )
        lattice = Lattice.of_grid(grid, grid.crs)

        def read(window: Window) -> NDArray[np.int64]:
            if isinstance(source, (GeoRaster, VectorLabels)):
                patch = source.read_on(grid, window)
            else:
                patch = source.read(lattice, window, None)
            if patch is None:
                return np.full((window.height, window.width), IGNORE_INDEX, dtype=np.int64)
            return label_classes(patch, source)

        try:
            yield read
        finally:
            source.close()


__all__ = ("LabelReader", "LabelSource", "ReferenceLabels")
