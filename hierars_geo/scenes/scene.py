"""SceneReader: windows of an image with their validity, however it is stored."""

import os
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from ..errors import RasterError
from ..grid import GeoGrid, Window
from ..output import gdal_env
from .baseline import BASELINE_OFFSET, has_offset
from .source import Source, open_source, read_source


class SceneReader:
    """Read windows of an image as float32 with a validity mask; made by :func:`.open_scene`.

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
        region: What the scene is cut to; None for all of it.
        baselines: Processing baselines of what is read, see :func:`.baseline_of`; None for one nobody knows.
    """

    def __init__(
        self,
        name: str,
        grid: GeoGrid,
        bands: tuple[str, ...],
        sources: tuple[Source, ...],
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
        self.region: str | None = None
        self.baselines: frozenset[str | None] = frozenset({None})
        self._add = 0.0
        self._sources = sources
        # by process and thread, per source what was opened, the last one to be read from
        self._handles: dict[tuple[int, int], list[list[DatasetReader]]] = {}
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
        inside = window.intersection(Window(0, 0, *self.grid.shape))
        with gdal_env():
            if inside == window:
                return self._read_inside(inside)
            image = np.zeros((len(self.bands), window.height, window.width), dtype=np.float32)
            valid = np.zeros((window.height, window.width), dtype=np.bool_)
            if inside is not None:
                rows, cols = inside.shifted(-window.row, -window.col).slices()
                image[:, rows, cols], valid[rows, cols] = self._read_inside(inside)
            return image, valid

    def wanted(self, window: Window) -> NDArray[np.bool_] | None:
        """Return which pixels (h, w) of a window are asked for; None for all, as of a whole scene."""
        return None

    def resampled(self, grid: GeoGrid) -> "SceneReader":
        """Return a reader of the same files on another grid, read bilinearly; close both."""
        sources = tuple(replace(source, onto=grid) for source in self._sources)
        reader = SceneReader(self.name, grid, self.bands, sources, self.dtype, self.acquired, self.notes)
        reader.baselines = self.baselines
        return reader

    def harmonize(self) -> None:
        """Have Sentinel-2 values of newer baselines read as those of older ones, cut at 0.

        Values of a baseline that nobody knows are read as stored.
        """
        (baseline,) = self.baselines
        self._add = BASELINE_OFFSET if baseline is not None and has_offset(baseline) else 0.0

    def release(self) -> None:
        """Close the files that this thread has opened; reading opens them again."""
        with self._lock:
            _close(self._handles.pop((os.getpid(), threading.get_ident()), []))

    def close(self) -> None:
        """Close every file; reading afterwards is an error."""
        with self._lock:
            self._closed = True
            while self._handles:
                _close(self._handles.popitem()[1])

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
        for source, handle in zip(self._sources, self._handles_of_thread(), strict=True):
            part, part_valid = read_source(source, handle, window)
            parts.append(part)
            valid &= part_valid
        image = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if self._add:
            np.maximum(image + np.float32(self._add), 0, out=image)
        if not valid.all():
            image[:, ~valid] = 0
        return image, valid

    def _handles_of_thread(self) -> list[DatasetReader]:
        """Return this thread's own handles: GDAL's must not be shared between threads or forked processes."""
        key = (os.getpid(), threading.get_ident())
        with self._lock:
            if self._closed:
                raise RasterError(f"Expected a scene that is open, but {self.name} is closed. Open it again.")
            if key not in self._handles:
                self._handles[key] = [open_source(source) for source in self._sources]
            return [chain[-1] for chain in self._handles[key]]


def _close(chains: list[list[DatasetReader]]) -> None:
    """Close datasets, each before the one it reads from."""
    for chain in reversed(chains):
        for dataset in reversed(chain):
            dataset.close()


__all__ = ("SceneReader",)
