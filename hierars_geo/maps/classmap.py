"""ClassMapReader: read an integer class raster block by block."""

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from ..errors import RasterError
from ..grid import GeoGrid, Window
from ..output import gdal_env
from ..scenes.dataset import dataset_grid, image_bands, open_dataset, to_rasterio_window, unreadable


class ClassMapReader:
    """An open class raster; made by :func:`open_class_map`, used in a ``with`` statement by one thread.

    Attributes:
        path: The file.
        grid: Where the pixels lie.
        nodata: Declared nodata value; None where there is none, or one that no integer can have (NaN).
        dtype: Integer data type, for example ``"uint8"``.
        tags: Metadata of the file.
    """

    def __init__(self, path: str, dataset: DatasetReader, grid: GeoGrid, band: int) -> None:
        self.path = path
        self.grid = grid
        self.nodata = _whole(dataset.nodatavals[band - 1])
        self.dtype: str = dataset.dtypes[band - 1]
        self.tags: dict[str, str] = dataset.tags()
        self._dataset = dataset
        self._band = band

    def read(self, window: Window | None = None) -> NDArray[np.integer]:
        """Read class values.

        Args:
            window: Rows and columns inside the raster; None for all of it.

        Returns:
            (h, w) of the raster's data type.

        Raises:
            RasterError: The window reaches beyond the raster, or the file is damaged there.
        """
        full = Window(0, 0, *self.grid.shape)
        window = window or full
        if window.intersection(full) != window:
            raise RasterError(f"Expected a window inside {full}, but got {window} (in {self.path}).")
        try:
            with gdal_env():
                values: NDArray[np.integer] = self._dataset.read(
                    self._band, window=to_rasterio_window(window)
                )
        except RasterioIOError as error:
            raise unreadable(self.path, window, error) from error
        return values

    def iter_strips(self, rows: int = 512) -> Iterator[tuple[Window, NDArray[np.integer]]]:
        """Yield strips of full width from top to bottom.

        Args:
            rows: Rows of a strip, >= 1; the last one may be lower.

        Yields:
            The strip's window and its values (h, W).

        Raises:
            RasterError: The file is damaged.
        """
        if rows < 1:
            raise RasterError(f"Expected strips of at least one row, but got {rows}.")
        for row in range(0, self.grid.height, rows):
            window = Window(row, 0, min(rows, self.grid.height - row), self.grid.width)
            yield window, self.read(window)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _whole(nodata: float | None) -> int | None:
    return int(nodata) if nodata is not None and float(nodata).is_integer() else None


def open_class_map(path: str | os.PathLike[str]) -> ClassMapReader:
    """Open a class raster.

    Args:
        path: A raster with one integer band (and perhaps alpha).

    Returns:
        The reader.

    Raises:
        MissingFileError: There is no such file.
        RasterError: It cannot be read, has no CRS, or is no single-band integer raster.
    """
    name = os.fspath(path)
    dataset = open_dataset(name)
    try:
        bands = image_bands(dataset)
        dtypes = [dataset.dtypes[band - 1] for band in bands]
        if len(bands) != 1 or np.dtype(dtypes[0]).kind not in "iu":
            found = f"{len(bands)} of {', '.join(sorted(set(dtypes)))}"
            raise RasterError(
                f"Expected a class raster with one integer band, but got {found} (in {name}). "
                "Give a class map such as scene_L3.tif."
            )
        return ClassMapReader(name, dataset, dataset_grid(dataset, name), bands[0])
    except RasterError:
        dataset.close()
        raise


__all__ = ("ClassMapReader", "open_class_map")
