"""The image behind the maps, in true colour, on the same extent."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..grid import GeoGrid
from ..scenes.true_color import open_true_color, read_reduced, stretch


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
        image, valid = read_reduced(scene, grid, shape)
        bands = scene.bands
    valid &= mapped | (image != 0).any(axis=0)
    if not valid.any():
        return None
    return TrueColor(np.stack([stretch(plane, valid) for plane in image]), valid, bands)
