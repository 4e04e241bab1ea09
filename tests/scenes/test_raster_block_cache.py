"""The block cache is small, yet holds many blocks: rasterio takes bytes where GDAL itself takes megabytes."""

from rasterio._env import get_gdal_config

from hierars_geo.scenes import bounded_block_cache


def test_the_bounded_cache_holds_128_mib():
    with bounded_block_cache():
        assert get_gdal_config("GDAL_CACHEMAX") == 128 * 2**20
