"""LayerReader: read a window of a lattice from one file, whatever grid the file is on."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import rasterio.crs
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.warp import transform

from ..grid import GeoGrid, Window
from ..grid.lattice import Lattice
from ..grid.placement import Placement, place, stored_window
from ..grid.reprojection import same_crs
from .dataset import read_bands, to_rasterio_crs, to_rasterio_window, unreadable
from .handles import HandlePool
from .patch import Patch, Pixels
from .raster_file import RasterFile
from .resampling import MODE_FROM, Interpolation, Kind, image_weights, nearest_taps, separable, warp

#: Turns stored values into what is sampled (float32 values, or leaf indices); may take pixels from the
#: validity.
Decode: TypeAlias = Callable[[Pixels, NDArray[np.bool_], RasterFile], Patch]
#: A target window that needs more file pixels than this is read in halves, so that memory stays bounded.
_MOST_FILE_PIXELS = 32_000_000
#: Placements remembered per reader.
_MOST_PLACEMENTS = 65_536
#: What an image or label patch is made of.
_DTYPES: dict[Kind, str] = {"image": "float32", "labels": "int32"}


class LayerReader:
    """Reads windows from files through a pool of handles.

    Args:
        pool: Open files.
        kind: Decides how pixels are resampled.
        decode: Applied to stored values before any resampling.

    Attributes:
        interpolation: Of images, where they are neither read as they are nor coarsened.
    """

    def __init__(self, pool: HandlePool, kind: Kind, decode: Decode) -> None:
        self.pool = pool
        self.kind = kind
        self.decode = decode
        self.interpolation: Interpolation = "bilinear"
        self._placements: dict[tuple[str, Lattice], Placement | None] = {}

    def read(self, file: RasterFile, indexes: Sequence[int], lattice: Lattice, window: Window) -> Patch:
        """Read bands of a file in a window of a lattice; what lies beyond the file is not valid.

        Args:
            file: The file.
            indexes: 1-based bands.
            lattice: Pixels to read on.
            window: Window of the lattice.

        Raises:
            RasterError: The file is damaged there.
        """
        key = (file.path, lattice)
        if key not in self._placements:
            if len(self._placements) >= _MOST_PLACEMENTS:  # lattices made for a single chip would pile up
                self._placements.clear()
            self._placements[key] = place(file.grid, lattice)
        placement = self._placements[key]
        if placement is None:
            return self._read_warped(file, indexes, lattice, window)
        shift = placement.shift
        if shift is not None:
            return self._read_aligned(file, indexes, placement, window, shift)
        if self.kind == "labels" and placement.coarsening >= MODE_FROM:
            return self._read_warped(file, indexes, lattice, window)
        return self._read_scaled(file, indexes, placement, window)

    def _read_aligned(
        self,
        file: RasterFile,
        indexes: Sequence[int],
        placement: Placement,
        window: Window,
        shift: tuple[int, int],
    ) -> Patch:
        """Plain read: lattice and file have the same pixels."""
        wanted = window.shifted(*shift)
        inside = wanted.intersection(Window(0, 0, *file.grid.shape))
        if inside is None:
            return self._empty(indexes, window)
        patch = self._block(
            file, indexes, placement, (inside.row, inside.row_stop), (inside.col, inside.col_stop)
        )
        if inside == wanted:
            return patch
        whole = Patch.empty(len(patch.data), window, str(patch.data.dtype))
        rows, cols = inside.shifted(-wanted.row, -wanted.col).slices()
        whole.data[:, rows, cols] = patch.data
        whole.valid[rows, cols] = patch.valid
        return whole

    def _read_scaled(
        self, file: RasterFile, indexes: Sequence[int], placement: Placement, window: Window
    ) -> Patch:
        """Resample within the CRS, each axis by itself."""
        rows, cols = (
            axis.span(start, count, margin_px=2)
            for axis, start, count in (
                (placement.rows, window.row, window.height),
                (placement.cols, window.col, window.width),
            )
        )
        if rows[0] >= rows[1] or cols[0] >= cols[1]:
            return self._empty(indexes, window)
        if _too_large(rows, cols, len(indexes), window):
            return _halves(window, lambda half: self._read_scaled(file, indexes, placement, half))
        patch = self._block(file, indexes, placement, rows, cols)
        if self.kind == "labels":
            return _take(patch, placement, window, (rows[0], cols[0]))
        weights = [
            image_weights(axis, start, count, span, self.interpolation)
            for axis, start, count, span in (
                (placement.rows, window.row, window.height, rows),
                (placement.cols, window.col, window.width, cols),
            )
        ]
        return separable(patch, weights[0], weights[1])

    def _read_warped(
        self, file: RasterFile, indexes: Sequence[int], lattice: Lattice, window: Window
    ) -> Patch:
        """Warp with GDAL: another CRS, a rotated file, or a vote among labels."""
        target = lattice.grid(window)
        source, coarsening = _source_window(file.grid, target)
        if source is None:
            return self._empty(indexes, window)
        rows, cols = (source.row, source.row_stop), (source.col, source.col_stop)
        if _too_large(rows, cols, len(indexes), window):
            return _halves(window, lambda half: self._read_warped(file, indexes, lattice, half))
        patch = self._block(file, indexes, None, rows, cols)
        return warp(
            patch,
            (file.grid.crop(source).transform, rasterio_crs(file.grid.crs)),
            (target.transform, rasterio_crs(target.crs)),
            target.shape,
            self.kind,
            coarsening,
            self.interpolation,
        )

    def _empty(self, indexes: Sequence[int], window: Window) -> Patch:
        """Return a patch without data; labels have one channel, whatever bands they are decoded from."""
        return Patch.empty(1 if self.kind == "labels" else len(indexes), window, _DTYPES[self.kind])

    def _block(
        self,
        file: RasterFile,
        indexes: Sequence[int],
        placement: Placement | None,
        rows: tuple[int, int],
        cols: tuple[int, int],
    ) -> Patch:
        """Read file pixels, turned to the lattice's direction, and decode them."""
        if placement is None:
            window = Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])
        else:
            window = stored_window(placement, rows, cols)
        try:
            data, valid = read_stored(self.pool.get(file.path), file, indexes, window)
        except RasterioIOError as error:
            raise unreadable(file.path, window, error) from error
        if placement is not None and (placement.rows.flipped or placement.cols.flipped):
            turn = (
                slice(None, None, -1 if placement.rows.flipped else 1),
                slice(None, None, -1 if placement.cols.flipped else 1),
            )
            data, valid = data[(slice(None), *turn)].copy(), valid[turn].copy()
        return self.decode(data, valid, file)


