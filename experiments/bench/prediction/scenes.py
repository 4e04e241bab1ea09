"""Rasters to predict, made up while they are written: no size needs memory."""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from .models import BANDS

_TILE_PX = 512


def write_scene(path: Path, side_px: int, noisy: bool = True, bands: tuple[str, ...] = BANDS) -> Path:
    """Write a square uint16 scene, tiled and compressed, with a hole of nodata in a corner.

    Args:
        path: File to write; one that exists is kept.
        side_px: Rows and columns.
        noisy: Fields with noise, which compress like an image; otherwise plain fields, quick to write.
        bands: Their names.
    """
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    profile = {
        "driver": "GTiff",
        "height": side_px,
        "width": side_px,
        "count": len(bands),
        "dtype": "uint16",
        "crs": "EPSG:32650",
        "transform": Affine(10, 0, 500000, 0, -10, 4000000),
        "nodata": 0,
        "tiled": True,
        "blockxsize": _TILE_PX,
        "blockysize": _TILE_PX,
        "compress": "deflate",
        "zlevel": 1,
        "bigtiff": "if_safer",
    }
    unfinished = path.with_suffix(".part.tif")
    with rasterio.open(unfinished, "w", **profile) as dataset:
        dataset.descriptions = bands
        for row in range(0, side_px, _TILE_PX):
            for col in range(0, side_px, _TILE_PX):
                size = min(_TILE_PX, side_px - row), min(_TILE_PX, side_px - col)
                image = _tile(rng, noisy, len(bands))[:, : size[0], : size[1]]
                if row == col == 0:
                    hole = min(200, side_px // 8)
                    image[:, :hole, :hole] = 0
                dataset.write(image, window=Window(col, row, size[1], size[0]))
    unfinished.rename(path)
    return path


def _tile(rng: np.random.Generator, noisy: bool, bands: int) -> np.ndarray:
    fields = rng.integers(300, 3000, size=(bands, 8, 8))
    tile = fields.repeat(_TILE_PX // 8, axis=1).repeat(_TILE_PX // 8, axis=2)
    if noisy:
        tile = tile + rng.integers(-60, 60, size=tile.shape)
    return tile.astype(np.uint16)
