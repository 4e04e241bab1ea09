"""StripWriter: a raster larger than memory, written from top to bottom."""

import os
from itertools import product
from typing import Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from ..errors import OutputError, RasterError
from ..grid import GeoGrid
from ..output import as_output_error
from ..scenes.dataset import tiff_profile

TILE_PX = 512


class StripWriter:
    """Write a tiled GeoTIFF from strips of rows of any height.

    Strips are gathered into whole rows of tiles: every tile is compressed once, and memory stays at one
    row of tiles (512 rows), whatever the height. Use it as a context manager: leaving it normally closes the
    file and refuses an incomplete one; leaving it by an exception only closes it.

    Args:
        path: File to write; the caller renames it when it is complete.
        grid: Where the pixels lie.
        dtype: ``"uint8"``, ``"uint16"``, ...
        nodata: Value that means no data; None for none.
        count: Bands.

    Raises:
        OutputError: The file cannot be created.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        grid: GeoGrid,
        dtype: str,
        nodata: float | None,
        count: int = 1,
    ) -> None:
        self._path = os.fspath(path)
        self._grid = grid
        self._buffer = np.empty((count, min(TILE_PX, grid.height), grid.width), dtype=dtype)
        self._buffered = 0
        self._written = 0
        with as_output_error(self._path):
            profile = tiff_profile(grid, count, dtype, nodata, TILE_PX)
            profile |= {"interleave": "band", "zlevel": 6, "predictor": 1}
            self._dataset = rasterio.open(self._path, "w", **profile)

    @property
    def rows_received(self) -> int:
        """Rows handed over so far."""
        return self._written + self._buffered

    def write(self, rows: NDArray[np.generic]) -> None:
        """Append rows below those that came before.

        Args:
            rows: (h, W), or (bands, h, W), any h >= 0; values must fit the raster's data type exactly.

        Raises:
            RasterError: Wrong width, too many rows, or values that do not fit.
            OutputError: The disk is full or failed.
        """
        rows = self._checked(rows)
        height = self._buffer.shape[1]
        while rows.shape[1]:
            room = height - self._buffered
            taken = rows[:, :room]
            self._buffer[:, self._buffered : self._buffered + taken.shape[1]] = taken
            self._buffered += taken.shape[1]
            rows = rows[:, room:]
            if self._buffered == height:
                self._flush()

    def close(self) -> None:
        """Write what is left and close the file.

        Raises:
            RasterError: Fewer rows came than the grid has.
            OutputError: The disk is full or failed.
        """
        if self._dataset.closed:
            return
        received = self.rows_received
        try:
            if received == self._grid.height:
                self._flush()
        finally:
            self._close_file()
        if received != self._grid.height:
            raise RasterError(
                f"Expected {self._grid.height} rows, but got {received} (in {self._path}). Write every row."
            )
        self._check_tiles()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._close_file()

    def _checked(self, rows: NDArray[np.generic]) -> NDArray[np.generic]:
        count, width = len(self._buffer), self._grid.width
        given = np.asarray(rows)
        rows = given[None] if given.ndim == 2 else given
        if rows.ndim != 3 or (len(rows), rows.shape[2]) != (count, width):
            shape = f"(h, {width})" if count == 1 else f"({count}, h, {width})"
            raise RasterError(f"Expected rows of shape {shape}, but got {given.shape} (in {self._path}).")
        if self.rows_received + rows.shape[1] > self._grid.height:
            raise RasterError(
                f"Expected {self._grid.height} rows in all, but got {self.rows_received + rows.shape[1]} "
                f"(in {self._path})."
            )
        if rows.dtype == self._buffer.dtype:
            return rows
        cast = rows.astype(self._buffer.dtype)
        if not np.array_equal(cast, rows):
            raise RasterError(
                f"Expected values that fit {self._buffer.dtype}, but got {rows.min()}..{rows.max()} of "
                f"{rows.dtype} (in {self._path}). Choose a wider data type."
            )
        return cast

    def _flush(self) -> None:
        if not self._buffered:
            return
        window = RasterioWindow(0, self._written, self._grid.width, self._buffered)
        with as_output_error(self._path):
            self._dataset.write(self._buffer[:, : self._buffered], window=window)
        self._written += self._buffered
        self._buffered = 0

    def _close_file(self) -> None:
        with as_output_error(self._path):
            self._dataset.close()

    def _check_tiles(self) -> None:
        """Refuse a file that lost tiles: closing writes what GDAL held back, and is silent on a full disk."""
        down, across = (-(-size // TILE_PX) for size in self._grid.shape)
        length = os.path.getsize(self._path)
        with as_output_error(self._path), rasterio.open(self._path) as written:
            tiles = product(range(1, written.count + 1), range(down), range(across))
            for band, tile in ((band, f"{col}_{row}") for band, row, col in tiles):
                offset, size = (
                    written.get_tag_item(f"BLOCK_{item}_{tile}", "TIFF", bidx=band)
                    for item in ("OFFSET", "SIZE")
                )
                if offset is None or size is None or int(offset) + int(size) > length:
                    raise OutputError(
                        f"Expected {self._path} to hold every tile, but got none at column_row {tile}. "
                        "The disk may be full: make room and run again."
                    )
