"""Reference labels on the grid of maps: rasters and polygons, read as training reads them."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..datasets.label_opening import open_labels
from ..datasets.scene_source import label_classes
from ..errors import RasterError
from ..grid import GeoGrid, Lattice, Window, same_grid
from ..maps import open_class_map
from ..taxonomy import Taxonomy
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

    Raises:
        HieraRSError: The options do not fit the file, or it cannot be used.
    """

    def __init__(
        self, path: str | Path, taxonomy: Taxonomy, attribute: str | None = None, level: int | None = None
    ) -> None:
        self.name = os.fspath(path)
        self._taxonomy = taxonomy
        self._level = taxonomy.num_levels if level is None else level
        self._source = open_labels(path, taxonomy, attribute=attribute, level=level)

    @contextmanager
    def open(self, grid: GeoGrid) -> Iterator[LabelReader]:
        """Open them on a grid.

        Yields:
            Reader of leaf indices, or of indices of every level where some labels are coarse.

        Raises:
            RasterError: The grid is rotated or south-up and the labels are not a raster on it.
            HieraRSError: While reading: a file is damaged, or holds values that the tree lacks.
        """
        if not grid.is_north_up:
            with self._open_same(grid) as read_same:
                yield read_same
            return
        lattice = Lattice.of_grid(grid, grid.crs)

        def read(window: Window) -> NDArray[np.int64]:
            patch = self._source.read(lattice, window, None)
            if patch is None:
                return np.full((window.height, window.width), IGNORE_INDEX, dtype=np.int64)
            return label_classes(patch, self._source)

        try:
            yield read
        finally:
            self._source.close()

    @contextmanager
    def _open_same(self, grid: GeoGrid) -> Iterator[LabelReader]:
        """Read a raster that has the pixels of the maps, however they are turned."""
        try:
            reader = open_class_map(self.name)
        except RasterError as error:
            raise _turned() from error
        tree = self._taxonomy
        levels = tree.known_levels(self._level)
        with reader:
            if not same_grid(reader.grid, grid):
                raise _turned()

            def read(window: Window) -> NDArray[np.int64]:
                values = reader.read(tree.nodata_value, window)
                index = tree.value_to_index(values, self._level, self.name)
                if self._level == tree.num_levels:
                    return index
                known = np.concatenate([levels, np.full((1, tree.num_levels), IGNORE_INDEX)])
                return np.moveaxis(known[np.where(index == IGNORE_INDEX, len(levels), index)], -1, 0)

            yield read


def _turned() -> RasterError:
    return RasterError(
        "Expected maps whose rows run from west to east and north to south, or label rasters of the same "
        "pixels, but got a rotated or south-up grid. Warp the maps first (gdalwarp), then evaluate."
    )


__all__ = ("LabelReader", "LabelSource", "ReferenceLabels")