def read_stored(
    dataset: DatasetReader, file: RasterFile, indexes: Sequence[int], window: Window
) -> tuple[Pixels, NDArray[np.bool_]]:
    """Read a window that lies within the file.

    Returns:
        Stored values (C, H, W) and validity (H, W): True where every band holds data by nodata value, NaN,
        mask and alpha band.
    """
    at = to_rasterio_window(window)
    data: Pixels = read_bands(dataset, indexes, window)
    valid = np.ones(data.shape[1:], dtype=np.bool_)
    if file.validity == "mask":
        valid &= (dataset.read_masks(list(indexes), window=at) > 0).all(axis=0)
    if any(value is not None for value in file.nodata):
        for channel, index in enumerate(indexes):
            nodata = _stored_nodata(file.nodata[file.indexes.index(index)], data.dtype)
            if nodata is not None:
                valid &= data[channel] != nodata
    if data.dtype.kind == "f":
        valid &= np.isfinite(data).all(axis=0)
    if file.alpha is not None:
        valid &= dataset.read(file.alpha, window=at) > 0
    return data, valid


@lru_cache(maxsize=256)
def _stored_nodata(value: float | None, dtype: np.dtype[Any]) -> np.generic | None:
    """Return a nodata value as pixels hold it; None for NaN, and where no pixel can (-9999 is no uint16)."""
    if value is None or not math.isfinite(value):
        return None
    if dtype.kind == "f":
        return dtype.type(value) if abs(value) <= np.finfo(dtype).max else None
    info = np.iinfo(dtype)
    return dtype.type(value) if value.is_integer() and info.min <= value <= info.max else None


