"""Open rasters with clear errors, keep some of them open, and say where their pixels lie."""

import math
import os
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.enums import Interleaving
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.io import DatasetReader

from ..errors import MissingFileError, OptionError, RasterError
from ..grid import GeoGrid, Window

#: Enough for a row of tiles of every input band and of every output of a wide scene.
_BLOCK_CACHE_BYTES = 128 * 2**20  # rasterio hands the number on as bytes, where GDAL's own option has MB


#: Held while the filters of warnings are another's.
_FILTERS = Lock()
#: Parses a CRS once: thousands of files share one object, which is large and slow to make.
_crs_of = lru_cache(maxsize=64)(CRS.from_wkt)
#: A block larger than this is refused: a gigapixel of uint16 in a single strip still passes.
_MAX_BLOCK_BYTES = 2 * 2**30


@contextmanager
def no_georeference_warnings() -> Iterator[None]:
    """Ignore :class:`rasterio.errors.NotGeoreferencedWarning`; not to be nested.

    The filters of warnings belong to the process. rasterio itself swaps them while it draws polygons into an
    array, so that of two threads that do so at once one finds the other's filters gone: hold this around it.
    """
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def bounded_block_cache(most_bytes: int = _BLOCK_CACHE_BYTES) -> AbstractContextManager[object]:
    """Return a GDAL environment whose block cache stays small.

    GDAL keeps decoded blocks up to a twentieth of the machine's memory, which looks like a leak in a process
    that passes over a large raster once.
    """
    env: AbstractContextManager[object] = rasterio.Env(GDAL_CACHEMAX=most_bytes)  # type: ignore[no-untyped-call]
    return env


def open_dataset(path: str, overview: int | None = None) -> DatasetReader:
    """Open a raster of at least one band for reading; the caller closes it.

    Args:
        path: A file, or anything else that GDAL opens (``/vsizip/...``, ``s3://...``, ``NETCDF:a.nc:b``).
        overview: Open this overview of it, from 0, as if it were the file; None for the file.

    Raises:
        MissingFileError: There is no such file.
        RasterError: GDAL cannot read it, or it is a container of several rasters.
    """
    if not _is_gdal_name(path) and not Path(path).exists():
        raise MissingFileError(f"Expected {path} to be a raster, but it does not exist. Check the path.")
    if Path(path).is_fifo() or Path(path).is_char_device():  # GDAL would wait for ever
        raise RasterError(
            f"Expected {path} to be a raster, but it is a pipe or a device. Copy it into a file first."
        )
    try:
        with no_georeference_warnings():  # said as an error with a remedy by dataset_grid
            level = {} if overview is None else {"overview_level": overview}
            dataset: DatasetReader = rasterio.open(path, **level)
    except (RasterioIOError, UnicodeDecodeError) as error:  # GDAL's words may hold bytes of the file
        raise RasterError(
            f"Expected {path} to be a raster that GDAL can read, but got: {_one_line(error)}. "
            "Check that the file is complete and its format is supported."
        ) from error
    if dataset.count == 0:
        inner = ", ".join(dataset.subdatasets[:4]) or "none"
        dataset.close()
        raise RasterError(
            f"Expected {path} to be one raster with bands, but got a container (subdatasets: {inner}). "
            "Name one of them instead."
        )
    try:
        _refuse_huge_blocks(dataset, path)
        _refuse_other_encodings(dataset, path)
    except RasterError:
        dataset.close()
        raise
    return dataset


def _refuse_other_encodings(dataset: DatasetReader, path: str) -> None:
    """Refuse what rasterio cannot read later on, each time it is asked."""
    try:
        _ = dataset.descriptions, dataset.tags()
    except UnicodeDecodeError as error:
        raise RasterError(
            f"Expected band names and tags in UTF-8, but got {error.object!r:.60} (in {path}). "
            "Copy it without them: gdal_translate -co PROFILE=GeoTIFF IN OUT."
        ) from error


