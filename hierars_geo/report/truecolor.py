"""The image behind the maps, in true colour, on the same extent."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from ..grid import GeoGrid
from ..grid.geogrid import same_grid
from ..scenes.dataset import open_dataset
from ..scenes.true_color import Float, open_true_color, stretch


@dataclass(frozen=True)
class TrueColor:
    """A true-colour picture.

    Attributes:
        image: (3, h, w) uint8, stretched.
        valid: (h, w) bool.
        bands: Names of the bands shown as red, green, blue.
    """

    image: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    bands: tuple[str, ...]


def read_true_color(
    path: Path,
    grid: GeoGrid,
    shape: tuple[int, int],
    mapped: NDArray[np.bool_],
    sensor: str | None = None,
) -> TrueColor | None:
    """Read the image reduced, from overviews where the file has them.

    Args:
        path: One raster, or a folder with one raster per band.
        grid: Extent to show.
        shape: (h, w) of the picture.
        mapped: (h, w) bool, where the maps have a class; pixels that are 0 in all bands and have no class are
            taken for undeclared nodata.
        sensor: Entry of the catalog that the image was taken by, where that is known.

    Returns:
        The picture, None where the image does not touch the extent.

    Raises:
        MissingFileError: No such file.
        RasterError: It cannot be read, or nothing says which bands are red, green, blue.
    """
    with open_true_color(path, sensor) as scene:
        files = [(layer.file.path, index) for layer in scene.layers for index in layer.indexes]
        planes = [_read_plane(file, index, scene.grid, grid, shape) for file, index in files]
        bands = scene.bands
    stacked = np.stack(planes)
    valid = np.isfinite(stacked).all(axis=0)
    valid &= mapped | (np.nan_to_num(stacked) != 0).any(axis=0)
    if not valid.any():
        return None
    return TrueColor(np.stack([stretch(plane, valid) for plane in stacked]), valid, bands)


def _read_plane(path: str, index: int, own: GeoGrid, grid: GeoGrid, shape: tuple[int, int]) -> Float:
    """Read a band over an extent, averaged to a shape; NaN where there is no data."""
    with open_dataset(str(path)) as dataset:
        if not same_grid(own, grid) or (dataset.height, dataset.width) != own.shape:
            return _warp(dataset, index, grid, shape)
        plane = dataset.read(
            index, out_shape=shape, resampling=Resampling.average, masked=True, out_dtype="float32"
        )
        filled: Float = plane.filled(np.nan)
        return filled


def _warp(dataset: DatasetReader, index: int, grid: GeoGrid, shape: tuple[int, int]) -> Float:
    scale = Affine.scale(grid.width / shape[1], grid.height / shape[0])
    with WarpedVRT(
        dataset,
        crs=rasterio.crs.CRS.from_wkt(grid.crs.to_wkt()),
        transform=grid.transform @ scale,
        height=shape[0],
        width=shape[1],
        resampling=Resampling.average,
        src_nodata=dataset.nodata,
        nodata=np.nan,
        dtype="float32",
    ) as warped:
        plane: Float = warped.read(index)
    return plane


__all__ = ("TrueColor", "read_true_color")