def _take(patch: Patch, placement: Placement, window: Window, first: tuple[int, int]) -> Patch:
    """Nearest neighbour: the file pixel that each lattice pixel's centre lies in."""
    rows = nearest_taps(placement.rows, window.row, window.height)
    cols = nearest_taps(placement.cols, window.col, window.width)
    inside = np.outer(
        (rows >= 0) & (rows < placement.rows.length), (cols >= 0) & (cols < placement.cols.length)
    )
    height, width = patch.valid.shape
    at = np.ix_(np.clip(rows - first[0], 0, height - 1), np.clip(cols - first[1], 0, width - 1))
    return Patch(patch.data[:, at[0], at[1]], patch.valid[at] & inside)


def _source_window(grid: GeoGrid, target: GeoGrid) -> tuple[Window | None, float]:
    """File pixels around a target, and how many of them fall on a target pixel along an axis."""
    outline = shapely.segmentize(shapely.box(*target.bounds), max(target.res) * max(target.shape) / 16)
    x, y = shapely.get_coordinates(outline).T
    if not same_crs(grid.crs, target.crs):
        moved = transform(rasterio_crs(target.crs), rasterio_crs(grid.crs), x, y)
        x, y = np.asarray(moved[0]), np.asarray(moved[1])
        if not (np.isfinite(x).all() and np.isfinite(y).all()):  # beyond what the file's CRS can express
            return None, 1.0
    t: Affine = ~grid.transform
    cols, rows = t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f
    ground = shapely.Polygon(np.stack([cols, rows], axis=1)).area
    coarsening = math.sqrt(ground / (target.height * target.width))
    margin = math.ceil(coarsening) + 2
    row, col = math.floor(rows.min()) - margin, math.floor(cols.min()) - margin
    height, width = math.ceil(rows.max()) + margin - row, math.ceil(cols.max()) + margin - col
    return Window(row, col, height, width).intersection(Window(0, 0, *grid.shape)), coarsening


def _too_large(rows: tuple[int, int], cols: tuple[int, int], bands: int, window: Window) -> bool:
    pixels = (rows[1] - rows[0]) * (cols[1] - cols[0]) * bands
    return pixels > _MOST_FILE_PIXELS and max(window.height, window.width) > 1


def _halves(window: Window, read: Callable[[Window], Patch]) -> Patch:
    """Read a window as two halves across its longer side."""
    if window.height >= window.width:
        cut = window.height // 2
        parts = [
            read(Window(window.row, window.col, cut, window.width)),
            read(Window(window.row + cut, window.col, window.height - cut, window.width)),
        ]
        axis = 0
    else:
        cut = window.width // 2
        parts = [
            read(Window(window.row, window.col, window.height, cut)),
            read(Window(window.row, window.col + cut, window.height, window.width - cut)),
        ]
        axis = 1
    return Patch(
        np.concatenate([part.data for part in parts], axis=axis + 1),
        np.concatenate([part.valid for part in parts], axis=axis),
    )


def rasterio_crs(crs: CRS) -> rasterio.crs.CRS:
    """Turn a pyproj CRS into rasterio's, remembering the last ones (the conversion parses text)."""
    return _from_wkt(crs.to_wkt())


@lru_cache(maxsize=64)
def _from_wkt(wkt: str) -> rasterio.crs.CRS:
    return to_rasterio_crs(CRS.from_wkt(wkt))


__all__ = ("Decode", "LayerReader", "rasterio_crs", "read_stored")