def _refuse_huge_blocks(dataset: DatasetReader, path: str) -> None:
    """Refuse blocks that no memory holds: GDAL decodes a whole one for the first of its pixels.

    A compressed file of a few kilobytes can declare blocks of terabytes.
    """
    together = dataset.count if dataset.interleaving == Interleaving.pixel else 1
    for index, (rows, cols) in enumerate(dataset.block_shapes):
        size = rows * cols * together * _itemsize(dataset.dtypes[index])
        if size > _MAX_BLOCK_BYTES:
            raise RasterError(
                f"Expected blocks of at most {_MAX_BLOCK_BYTES >> 20} MiB, but got {rows} x {cols} px, "
                f"{size >> 20} MiB (in {path}). Write it in tiles: gdal_translate -co TILED=YES IN OUT."
            )


def dataset_grid(dataset: DatasetReader, path: str) -> GeoGrid:
    """Return the grid of an open raster.

    Raises:
        RasterError: It has no CRS, no geotransform, or a CRS that PROJ does not know.
    """
    if not dataset.crs:
        if dataset.gcps[0]:
            raise RasterError(
                f"Expected a raster on a regular grid, but got ground control points only (in {path}). "
                "Warp it first: gdalwarp -t_srs EPSG:... IN OUT."
            )
        if dataset.rpcs is not None:
            raise RasterError(
                f"Expected a raster on a regular grid, but got rational polynomials only (in {path}). "
                "Orthorectify it first: gdalwarp -rpc -t_srs EPSG:... IN OUT (with -to RPC_DEM=DEM where the "
                "ground is not flat)."
            )
        raise RasterError(
            f"Expected a raster with a CRS, but got none (in {path}). "
            f"Assign it: gdal_edit.py -a_srs EPSG:... {path} (or rio edit-info --crs EPSG:... {path})."
        )
    transform = dataset.transform
    if not all(map(math.isfinite, transform)):
        raise RasterError(
            f"Expected a finite geotransform, but got {tuple(transform)[:6]} (in {path}). "
            f"Assign it: gdal_edit.py -a_ullr LEFT TOP RIGHT BOTTOM {path}."
        )
    if transform == Affine.identity() or transform.is_degenerate:
        raise RasterError(
            f"Expected a georeferenced raster, but got no geotransform (in {path}). "
            f"Assign it: gdal_edit.py -a_ullr LEFT TOP RIGHT BOTTOM {path}."
        )
    try:
        crs = _crs_of(dataset.crs.to_wkt(version="WKT2_2019"))
    except CRSError as error:
        raise RasterError(
            f"Expected a CRS that PROJ knows, but got {_one_line(error)} (in {path}). "
            "Assign one by EPSG code."
        ) from error
    return GeoGrid(crs, transform, (dataset.height, dataset.width))


def _itemsize(dtype: str) -> int:
    """Bytes of a pixel; rasterio alone knows complex_int16."""
    return 4 if dtype == "complex_int16" else np.dtype(dtype).itemsize


def read_bands(
    dataset: DatasetReader,
    indexes: Sequence[int],
    window: Window,
    shape: tuple[int, int] | None = None,
) -> NDArray[np.generic]:
    """Read bands whose data types may differ, as those of a VRT over several files; rasterio refuses these.

    Args:
        dataset: An open raster.
        indexes: 1-based bands.
        window: Rows and columns inside the raster.
        shape: Fewer pixels than the window has, taken from an overview; None for all.

    Returns:
        (C, h, w) of a type that all bands fit into.
    """
    at = to_rasterio_window(window)
    if len({dataset.dtypes[index - 1] for index in indexes}) == 1:
        out_shape = None if shape is None else (len(indexes), *shape)
        together: NDArray[np.generic] = dataset.read(list(indexes), window=at, out_shape=out_shape)
        return together
    return np.stack([dataset.read(index, window=at, out_shape=shape) for index in indexes])


@lru_cache(maxsize=64)
def to_rasterio_crs(crs: CRS) -> rasterio.crs.CRS:
    """Turn a pyproj CRS into rasterio's, remembering the last ones (the conversion parses text)."""
    return rasterio.crs.CRS.from_wkt(crs.to_wkt())


