"""Reference labels of any kind that training reads: polygons, rasters of a coarse level."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..datasets.label_opening import open_labels
from ..errors import RasterError
from ..grid import GeoGrid, Window
from ..grid.lattice import Lattice
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX
from .label_source import LabelReader


class OpenedLabels:
    """Labels as :func:`hierars_geo.datasets.open_labels` opens them, burnt or warped onto the grid of maps.

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
        self.name = str(path)
        self._source = open_labels(path, taxonomy, attribute=attribute, level=level)

    @contextmanager
    def open(self, grid: GeoGrid) -> Iterator[LabelReader]:
        """Open them on a grid.

        Yields:
            Reader of leaf indices, or of indices of every level where some labels are coarse.

        Raises:
            RasterError: The grid is rotated or south-up.
        """
        if not grid.is_north_up:
            raise RasterError(
                "Expected maps whose rows run from west to east and north to south, but got a rotated or "
                "south-up grid. Warp the maps first (gdalwarp), then evaluate."
            )
        lattice = Lattice.of_grid(grid, grid.crs)

        def read(window: Window) -> NDArray[np.int64]:
            patch = self._source.read(lattice, window, None)
            if patch is None:
                return np.full((window.height, window.width), IGNORE_INDEX, dtype=np.int64)
            classes: NDArray[np.int64] = patch.filled(IGNORE_INDEX).astype(np.int64)
            return classes if len(classes) > 1 else classes[0]

        try:
            yield read
        finally:
            self._source.close()


__all__ = ("OpenedLabels",)
