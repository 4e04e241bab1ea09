"""A factory of small rasters."""

import warnings
from pathlib import Path

import pytest
import rasterio
from raster_factory import NORTH_UP
from rasterio.errors import NotGeoreferencedWarning


@pytest.fixture
def make_raster(tmp_path):
    def make(name, array, *, descriptions=None, mask=None, tags=None, **profile):
        array = array if array.ndim == 3 else array[None]
        count, height, width = array.shape
        options = {
            "driver": "GTiff",
            "crs": "EPSG:32648",
            "transform": NORTH_UP,
            "dtype": array.dtype,
        } | profile
        path = Path(tmp_path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            # a raster without geotransform may be just what a test needs
            warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
            rasterio.open(path, "w", count=count, height=height, width=width, **options) as dataset,
        ):
            dataset.write(array)
            if mask is not None:
                dataset.write_mask(mask)
            if descriptions:
                dataset.descriptions = descriptions
            if tags:
                dataset.update_tags(**tags)
        return path

    return make