def tiff_profile(
    grid: GeoGrid, count: int, dtype: str, nodata: float | None, tile_px: int
) -> dict[str, object]:
    """Return how a tiled, deflated GeoTIFF of a grid is opened for writing."""
    classes = count == 1 and dtype == "uint8"  # differences of neighbours say nothing
    return {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": count,
        "dtype": dtype,
        "crs": to_rasterio_crs(grid.crs),
        "transform": grid.transform,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": tile_px,
        "blockysize": tile_px,
        "interleave": "pixel",
        "compress": "deflate",
        "predictor": 3 if np.dtype(dtype).kind == "f" else 1 if classes else 2,
        "bigtiff": "IF_SAFER",
    }


def to_rasterio_window(window: Window) -> rasterio.windows.Window:
    """Turn a window into rasterio's (column first)."""
    return rasterio.windows.Window(window.col, window.row, window.width, window.height)


def unreadable(path: str, window: Window, error: Exception) -> RasterError:
    """Return the error for a block that cannot be read."""
    cause = error.__cause__ or error
    return RasterError(
        f"Expected {path} to be readable at rows {window.row}..{window.row_stop - 1}, columns "
        f"{window.col}..{window.col_stop - 1}, but got: {_one_line(cause)}. "
        "The file is damaged or incomplete: get it again."
    )


def _is_gdal_name(path: str) -> bool:
    """Tell names that only GDAL understands from paths of the file system."""
    return path.startswith("/vsi") or "://" in path or (":" in path and not Path(path).exists())


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")


_Handles: TypeAlias = OrderedDict[tuple[str, int | None], DatasetReader]


def opening_env() -> AbstractContextManager[object]:
    """Return the GDAL environment to open files in.

    GDAL then asks for the files that may lie beside a raster (masks, overviews, ``.aux.xml``) by name instead
    of listing the folder, which takes most of the time where there are thousands of files.
    """
    env: AbstractContextManager[object] = rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE")  # type: ignore[no-untyped-call]
    return env


class HandlePool:
    """Keeps the most recently used rasters open.

    A handle must not be used by two threads, and must not cross a fork (both processes would share its file
    offset): handles belong to the thread and the process that opened them; after a fork the child opens its
    own and leaves the inherited ones alone. Handles do not travel in a pickle either, so workers may be
    spawned. They are closed with the pool, and before the interpreter ends: what GDAL says while it closes a
    file later finds no Python to say it to.

    Args:
        max_open: Handles of a thread at the same time, >= 1; the least recently used one is closed first.
    """

    def __init__(self, max_open: int = 64) -> None:
        if max_open < 1:
            raise OptionError(f"Expected max_open_files to be >= 1, but got {max_open}.")
        self.max_open = max_open
        self._begin()

    def _begin(self) -> None:
        self._open: dict[int, _Handles] = {}
        self._pid = os.getpid()
        weakref.finalize(self, _close_all, self._open, self._pid)

    def get(self, path: str, overview: int | None = None) -> DatasetReader:
        """Return an open dataset; it stays open at least until ``max_open`` others have been asked for.

        Raises:
            MissingFileError: The file is gone.
            RasterError: GDAL cannot read it.
        """
        if self._pid != os.getpid():
            self._begin()  # the finalizer of the parent's handles keeps them, and leaves them alone
        handles = self._open.setdefault(threading.get_ident(), OrderedDict())
        key = path, overview
        dataset = handles.get(key)
        if dataset is not None:
            handles.move_to_end(key)
            return dataset
        while len(handles) >= self.max_open:
            handles.popitem(last=False)[1].close()
        with opening_env():
            handles[key] = dataset = open_dataset(path, overview)
        return dataset

    def __len__(self) -> int:
        return sum(map(len, self._open.values())) if self._pid == os.getpid() else 0

    def close(self) -> None:
        """Close every handle of this process; the next :meth:`get` opens again."""
        _close_all(self._open, self._pid)

    def __getstate__(self) -> dict[str, int]:
        return {"max_open": self.max_open}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__init__(state["max_open"])  # type: ignore[misc]


def _close_all(handles: dict[int, _Handles], pid: int) -> None:
    """Close the handles of a process, in that process alone."""
    while handles and pid == os.getpid():
        _, of_thread = handles.popitem()
        while of_thread:
            of_thread.popitem()[1].close()
