"""SceneReader: the one reader of images to predict, whether stacked in one file or one file per band."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from ..errors import RasterError
from ..grid import GeoGrid, Window, same_grid
from .band_files import list_rasters, match_band_files
from .bands import canonical_band, is_placeholder, match_bands
from .dataset import (
    alpha_band,
    dataset_grid,
    gdal_env,
    image_bands,
    open_dataset,
    to_rasterio_crs,
    to_rasterio_window,
    unreadable,
)

#: Largest error of positions, in source pixels; with GDAL's 0.125 pixels depend on their window.
_WARP_TOLERANCE_PX = 0.01


@dataclass(frozen=True)
class _Source:
    """Bands that one file contributes to the image.

    Attributes:
        path: What GDAL opens.
        indexes: 1-based bands of the file, in image order.
        alpha: 1-based alpha band, if any.
        warped: The file lies on another grid and is resampled.
        is_float: NaN and infinity may occur and mean no data.
        nodata: Declared nodata value.
    """

    path: str
    indexes: tuple[int, ...]
    alpha: int | None
    warped: bool
    is_float: bool
    nodata: float | None


class SceneReader:
    """Read windows of an image as float32 with a validity mask; made by :func:`open_scene`.

    Several threads may read at once: each has its own file handles, and so has a forked process. ``close``
    (or the ``with`` statement) closes them all.

    Attributes:
        name: Stem of the file, or name of the folder.
        grid: Where the pixels lie.
        bands: Names of the image's bands, in reading order.
        dtype: Data type as stored, for example ``"uint16"``.
        paths: The files that are read.
        acquired: When the image was taken, if the file says so (UTC where no zone is given).
        notes: What a careful reader should know, such as a band order that was taken as given.
    """

    def __init__(
        self,
        name: str,
        grid: GeoGrid,
        bands: tuple[str, ...],
        sources: tuple[_Source, ...],
        dtype: str,
        acquired: datetime | None,
        notes: tuple[str, ...],
    ) -> None:
        self.name = name
        self.grid = grid
        self.bands = bands
        self.dtype = dtype
        self.paths = tuple(Path(source.path) for source in sources)
        self.acquired = acquired
        self.notes = notes
        self._sources = sources
        self._handles: dict[tuple[int, int], list[DatasetReader]] = {}
        self._open_files: list[DatasetReader] = []
        self._lock = threading.Lock()
        self._closed = False

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read a window, which may reach beyond the raster.

        Args:
            window: Rows and columns of ``grid``.

        Returns:
            Image (C, h, w) float32 with values as stored, and validity (h, w) bool: True where all bands hold
            data. The image is 0 where not valid and beyond the raster.

        Raises:
            RasterError: A file is damaged there; file and window are named.
        """
        shape = (window.height, window.width)
        image = np.zeros((len(self.bands), *shape), dtype=np.float32)
        valid = np.zeros(shape, dtype=np.bool_)
        inside = window.intersection(Window(0, 0, *self.grid.shape))
        if inside is not None:
            rows, cols = inside.shifted(-window.row, -window.col).slices()
            with gdal_env():
                image[:, rows, cols], valid[rows, cols] = self._read_inside(inside)
        return image, valid

    def close(self) -> None:
        """Close every file; reading afterwards is an error."""
        with self._lock:
            self._closed = True
            while self._open_files:
                self._open_files.pop().close()
            self._handles.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read_inside(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        parts = []
        valid = np.ones((window.height, window.width), dtype=np.bool_)
        for source, handle in zip(self._sources, self._thread_handles(), strict=True):
            try:
                part, part_valid = _read_source(source, handle, window)
            except RasterioIOError as error:
                raise unreadable(source.path, window, error) from error
            parts.append(part)
            valid &= part_valid
        image = parts[0] if len(parts) == 1 else np.concatenate(parts)
        image[:, ~valid] = 0
        return image, valid

    def _thread_handles(self) -> list[DatasetReader]:
        key = (os.getpid(), threading.get_ident())
        if key not in self._handles:
            with self._lock:
                if self._closed:
                    raise RasterError(f"Expected an open scene, but got a closed one (in {self.name}).")
                self._handles[key] = [self._open_source(source) for source in self._sources]
        return self._handles[key]

    def _open_source(self, source: _Source) -> DatasetReader:
        dataset: DatasetReader = rasterio.open(source.path)
        self._open_files.append(dataset)
        if not source.warped:
            return dataset
        # NaN marks what the source does not cover or hold; an alpha band does so itself and excludes nodata
        nodata = {} if source.alpha else {"src_nodata": source.nodata, "nodata": np.nan}
        warped = WarpedVRT(
            dataset,
            crs=to_rasterio_crs(self.grid.crs),
            transform=self.grid.transform,
            height=self.grid.height,
            width=self.grid.width,
            resampling=Resampling.bilinear,
            tolerance=_WARP_TOLERANCE_PX,
            dtype="float32",
            **nodata,
        )
        self._open_files.append(warped)
        return warped


def _read_source(
    source: _Source, handle: DatasetReader, window: Window
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    at = to_rasterio_window(window)
    image = handle.read(list(source.indexes), window=at, out_dtype="float32")
    valid = np.ones(image.shape[1:], dtype=np.bool_)
    if source.is_float or source.warped:
        valid &= np.isfinite(image).all(axis=0)
    if source.alpha:
        valid &= handle.read(source.alpha, window=at) > 0
    flags = {flag for index in source.indexes for flag in handle.mask_flag_enums[index - 1]}
    if MaskFlags.per_dataset in flags:
        valid &= handle.read_masks(source.indexes[0], window=at) > 0
    elif MaskFlags.nodata in flags and not source.warped:
        valid &= (handle.read_masks(list(source.indexes), window=at) > 0).all(axis=0)
    return image, valid


def open_scene(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], bands: Sequence[str] | None = None
) -> SceneReader:
    """Open an image to predict.

    Args:
        path: One raster with all bands; or a folder with one raster per band (``B02.tif``, ``scene_B8A.tif``;
            other files in it are ignored); or a list of such rasters.
        bands: Wanted bands in reading order, in any spelling; None for all.

    Returns:
        The reader. Rasters of several resolutions, grids or CRSs are read on the finest grid among the wanted
        bands (the first of equals), the others resampled bilinearly.

    Raises:
        MissingFileError: No such file or folder, or a folder without rasters.
        RasterError: A raster cannot be read or has no CRS, or a wanted band is missing or ambiguous.
    """
    if isinstance(path, str | os.PathLike):
        name = os.fspath(path)
        if not Path(name).is_dir():
            return _open_stack(name, bands)
        folder = Path(name)
        return _open_band_files(folder.resolve().name, str(folder), list_rasters(folder), bands)
    files = [Path(os.fspath(item)) for item in path]
    if not files:
        raise RasterError("Expected at least one raster, but got an empty list. Name the band files.")
    return _open_band_files(files[0].parent.resolve().name, "the given list", files, bands)


def _open_stack(path: str, bands: Sequence[str] | None) -> SceneReader:
    with open_dataset(path) as dataset:
        grid = dataset_grid(dataset, path)
        names, indexes, notes = _stack_bands(dataset, path, bands)
        source = _probe(dataset, path, tuple(indexes), warped=False)
        acquired, time_notes = _acquired(dataset)
        dtype = str(np.result_type(*(dataset.dtypes[index - 1] for index in indexes)))
    return SceneReader(Path(path).stem, grid, names, (source,), dtype, acquired, (*notes, *time_notes))


def _stack_bands(
    dataset: DatasetReader, path: str, bands: Sequence[str] | None
) -> tuple[tuple[str, ...], list[int], tuple[str, ...]]:
    """Return names, file bands and notes of a raster with all bands."""
    indexes = image_bands(dataset)
    described: list[str | None] = [
        None if is_placeholder(dataset.descriptions[index - 1]) else dataset.descriptions[index - 1]
        for index in indexes
    ]
    if bands is None:
        named = tuple(
            canonical_band(name) if name else f"band_{i}" for i, name in zip(indexes, described, strict=True)
        )
        return named, indexes, ()
    wanted = tuple(canonical_band(name) for name in bands)
    if any(described):
        return wanted, [indexes[i - 1] for i in match_bands(wanted, described, path)], ()
    if len(indexes) != len(wanted):
        raise RasterError(
            f"Expected {len(wanted)} bands ({', '.join(wanted)}), but got {len(indexes)} without names "
            f"(in {path}). Give a raster with exactly these bands in this order, or write their names into "
            "its band descriptions."
        )
    note = f"{path} names no bands: their order is taken as {', '.join(wanted)}."
    return wanted, indexes, (note,)


def _open_band_files(name: str, origin: str, files: list[Path], bands: Sequence[str] | None) -> SceneReader:
    names, matched = match_band_files(files, bands, origin)
    probes = [_probe_band_file(str(path)) for path in matched]
    grid = _finest([grid for _, grid, _ in probes])
    sources, notes = [], []
    for band, (source, source_grid, _) in zip(names, probes, strict=True):
        if same_grid(source_grid, grid):
            sources.append(source)
            continue
        sources.append(
            _Source(source.path, source.indexes, source.alpha, True, source.is_float, source.nodata)
        )
        notes.append(
            f"{band} is resampled bilinearly from {source_grid.gsd_m():.4g} m to {grid.gsd_m():.4g} m."
        )
    with open_dataset(str(matched[0])) as dataset:
        acquired, time_notes = _acquired(dataset)
    dtype = str(np.result_type(*(dtype for _, _, dtype in probes)))
    return SceneReader(name, grid, names, tuple(sources), dtype, acquired, (*notes, *time_notes))


def _probe_band_file(path: str) -> tuple[_Source, GeoGrid, str]:
    with open_dataset(path) as dataset:
        indexes = image_bands(dataset)
        if len(indexes) != 1:
            raise RasterError(
                f"Expected a band file with one band, but got {len(indexes)} (in {path}). "
                "Give a raster with all bands by its own path, not by its folder."
            )
        return (
            _probe(dataset, path, tuple(indexes), warped=False),
            dataset_grid(dataset, path),
            dataset.dtypes[0],
        )


def _probe(dataset: DatasetReader, path: str, indexes: tuple[int, ...], warped: bool) -> _Source:
    kinds = {np.dtype(dataset.dtypes[index - 1]).kind for index in indexes}
    if not kinds <= set("iuf"):
        found = ", ".join(sorted(set(dataset.dtypes)))
        raise RasterError(
            f"Expected integer or real pixel values, but got {found} (in {path}). "
            "Convert complex values to amplitude first."
        )
    is_float = "f" in kinds
    nodata = dataset.nodata
    if nodata is None and is_float:
        nodata = float("nan")
    return _Source(path, indexes, alpha_band(dataset), warped, is_float, nodata)


def _finest(grids: list[GeoGrid]) -> GeoGrid:
    """Return the grid of the smallest pixels on the ground, the first of equals (within 0.1 %)."""
    best = grids[0]
    for grid in grids[1:]:
        if not same_grid(grid, best) and grid.gsd_m() < 0.999 * best.gsd_m():
            best = grid
    return best


def _acquired(dataset: DatasetReader) -> tuple[datetime | None, tuple[str, ...]]:
    tags = dataset.tags()
    for key, pattern in (("ACQUISITION_DATE", None), ("TIFFTAG_DATETIME", "%Y:%m:%d %H:%M:%S")):
        text = tags.get(key, "").strip()
        if not text:
            continue
        try:
            time = datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text)
        except ValueError:
            return None, (f"{key} '{text}' is no date and is left out.",)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)), ()
    return None, ()


__all__ = ("SceneReader", "open_scene")
