"""Images of several sources as one raster on one grid, which a model trained on them together can predict."""

import os
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from ..errors import DataError
from ..grid import Window
from ..output.output import atomic_path, refuse_existing
from ..scenes.dataset import to_rasterio_crs, to_rasterio_window
from .coverage import tiles_of
from .intersection import SceneIntersection
from .scene_source import QueryError

_TILE_PX = 512


def write_stack(images: SceneIntersection, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Write all that an intersection shows, with the names of its bands.

    Args:
        images: Images of one ground, stacked. Labels confine the ground to their own: leave them out.
        path: GeoTIFF to write: float32, NaN where an image holds no data.
        overwrite: Replace a file that exists.

    Returns:
        The path.

    Raises:
        DataError: The images are not stacked, or a series.
        RasterError: A file is damaged.
        OutputError: The file exists, or cannot be written.
    """
    if images.is_series:
        raise DataError("Expected images of one date each to stack, but got a series. Leave its series out.")
    if not images.pairing.stack:
        raise DataError("Expected images stacked on one grid, but got stack=False. Leave it out.")
    final = Path(path)
    refuse_existing([final], overwrite)
    x, y, _ = images.bounds
    whole = images.lattice.window((x.start, y.start, x.stop, y.stop))
    grid = images.lattice.crop(whole)
    profile = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": len(images.bands),
        "dtype": "float32",
        "crs": to_rasterio_crs(grid.crs),
        "transform": grid.transform,
        "nodata": np.nan,
        "tiled": True,
        "blockxsize": _TILE_PX,
        "blockysize": _TILE_PX,
        "compress": "deflate",
        "predictor": 3,
        "bigtiff": "IF_SAFER",
    }
    with (
        atomic_path(final) as unfinished,
        rasterio.open(unfinished, "w", **profile) as target,
    ):
        target.descriptions = images.bands
        for window in tiles_of(Window(0, 0, *grid.shape), _TILE_PX):
            pixels = _read(images, window.shifted(whole.row, whole.col))
            target.write(pixels, window=to_rasterio_window(window))
    return final


def _read(images: SceneIntersection, window: Window) -> NDArray[np.float32]:
    """Return (C, h, w) pixels of a window, NaN where any image holds no data."""
    left, bottom, right, top = images.lattice.bounds(window)
    pixels = np.full((len(images.bands), window.height, window.width), np.nan, dtype=np.float32)
    try:
        sample = images[left:right, bottom:top]
    except QueryError:  # a corner without a scene
        return pixels
    valid = sample["valid"].numpy()
    pixels[:, valid] = sample["image"].numpy()[:, valid]
    return pixels


__all__ = ("write_stack",)
