"""The rasters of the tests: one writer, a place on the ground, and pixels that say where they are."""

import warnings
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

UTM = "EPSG:32650"
#: Upper-left corner of the test ground.
X0, Y0 = 500_000.0, 4_000_000.0
NORTH_UP = Affine(10, 0, 362_612.196859, 0, -10, 1_987_088.206432)


def placed(res=10.0, left=X0, top=Y0):
    """North-up geotransform. (rasterio's from_origin multiplies matrices in a way that affine deprecates.)"""
    return Affine(res, 0, left, 0, -res, top)


def write_raster(
    path, array, names=None, *, crs=UTM, transform=..., res=10.0, left=X0, top=Y0,
    mask=None, alpha=False, palette=None, tags=None, **profile,
):  # fmt: skip
    """Write (C, H, W) or (H, W) and return the path.

    Args:
        path: File; its folder is made.
        array: Pixels; ``dtype`` in the profile casts them.
        names: Descriptions of the bands.
        crs: None for a raster without one.
        transform: None for a raster without one; default: from ``res``, ``left`` and ``top``.
        mask: (H, W) written as the internal mask.
        alpha: The last band is an alpha band.
        palette: Colours by value.
        tags: Tags of the file.
        profile: GDAL's options by keyword, ``driver`` and ``nodata`` among them.
    """
    path, array = Path(path), np.asarray(array)
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"driver": "GTiff", "dtype": array.dtype} | profile | {"crs": crs}
    pixels = {"complex_int16": "complex64"}.get(options["dtype"], options["dtype"])  # GDAL's own, not NumPy's
    array = (array if array.ndim == 3 else array[None]).astype(pixels, copy=False)
    options |= dict(zip(("count", "height", "width"), array.shape, strict=True))
    if transform is not None:
        options["transform"] = placed(res, left, top) if transform is ... else transform
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        # a raster without geotransform may be just what a test needs
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.open(path, "w", **options) as dataset,
    ):
        if alpha:
            dataset.colorinterp = [*dataset.colorinterp[:-1], ColorInterp.alpha]
        if palette:
            dataset.write_colormap(1, palette)
        dataset.write(array)
        if mask is not None:
            dataset.write_mask(mask)
        if names:
            dataset.descriptions = names
        if tags:
            dataset.update_tags(**tags)
    return path


def coordinates(bands, height, width, dtype="float32"):
    """(C, H, W) with value = column + 1000 row + 1 + band / 8, so that every pixel says where it is."""
    rows, cols = np.mgrid[:height, :width]
    return np.stack([cols + 1000 * rows + 1 + band / 8 for band in range(bands)]).astype(dtype)
