import numpy as np
import pytest
from raster_factory import NORTH_UP, coordinates

from hierars_geo.errors import MissingFileError, RasterError
from hierars_geo.grid import Window
from hierars_geo.maps import open_class_map


def test_windows_and_strips(make_raster):
    array = coordinates(1, 30, 23, "uint16")
    path = make_raster("map.tif", array, nodata=7)
    with open_class_map(path) as reader:
        assert (reader.grid.shape, reader.grid.transform) == ((30, 23), NORTH_UP)
        assert (reader.nodata, reader.dtype) == (7, "uint16")
        np.testing.assert_array_equal(reader.read(), array[0])
        np.testing.assert_array_equal(reader.read(Window(3, 5, 7, 11)), array[0, 3:10, 5:16])
        windows, strips = zip(*reader.iter_strips(8), strict=True)
    assert [window.height for window in windows] == [8, 8, 8, 6]
    np.testing.assert_array_equal(np.concatenate(strips), array[0])


@pytest.mark.parametrize(
    "window", [Window(-1, 0, 5, 5), Window(0, 19, 5, 5), Window(40, 0, 1, 1), Window(0, 0, 0, 5)]
)
def test_windows_beyond_the_map_are_refused(make_raster, window):
    with (
        open_class_map(make_raster("map.tif", coordinates(1, 30, 23, "uint8"))) as reader,
        pytest.raises(RasterError, match=r"Expected a window inside .* \(in .*map\.tif"),
    ):
        reader.read(window)


def test_no_class_maps(make_raster, tmp_path):
    with pytest.raises(RasterError, match=r"one integer band, but got 1 of float32 \(in .*a\.tif"):
        open_class_map(make_raster("a.tif", coordinates(1, 3, 3)))
    with pytest.raises(RasterError, match=r"one integer band, but got 2 of uint8 \(in .*b\.tif"):
        open_class_map(make_raster("b.tif", coordinates(2, 3, 3, "uint8")))
    with pytest.raises(RasterError, match="with a CRS, but got none"):
        open_class_map(make_raster("c.tif", coordinates(1, 3, 3, "uint8"), crs=None))
    with pytest.raises(MissingFileError, match=r"d\.tif to be a raster, but it does not exist"):
        open_class_map(tmp_path / "d.tif")
    with open_class_map(make_raster("a.tif", np.ones((3, 3), "uint8"))) as reader:
        assert reader.nodata is None
        with pytest.raises(RasterError, match="strips of at least one row, but got 0"):
            next(reader.iter_strips(0))


def test_damaged_map_names_file_and_rows(make_raster, capfd):
    noise = np.random.default_rng(0).integers(0, 255, (1, 256, 256), dtype="uint8")
    path = make_raster("map.tif", noise, compress="deflate", blockysize=16)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with (
        open_class_map(path) as reader,
        pytest.raises(RasterError, match=r"map\.tif to be readable at rows 128\.\.255"),
    ):
        list(reader.iter_strips(128))
    assert capfd.readouterr() == ("", "")
