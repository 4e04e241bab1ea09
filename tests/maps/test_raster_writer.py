import os
import resource

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS
from raster_factory import NORTH_UP

from hierars_geo.errors import OutputError, RasterError
from hierars_geo.grid import GeoGrid
from hierars_geo.maps import StripWriter
from hierars_geo.scenes.dataset import dataset_grid


def grid_of(shape, transform=NORTH_UP):
    return GeoGrid(CRS.from_epsg(32648), transform, shape)


def strips(array, heights):
    row = 0
    while row < len(array):
        for height in heights:
            yield array[row : row + height]
            row += height


@pytest.mark.parametrize("heights", [(1200,), (1,), (7, 0, 513, 200), (512,)], ids=str)
@pytest.mark.parametrize("shape", [(1, 1), (5, 700), (512, 512), (1100, 513)], ids=str)
def test_any_strips_equal_the_array(tmp_path, shape, heights):
    array = np.random.default_rng(0).integers(0, 60_000, shape, dtype="uint16")
    with StripWriter(tmp_path / "a.tif", grid_of(shape), "uint16", 65535) as writer:
        for rows in strips(array, heights):
            writer.write(rows)
        assert writer.rows_received == shape[0]
    with rasterio.open(tmp_path / "a.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), array)
        assert dataset.nodata == 65535
        assert dataset.block_shapes == [(512, 512)]
        assert dataset.compression.name == "deflate"


@pytest.mark.parametrize(
    "transform",
    [
        Affine(10, 0, 500_003.125, 0, 10, 4_000_007.25),
        Affine.translation(500_003, 4_000_007) @ Affine.rotation(27) @ Affine.scale(10, -12),
    ],
    ids=["south_up", "rotated"],
)
@pytest.mark.parametrize("crs", ["EPSG:32648", "EPSG:4326", "ESRI:102033", "+proj=laea +lat_0=10 +lon_0=5"])
def test_the_grid_survives_exactly(tmp_path, transform, crs):
    grid = GeoGrid(CRS.from_user_input(crs), transform, (3, 4))
    path = tmp_path / "a.tif"
    with StripWriter(path, grid, "uint8", 0) as writer:
        writer.write(np.ones((3, 4), "uint8"))
    with rasterio.open(path) as dataset:
        written = dataset_grid(dataset, str(path))
    assert written.transform == grid.transform
    assert written.crs.equals(grid.crs, ignore_axis_order=True)
    assert written.shape == grid.shape


def test_every_tile_is_written_once(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (1536, 1024), dtype="uint8")
    for name, heights in (("whole", (512,)), ("odd", (37,))):
        with StripWriter(tmp_path / f"{name}.tif", grid_of(noise.shape), "uint8", None) as writer:
            for rows in strips(noise, heights):
                writer.write(rows)
    # a tile that is written again is appended, and the file grows
    assert (tmp_path / "odd.tif").stat().st_size == (tmp_path / "whole.tif").stat().st_size


def test_memory_is_one_row_of_tiles(tmp_path):
    with StripWriter(tmp_path / "a.tif", grid_of((2000, 600)), "uint8", 0) as writer:
        assert writer._buffer.nbytes == 512 * 600
        for _ in range(20):
            writer.write(np.zeros((100, 600), "uint8"))


def test_wrong_rows_are_refused(tmp_path):
    writer = StripWriter(tmp_path / "a.tif", grid_of((4, 3)), "uint8", 0)
    with pytest.raises(RasterError, match=r"rows of shape \(h, 3\), but got \(2, 4\) \(in .*a\.tif"):
        writer.write(np.zeros((2, 4), "uint8"))
    with pytest.raises(RasterError, match=r"Expected 4 rows in all, but got 5 \(in .*a\.tif"):
        writer.write(np.zeros((5, 3), "uint8"))
    with pytest.raises(RasterError, match=r"values that fit uint8, but got 0\.\.256 of int64"):
        writer.write(np.array([[0, 1, 256]]))
    with pytest.raises(RasterError, match=r"values that fit uint8, but got -1\.\.1 of int64"):
        writer.write(np.array([[0, 1, -1]]))
    writer.write(np.array([[0, 1, 255]]))
    with pytest.raises(RasterError, match=r"Expected 4 rows, but got 1 \(in .*a\.tif\)\. Write every row"):
        writer.close()
    writer.close()  # closing twice is harmless


def test_an_exception_inside_is_not_hidden(tmp_path):
    with (
        pytest.raises(KeyError, match="mine"),
        StripWriter(tmp_path / "a.tif", grid_of((4, 3)), "uint8", 0) as writer,
    ):
        raise KeyError("mine")
    assert writer._dataset.closed


def test_missing_folder_is_an_output_error(tmp_path, capfd):
    with pytest.raises(OutputError, match=r"nothere/a\.tif to be writable, but got: .*No such file"):
        StripWriter(tmp_path / "nothere/a.tif", grid_of((4, 3)), "uint8", 0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.999])
def test_a_full_disk_is_an_error_wherever_it_strikes(tmp_path, share):
    noise = np.random.default_rng(0).integers(0, 255, (1024, 1024), dtype="uint8")
    with StripWriter(tmp_path / "a.tif", grid_of(noise.shape), "uint8", 0) as writer:
        writer.write(noise)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * (tmp_path / "a.tif").stat().st_size), limits[1]))
    try:
        with pytest.raises(OutputError, match=r"b\.tif to (be writable|hold every tile), but got"):
            _write(tmp_path / "b.tif", noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_tile_beyond_the_end_of_the_file_is_missed(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (600, 600), dtype="uint8")
    with StripWriter(tmp_path / "a.tif", grid_of(noise.shape), "uint8", 0) as writer:
        writer.write(noise)
    writer._check_tiles()
    os.truncate(tmp_path / "a.tif", (tmp_path / "a.tif").stat().st_size // 2)
    with pytest.raises(
        OutputError, match=r"a\.tif to hold every tile, but got none at column_row \d_\d\. The disk"
    ):
        writer._check_tiles()


def _write(path, array):
    with StripWriter(path, grid_of(array.shape), "uint8", 0) as writer:
        writer.write(array)
