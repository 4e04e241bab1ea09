"""ClassMapReader: read an integer class raster block by block."""

import os
from typing import Self

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from ..errors import RasterError
from ..grid import GeoGrid, Window
from ..output import gdal_env
from ..scenes.dataset import dataset_grid, open_dataset, to_rasterio_window, unreadable
from ..scenes.nodata import has_mask, split_alpha


class ClassMapReader:
    """An open class raster; made by :func:`open_class_map`, used in a ``with`` statement by one thread.

    A pixel has no class where it holds the declared nodata value, where a mask beside the band hides it, or
    where the alpha band is 0, whichever of them there are.

    Attributes:
        path: The file.
        grid: Where the pixels lie.
        nodata: Declared nodata value; None where there is none, or one that no integer can have (NaN).
        dtype: Integer data type, for example ``"uint8"``.
        description: Name that the file gives the band, or empty.
        tags: Metadata of the file.
    """

    def __init__(
        self, path: str, dataset: DatasetReader, grid: GeoGrid, band: int, alpha: int | None
    ) -> None:
        self.path = path
        self.grid = grid
        self.nodata = _whole(dataset.nodatavals[band - 1])
        self.dtype: str = dataset.dtypes[band - 1]
        self.description: str = dataset.descriptions[band - 1] or ""
        self.tags: dict[str, str] = dataset.tags()
        self._dataset = dataset
        self._band = band
        self._alpha = alpha
        self._masked = has_mask(dataset, [band])

    def read(self, fill: int, window: Window | None = None) -> NDArray[np.integer]:
        """Read class values.

        Args:
            fill: Value to put where there is no class.
            window: Rows and columns inside the raster; None for all of it.

        Returns:
            (h, w) of the raster's data type, or of a wider one where ``fill`` needs it.

        Raises:
            RasterError: The window reaches beyond the raster, or the file is damaged there.
        """
        full = Window(0, 0, *self.grid.shape)
        window = window or full
        if window.intersection(full) != window:
            raise RasterError(f"Expected a window inside {full}, but got {window} (in {self.path}).")
        at = to_rasterio_window(window)
        try:
            with gdal_env():
                values: NDArray[np.integer] = self._dataset.read(self._band, window=at)
                hidden = None
                if self._masked:
                    hidden = self._dataset.read_masks(self._band, window=at) == 0
                if self._alpha is not None:
                    clear = self._dataset.read(self._alpha, window=at) == 0
                    hidden = clear if hidden is None else hidden | clear
        except RasterioIOError as error:
            raise unreadable(self.path, window, error) from error
        if self.nodata is not None and self.nodata != fill:
            empty = values == self.nodata
            hidden = empty if hidden is None else hidden | empty
        if hidden is None or not hidden.any():
            return values
        dtype = np.result_type(values.dtype, np.min_scalar_type(fill))
        return np.where(hidden, dtype.type(fill), values)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _whole(nodata: float | None) -> int | None:
    return int(nodata) if nodata is not None and float(nodata).is_integer() else None


def open_class_map(path: str | os.PathLike[str], band: int | None = None) -> ClassMapReader:
    """Open a class raster.

    Args:
        path: A raster with one integer band (and perhaps alpha).
        band: 1-based band of a raster of several; None for the only one.

    Raises:
        MissingFileError: There is no such file.
        RasterError: It cannot be read, has no CRS, or is no single-band integer raster.
    """
    name = os.fspath(path)
    dataset = open_dataset(name)
    try:
        data_bands, alpha, _ = split_alpha(dataset)
        bands = data_bands if band is None else (band,)
        dtypes = [dataset.dtypes[number - 1] for number in bands]
        if len(bands) != 1 or np.dtype(dtypes[0]).kind not in "iu":
            found = f"{len(bands)} of {', '.join(sorted(set(dtypes)))}"
            raise RasterError(
                f"Expected a class raster with one integer band, but got {found} (in {name}). "
                "Give a class map such as scene_L3.tif."
            )
        return ClassMapReader(name, dataset, dataset_grid(dataset, name), bands[0], alpha)
    except RasterError:
        dataset.close()
        raise
