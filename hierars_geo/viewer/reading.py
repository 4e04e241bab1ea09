"""Pixels for the page: tiles and parts in Web Mercator, read from the overviews of the rasters."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from morecantile import Tile
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rio_tiler.errors import RioTilerError, TileOutsideBounds
from rio_tiler.io import Reader

from ..errors import RasterError
from ..grid import GeoGrid
from ..scenes.dataset import bounded_block_cache

#: Side of a tile.
TILE_PX = 512
_PREVIEW_PX = 512
Resampling = Literal["nearest", "bilinear"]
#: (h, w), masked where there is no data.
Pixels = np.ma.MaskedArray[tuple[int, ...], np.dtype[Any]]


def read_tile(path: Path, tile: Tile, band: int = 1, resampling: Resampling = "nearest") -> Pixels | None:
    """Read a tile of one band.

    Args:
        path: A raster.
        tile: Column from the west, row from the north, zoom.
        band: From 1.
        resampling: How pixels are placed; ``nearest`` for classes.

    Returns:
        (TILE_PX, TILE_PX) of the raster's data type, masked where there is no data; None where the tile does
        not touch the raster.

    Raises:
        RasterError: The raster is damaged or has gone.
    """
    with _open(path) as source:
        here: Pixels | None
        try:
            here = source.tile(
                *tile,
                tilesize=TILE_PX,
                indexes=band,
                resampling_method=resampling,
                reproject_method=resampling,
            ).array[0]
        except TileOutsideBounds:
            here = None
        turned = _turned_tile(source, tile, band, resampling)
        if here is None or turned is None:
            return turned if here is None else here
        mask = np.ma.getmaskarray(here)
        both: Pixels = np.ma.MaskedArray(
            np.where(mask, turned.data, here.data), mask & np.ma.getmaskarray(turned)
        )
        return both


def _turned_tile(source: Reader, tile: Tile, band: int, resampling: Resampling) -> Pixels | None:
    """Read a tile of a raster beyond 180 degrees, where rio-tiler sees none; None where there is none."""
    west, south, east, north = source.bounds
    if not (source.crs.is_geographic and (west < -180 or east > 180)):
        return None
    box = source.tms.bounds(tile)
    turn = 360 if east > 180 else -360
    left, right = box.left + turn, box.right + turn
    if left >= east or right <= west or box.bottom >= north or box.top <= south:
        return None
    image = source.part(
        (left, box.bottom, right, box.top),
        dst_crs=source.crs,
        bounds_crs=source.crs,
        indexes=band,
        height=2 * TILE_PX,
        width=TILE_PX,
        resampling_method=resampling,
        reproject_method=resampling,
    )
    # rows of a tile are evenly spaced in Web Mercator, those read in latitude
    top, bottom = np.arcsinh(np.tan(np.radians([box.top, box.bottom])))
    y = np.linspace(top, bottom, 2 * TILE_PX + 1)[1::2]
    latitude = np.degrees(np.arctan(np.sinh(y)))
    rows = ((box.top - latitude) / (box.top - box.bottom) * 2 * TILE_PX).astype(np.int64)
    pixels: Pixels = image.array[0][np.clip(rows, 0, 2 * TILE_PX - 1)]
    return pixels


def read_part(path: Path, grid: GeoGrid, band: int = 1) -> Pixels:
    """Read a band, from 1, of a class raster on a grid in any CRS, pixel by nearest pixel.

    Returns:
        (h, w) of the raster's data type, masked where there is no data.

    Raises:
        RasterError: The raster is damaged or has gone.
    """
    crs = CRS.from_wkt(grid.crs.to_wkt())
    with _open(path) as source:
        image = source.part(
            grid.bounds,
            dst_crs=crs,
            bounds_crs=crs,
            indexes=band,
            height=grid.height,
            width=grid.width,
            resampling_method="nearest",
            reproject_method="nearest",
        )
        pixels: Pixels = image.array[0]
        return pixels


def read_preview(path: Path, band: int) -> NDArray[np.float32]:
    """Read a band reduced to at most 512 px a side; (h, w), NaN where there is no data.

    Raises:
        RasterError: The raster is damaged or has gone.
    """
    with _open(path) as source:
        return as_float(source.preview(indexes=band, max_size=_PREVIEW_PX).array[0])


def as_float(pixels: Pixels) -> NDArray[np.float32]:
    """Return float32 with NaN where there is no data."""
    filled: NDArray[np.float32] = np.ma.filled(np.ma.asarray(pixels, dtype=np.float32), np.nan)
    return filled


@contextmanager
def _open(path: Path) -> Iterator[Reader]:
    try:
        with bounded_block_cache(), Reader(str(path)) as source:
            yield source
    except (RasterioError, RioTilerError) as error:
        raise RasterError(
            f"Expected {path.name} to be readable, but got: {' '.join(str(error).split())}. "
            "Predict again, or start the viewer again if the folder changed."
        ) from error
