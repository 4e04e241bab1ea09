"""One file's share of an image: which bands, on which grid, and what means no data."""

import math
from dataclasses import dataclass

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from ..errors import RasterError
from ..grid import GeoGrid, Window
from .dataset import alpha_band, read_bands, to_rasterio_crs, to_rasterio_window, unreadable
from .georeference_warnings import no_georeference_warnings

#: Largest error of positions, in source pixels; at GDAL's own 0.125 a pixel depends on the window read.
_WARP_TOLERANCE_PX = 0.01


@dataclass(frozen=True)
class Source:
    """Bands that one file contributes to an image.

    Attributes:
        path: What GDAL opens.
        indexes: 1-based bands of the file, in image order.
        alpha: 1-based alpha band, None where there is none.
        is_float: NaN and infinity may occur; they mean no data.
        nodata: Declared nodata value of the first of these bands; NaN for floats that declare none.
        onto: Grid to resample onto; None to read the file's own pixels.
    """

    path: str
    indexes: tuple[int, ...]
    alpha: int | None
    is_float: bool
    nodata: float | None
    onto: GeoGrid | None = None


def describe_source(dataset: DatasetReader, path: str, indexes: tuple[int, ...]) -> Source:
    """Look at an open file.

    Args:
        dataset: The file.
        path: Its name.
        indexes: 1-based bands that are wanted, in image order.

    Returns:
        The source, on the file's own grid.

    Raises:
        RasterError: The pixels are complex numbers.
    """
    dtypes = sorted({dataset.dtypes[index - 1] for index in indexes})
    if any("complex" in dtype for dtype in dtypes):
        raise RasterError(
            f"Expected integer or real pixel values, but got {', '.join(dtypes)} (in {path}). "
            "Convert complex values to amplitude first."
        )
    is_float = any(np.dtype(dtype).kind == "f" for dtype in dtypes)
    nodata: float | None = dataset.nodatavals[indexes[0] - 1]
    if nodata is None and is_float:
        nodata = math.nan
    return Source(path, indexes, alpha_band(dataset), is_float, nodata)


def open_source(source: Source) -> list[DatasetReader]:
    """Open a source.

    Returns:
        What to close at the end, in the order of opening; the last one is to be read from.

    Raises:
        RasterError: The file has gone or changed since it was looked at.
    """
    try:
        with no_georeference_warnings():  # its place was looked at when the scene was opened
            dataset: DatasetReader = rasterio.open(source.path)
    except (RasterioIOError, UnicodeDecodeError) as error:
        raise RasterError(
            f"Expected {source.path} to stay readable, but got: {error}. Leave inputs in place until the end."
        ) from error
    if source.onto is None:
        return [dataset]
    # NaN marks what the file does not cover or hold; with an alpha band GDAL carries that one along instead
    nodata = {} if source.alpha else {"src_nodata": source.nodata, "nodata": math.nan}
    warped = WarpedVRT(
        dataset,
        crs=to_rasterio_crs(source.onto.crs),
        transform=source.onto.transform,
        height=source.onto.height,
        width=source.onto.width,
        resampling=Resampling.bilinear,
        tolerance=_WARP_TOLERANCE_PX,
        dtype="float32",
        **nodata,
    )
    return [dataset, warped]


def read_source(
    source: Source, handle: DatasetReader, window: Window
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read a window that lies inside the grid.

    Args:
        source: What to read.
        handle: The last of :func:`open_source`.
        window: Rows and columns.

    Returns:
        Image (C, h, w) float32 with values as stored (anything where not valid), and validity (h, w) bool.

    Raises:
        RasterError: The file is damaged there.
    """
    try:
        return _read(source, handle, window)
    except RasterioIOError as error:
        raise unreadable(source.path, window, error) from error


def _read(
    source: Source, handle: DatasetReader, window: Window
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    at = to_rasterio_window(window)
    stored = read_bands(handle, source.indexes, window, "float32")
    image: NDArray[np.float32] = stored.astype(np.float32, copy=False)
    valid = np.ones((window.height, window.width), dtype=np.bool_)
    if source.is_float or source.onto:
        valid &= np.isfinite(image).all(axis=0)
    if source.alpha:
        valid &= handle.read(source.alpha, window=at) > 0
        if source.nodata is not None:  # GDAL heeds only one of the two
            valid &= (image != np.float32(source.nodata)).all(axis=0)
        return image, valid
    flags = {flag for index in source.indexes for flag in handle.mask_flag_enums[index - 1]}
    if MaskFlags.per_dataset in flags:
        valid &= handle.read_masks(source.indexes[0], window=at) > 0
    elif MaskFlags.nodata in flags and not source.onto:
        valid &= (handle.read_masks(list(source.indexes), window=at) > 0).all(axis=0)
    return image, valid


__all__ = ("Source", "describe_source", "open_source", "read_source")
