"""The image behind the maps, in true colour, on the same extent."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from ..errors import RasterError
from ..grid import GeoGrid
from ..grid.geogrid import same_grid
from ..scenes.bands import match_bands
from ..scenes.scene import Scene

#: Bands shown as red, green, blue, by name; the first set that a file has is taken.
_BAND_SETS = (("red", "green", "blue"), ("B04", "B03", "B02"))
#: The colours as words in longer names: "Band 3 (red)", but not "red edge".
_WORDS = tuple(re.compile(rf"\b{word}\b(?![ _-]?edge)", re.IGNORECASE) for word in _BAND_SETS[0])
_PRIMARIES = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_STRETCH_PER_CENT = (2, 98)
Float = NDArray[np.float32]


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
    bands: tuple[str, str, str]


def read_true_color(
    path: Path, grid: GeoGrid, shape: tuple[int, int], mapped: NDArray[np.bool_]
) -> TrueColor | None:
    """Read the image reduced, from overviews where the file has them.

    Args:
        path: One raster, or a folder with one raster per band.
        grid: Extent to show.
        shape: (h, w) of the picture.
        mapped: (h, w) bool, where the maps have a class; pixels that are 0 in all bands and have no class are
            taken for undeclared nodata.

    Returns:
        The picture, None where the image does not touch the extent.

    Raises:
        MissingFileError: No such file.
        RasterError: It cannot be read, or has no bands by the names of red, green, blue.
    """
    files, bands = true_color_bands(path)
    planes = [_read_plane(file, index, grid, shape) for file, index in files]
    stacked = np.stack(planes)
    valid = np.isfinite(stacked).all(axis=0)
    valid &= mapped | (np.nan_to_num(stacked) != 0).any(axis=0)
    if not valid.any():
        return None
    return TrueColor(np.stack([stretch(plane, valid) for plane in stacked]), valid, bands)


def stretch(plane: Float, valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Map the 2nd to the 98th percentile of the valid pixels to 0..255.

    Args:
        plane: (h, w) float32.
        valid: (h, w) bool with at least one True.

    Returns:
        (h, w) uint8, 0 where not valid.
    """
    return stretch_between(plane, valid, stretch_limits(plane, valid))


def stretch_limits(plane: Float, valid: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the values that become black and white: the 2nd and 98th percentile of the valid pixels.

    Args:
        plane: (h, w) float32.
        valid: (h, w) bool with at least one True.
    """
    low, high = np.percentile(plane[valid], _STRETCH_PER_CENT)
    return float(low), float(high)


def stretch_between(plane: Float, valid: NDArray[np.bool_], limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Map the values between two limits to 0..255.

    Args:
        plane: (h, w) float32.
        valid: (h, w) bool.
        limits: What becomes 0 and what becomes 255.

    Returns:
        (h, w) uint8, 0 where not valid.
    """
    low, high = limits
    scaled = (np.where(valid, plane, low) - low) / max(high - low, 1e-6)
    stretched: NDArray[np.uint8] = (np.clip(scaled, 0, 1) * 255 + 0.5).astype(np.uint8)
    return stretched


def true_color_bands(path: Path) -> tuple[list[tuple[Path, int]], tuple[str, str, str]]:
    """Find file and 1-based band of red, green, blue, and their names.

    Args:
        path: One raster, or a folder with one raster per band.

    Raises:
        MissingFileError: No such file.
        RasterError: It cannot be read, or has no bands by the names of red, green, blue.
    """
    if not path.is_dir():
        with Scene.open(path), rasterio.open(path) as dataset:  # Scene.open says what is wrong with a file
            bands, indexes = _stacked_bands(dataset, path)
            return [(path, index) for index in indexes], bands
    reasons = []
    for names in _BAND_SETS:
        try:
            with Scene.open(path, bands=names) as scene:
                return [(file, 1) for file in scene.paths], names
        except RasterError as error:
            reasons.append(str(error))
    raise RasterError(reasons[-1])


def _stacked_bands(dataset: DatasetReader, path: Path) -> tuple[tuple[str, str, str], list[int]]:
    """Find the bands by their names, by a word in their names, or by the file's colour interpretation."""
    for names in _BAND_SETS:
        try:
            return names, match_bands(names, dataset.descriptions, str(path))
        except RasterError:
            continue  # another way may fit
    described = [name or "" for name in dataset.descriptions]
    by_word = [[i for i, name in enumerate(described, 1) if word.search(name)] for word in _WORDS]
    if all(len(indexes) == 1 for indexes in by_word):
        return _BAND_SETS[0], [indexes[0] for indexes in by_word]
    kinds = list(dataset.colorinterp)
    if all(kind in kinds for kind in _PRIMARIES):
        return _BAND_SETS[0], [kinds.index(kind) + 1 for kind in _PRIMARIES]
    found = ", ".join(name or f"band {i}" for i, name in enumerate(dataset.descriptions, 1))
    raise RasterError(
        f"Expected an image with bands named red, green, blue or B04, B03, B02, but got {found} (in {path}). "
        "Write the names into the band descriptions."
    )


def _read_plane(path: Path, index: int, grid: GeoGrid, shape: tuple[int, int]) -> Float:
    """Read a band over an extent, averaged to a shape; NaN where there is no data."""
    with Scene.open(path) as scene, rasterio.open(path) as dataset:
        if not same_grid(scene.grid, grid):
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


__all__ = (
    "TrueColor",
    "read_true_color",
    "stretch",
    "stretch_between",
    "stretch_limits",
    "true_color_bands",
)
