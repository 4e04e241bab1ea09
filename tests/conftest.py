"""A factory of small rasters."""

import pytest
from raster_factory import NORTH_UP, write_raster


@pytest.fixture
def make_raster(tmp_path):
    def make(name, array, *, descriptions=None, crs="EPSG:32648", transform=NORTH_UP, **options):
        return write_raster(tmp_path / name, array, descriptions, crs=crs, transform=transform, **options)

    return make
