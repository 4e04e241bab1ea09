"""One raster with all bands: geometry, bands, validity, damage."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
from affine import Affine
from raster_factory import NORTH_UP, coordinates
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

from hierars_geo.errors import MissingFileError, RasterError
from hierars_geo.grid import Window
from hierars_geo.scenes import Scene

GRIDS = {
    "north_up": NORTH_UP,
    "south_up": Affine(10, 0, 500_003, 0, 10, 4_000_007),
    "rotated": Affine.translation(500_003, 4_000_007) @ Affine.rotation(27) @ Affine.scale(10, -12),
}


@pytest.mark.parametrize("transform", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize(
    "layout", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 32, "compress": "deflate"}]
)
def test_windows_beyond_every_edge(make_raster, transform, layout):
    full = coordinates(3, 37, 53)
    path = make_raster("scene.tif", full, transform=transform, **layout)
    padded = np.pad(full, ((0, 0), (60, 60), (60, 60)))
    with Scene.open(path) as scene:
        assert scene.name == "scene"
        assert scene.grid.shape == (37, 53)
        assert scene.grid.transform == transform
        assert scene.grid.crs.to_epsg() == 32648
        for row in (-60, -7, 0, 5, 30, 37, 50):
            for col in (-60, -9, 0, 11, 45, 53, 60):
                window = Window(row, col, 11, 23)
                image, valid = scene.read(window)
                rows, cols = window.shifted(60, 60).slices()
                expected = np.pad(padded, ((0, 0), (0, 30), (0, 30)))[:, rows, cols]
                assert image.dtype == np.float32
                assert valid.dtype == np.bool_
                np.testing.assert_array_equal(image, expected)
                np.testing.assert_array_equal(valid, expected[0] > 0)


def test_bands_follow_descriptions_whatever_the_file_order(make_raster):
    full = coordinates(4, 5, 6)
    path = make_raster("scene.tif", full, descriptions=("B8a", "Red", None, "B2"))
    with Scene.open(path, bands=["b02", "B8A", "red"]) as scene:
        assert scene.bands == ("B02", "B8A", "red")
        assert scene.notes == ()
        np.testing.assert_array_equal(scene.read(Window(0, 0, 5, 6)).data, full[[3, 0, 1]])
    with Scene.open(path) as scene:
        assert scene.bands == ("B8A", "red", "band_3", "B02")
    with pytest.raises(RasterError, match=r"Expected bands B02, B11, but got .*scene\.tif\): B11 missing"):
        Scene.open(path, bands=["B02", "B11"])


@pytest.mark.parametrize("descriptions", [None, ("Band 1", "Band 2", "Band 3")])
def test_order_is_taken_as_given_without_names_and_said_so(make_raster, descriptions):
    full = coordinates(3, 5, 6)
    path = make_raster("scene.tif", full, descriptions=descriptions)
    with Scene.open(path, bands=["blue", "green", "red"]) as scene:
        assert len(scene.notes) == 1
        assert "no bands are named, their order is taken as 1 is blue, 2 is green, 3 is red" in scene.notes[0]
        np.testing.assert_array_equal(scene.read(Window(0, 0, 5, 6)).data, full)
    with pytest.raises(
        RasterError,
        match=r"Expected 2 bands of raster or .* \(B02, B03\), but got 3 without names \(in .*scene\.tif",
    ):
        Scene.open(path, bands=["B02", "B03"])


def test_threads_read_at_once_and_all_is_closed(make_raster):
    full = coordinates(2, 200, 150)
    path = make_raster("scene.tif", full, tiled=True, blockxsize=16, blockysize=16, compress="deflate")
    windows = [Window(row, col, 40, 30) for row in range(0, 160, 8) for col in range(0, 120, 6)]
    threads = set()
    with Scene.open(path) as scene:

        def right(window):
            threads.add(threading.get_ident())
            return np.array_equal(scene.read(window).data, full[(slice(None), *window.slices())])

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(right, windows))
        handles = [handle for opened in scene._reader.pool._open.values() for handle in opened.values()]
        assert len(handles) == len(threads)
    assert all(handle.closed for handle in handles)
    with pytest.raises(RasterError, match="Expected a scene that is open, but scene is closed"):
        scene.read(windows[0])


@pytest.mark.parametrize(
    ("tags", "acquired", "notes"),
    [
        ({"ACQUISITION_DATE": "2019-08-01T03:25:41Z"}, datetime(2019, 8, 1, 3, 25, 41, tzinfo=UTC), 0),
        ({"ACQUISITION_DATE": "2019-08-01"}, datetime(2019, 8, 1, tzinfo=UTC), 0),
        (
            {"ACQUISITION_DATE": "2019-08-01", "TIFFTAG_DATETIME": "2019:08:01 03:25:41"},
            datetime(2019, 8, 1, 3, 25, 41, tzinfo=UTC),
            0,
        ),
        ({"TIFFTAG_DATETIME": "2019:08:01 03:25:41"}, None, 0),  # often the time of processing
        ({"ACQUISITION_DATE": "last summer"}, None, 1),
        ({"ACQUISITION_DATE": "0001-01-01T00:00:00+01:00"}, None, 1),
        ({}, None, 0),
    ],
)
def test_acquired(make_raster, tags, acquired, notes):
    with Scene.open(make_raster("scene.tif", coordinates(1, 3, 3), tags=tags)) as scene:
        assert scene.acquired == acquired
        assert len(scene.notes) == notes


@pytest.mark.parametrize("compress", ["none", "deflate"])
def test_truncated_file_names_file_and_window(make_raster, capfd, compress):
    noise = np.random.default_rng(0).integers(0, 60_000, (2, 256, 256), dtype="uint16")
    path = make_raster("scene.tif", noise, tiled=True, blockxsize=64, blockysize=64, compress=compress)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with Scene.open(path) as scene:
        np.testing.assert_array_equal(scene.read(Window(0, 0, 64, 64)).data[0], noise[0, :64, :64])
        match = r"scene\.tif to be readable at rows 192\.\.255, columns 128\.\.255, but got: .*damaged"
        with pytest.raises(RasterError, match=match), ThreadPoolExecutor(1) as pool:
            pool.submit(scene.read, Window(192, 128, 64, 128)).result()
    assert capfd.readouterr() == ("", "")


def test_raster_without_crs_or_geotransform_tells_the_remedy(make_raster):
    plain = coordinates(1, 3, 3)
    with pytest.raises(
        RasterError, match=r"with a CRS, but got none \(in .*a\.tif\).*gdal_edit\.py -a_srs EPSG"
    ):
        Scene.open(make_raster("a.tif", plain, crs=None))
    with pytest.raises(RasterError, match=r"with a CRS, but got none \(in .*b\.tif"):
        Scene.open(make_raster("b.tif", plain, crs=None, transform=None))
    with pytest.raises(RasterError, match=r"got no geotransform \(in .*c\.tif"):
        Scene.open(make_raster("c.tif", plain, transform=None))
    gcps = [GroundControlPoint(row, col, 5e5 + col, 4e6 - row) for row in (0, 3) for col in (0, 3)]
    path = make_raster("d.tif", plain, transform=None, gcps=gcps)
    with pytest.raises(RasterError, match=r"ground control points only \(in .*d\.tif\)\. Warp it"):
        Scene.open(path)


def test_a_raster_with_rational_polynomials_only_is_to_be_orthorectified(make_raster):
    zeros = [0.0] * 20
    rpcs = RPC(0, 1, 30.0, 1.0, zeros, zeros, 1, 1, 110.0, 1.0, zeros, zeros, 1, 1)
    path = make_raster("l1a.tif", coordinates(1, 3, 3), crs=None, transform=None, rpcs=rpcs)
    with pytest.raises(RasterError, match=r"rational polynomials only \(in .*l1a\.tif\).*gdalwarp -rpc"):
        Scene.open(path)


def test_a_band_left_out_is_named(make_raster):
    rgba = np.full((4, 8, 8), 90, "uint8")
    rgba[3] = 255
    path = make_raster("scene.tif", rgba, photometric="RGB", ALPHA="YES")
    with pytest.raises(RasterError, match="Band 4 is tagged alpha and was left out"):
        Scene.open(path, sensor="naip", bands=["red", "nir"])


def test_missing_unreadable_and_complex_files(make_raster, tmp_path):
    with pytest.raises(MissingFileError, match=r"nothere\.tif to be a raster, but it does not exist"):
        Scene.open(tmp_path / "nothere.tif")
    (tmp_path / "text.tif").write_text("not a raster")
    with pytest.raises(RasterError, match=r"text\.tif to be a raster that GDAL can read"):
        Scene.open(tmp_path / "text.tif")
    with pytest.raises(RasterError, match=r"complex64 \(in .*slc\.tif"):
        Scene.open(make_raster("slc.tif", coordinates(1, 3, 3, "complex64")))


def test_names_that_only_gdal_knows_are_handed_on(make_raster):
    path = make_raster("scene.tif", coordinates(1, 3, 3))
    with Scene.open(f"GTIFF_DIR:1:{path}") as scene:
        assert scene.read(Window(0, 0, 3, 3)).valid.all()
