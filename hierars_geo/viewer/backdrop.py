"""The image under the maps: found through the maps' STAC item, stretched alike in every tile."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import HieraRSError, HieraRSWarning
from ..maps import SceneMaps
from ..report.source_image import source_image
from ..scenes.true_color import open_true_color, stretch_between, stretch_limits
from .reading import TileAddress, as_float, read_preview, read_tile


@dataclass(frozen=True)
class Backdrop:
    """An image in true colour.

    Attributes:
        files: File and 1-based band of red, green and blue.
        bands: Their names.
    """

    files: tuple[tuple[Path, int], ...]
    bands: tuple[str, ...]

    @cached_property
    def limits(self) -> tuple[tuple[float, float], ...]:
        """Values that become black and white, per band, from the whole image reduced."""
        planes = np.stack([read_preview(path, band) for path, band in self.files])
        valid = _has_data(planes)
        if not valid.any():
            return ((0.0, 1.0),) * len(self.files)
        return tuple(stretch_limits(plane, valid) for plane in planes)

    def tile(self, address: TileAddress) -> tuple[NDArray[np.uint8], NDArray[np.bool_]] | None:
        """Read a tile.

        Returns:
            (3, h, w) uint8 and (h, w) bool where there is data; None outside the image.
        """
        planes = [read_tile(path, address, band, "bilinear") for path, band in self.files]
        if any(plane is None for plane in planes):
            return None
        stacked = np.stack([as_float(plane) for plane in planes if plane is not None])
        valid = _has_data(stacked)
        colors = [
            stretch_between(plane, valid, limits) for plane, limits in zip(stacked, self.limits, strict=True)
        ]
        return np.stack(colors), valid


def find_backdrop(scene: SceneMaps, given: Path | None) -> Backdrop | None:
    """Find the image of a scene.

    Without one that is given, the files that the scene's item is derived from are taken if they are still
    there, then files of their names beside the maps. Only files of this machine count.

    Args:
        scene: The maps.
        given: The image as the user names it.

    Returns:
        The image; None where there is none. An image that cannot be shown is left out with a warning.

    Raises:
        MissingFileError: The given image does not exist.
        RasterError: The given image cannot be shown.
    """
    if given is not None:
        return _open(given, scene.sensor)
    path = source_image(scene)
    if path is None:
        return None
    try:
        return _open(path, scene.sensor)
    except HieraRSError as error:
        warnings.warn(f"The image of {scene.name} is not shown. {error}", HieraRSWarning, stacklevel=2)
        return None


def _open(path: Path, sensor: str | None) -> Backdrop:
    with open_true_color(path, sensor) as image:
        files = tuple((Path(layer.file.path), index) for layer in image.layers for index in layer.indexes)
        return Backdrop(files, image.bands)


def _has_data(planes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell pixels with data (h, w): finite in all bands (3, h, w), and not 0 in all of them."""
    valid: NDArray[np.bool_] = np.isfinite(planes).all(axis=0) & (np.nan_to_num(planes) != 0).any(axis=0)
    return valid


__all__ = ("Backdrop", "find_backdrop")
