"""Labels on the grid of something else: a class raster read where another raster's pixels lie."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioIOError
from rasterio.vrt import WarpedVRT

from ..grid import GeoGrid, Window, same_grid
from ..scenes.dataset import to_rasterio_crs, to_rasterio_window, unreadable
from .classmap import open_class_map

#: Labels whose pixels are smaller than the target's by this factor are reduced by mode, else by nearest.
COARSENING = 1.5


@dataclass(frozen=True)
class LabelMap:
    """An open class raster, seen on another grid.

    Attributes:
        path: The file.
        grid: Grid it is seen on.
        nodata: Value that means no label in what :meth:`read` returns.
    """

    path: str
    grid: GeoGrid
    nodata: int
    _read: Callable[[Window], NDArray[np.integer]]

    def read(self, window: Window) -> NDArray[np.integer]:
        """Read values (h, w) of a window of ``grid``; ``nodata`` beyond the file.

        Raises:
            RasterError: The file is damaged there.
        """
        return self._read(window)


@contextmanager
def open_label_map(path: str | os.PathLike[str], grid: GeoGrid, nodata: int) -> Iterator[LabelMap]:
    """Open labels on a grid.

    Labels on the same grid are read as they are. Others are warped: by mode where their pixels are clearly
    smaller than the grid's, so that a pixel gets the class that covers most of it, else by nearest.

    Args:
        path: Class raster with one integer band.
        grid: Grid to read on.
        nodata: Value that means no label, where the file declares none.

    Yields:
        The labels.

    Raises:
        MissingFileError: There is no such file.
        RasterError: It cannot be read, has no CRS, or is no class raster.
    """
    name = os.fspath(path)
    with ExitStack() as stack:
        reader = stack.enter_context(open_class_map(name))
        declared = nodata if reader.nodata is None else reader.nodata
        if same_grid(reader.grid, grid):
            yield LabelMap(name, grid, declared, reader.read)
            return
        coarsens = grid.gsd_m() > COARSENING * reader.grid.gsd_m()
        source = stack.enter_context(rasterio.open(name))
        warped = stack.enter_context(
            WarpedVRT(
                source,
                crs=to_rasterio_crs(grid.crs),
                transform=grid.transform,
                height=grid.height,
                width=grid.width,
                resampling=Resampling.mode if coarsens else Resampling.nearest,
                src_nodata=declared,
                nodata=declared,
                dtype="int32",
            )
        )

        def read(window: Window) -> NDArray[np.integer]:
            try:
                values: NDArray[np.integer] = warped.read(1, window=to_rasterio_window(window))
            except RasterioIOError as error:
                raise unreadable(name, window, error) from error
            return values

        yield LabelMap(name, grid, declared, read)


__all__ = ("LabelMap", "open_label_map")
