import numpy as np
import pytest
import rasterio
from raster_factory import NORTH_UP, coordinates
from rasterio.enums import ColorInterp

from hierars_geo.errors import MissingFileError, RasterError
from hierars_geo.grid import Window
from hierars_geo.maps import open_class_map


def test_windows_and_strips(make_raster):
    array = coordinates(1, 30, 23, "uint16")
    path = make_raster("map.tif", array, nodata=7)
    with open_class_map(path) as reader:
        assert (reader.grid.shape, reader.grid.transform) == ((30, 23), NORTH_UP)
        assert (reader.nodata, reader.dtype) == (7, "uint16")
        np.testing.assert_array_equal(reader.read(7), array[0])
        np.testing.assert_array_equal(reader.read(7, Window(3, 5, 7, 11)), array[0, 3:10, 5:16])
        filled = reader.read(-1)
    np.testing.assert_array_equal(filled, np.where(array[0] == 7, -1, array[0].astype(int)))


#: How a raster of uint8 says that its left columns hold no class, alone and against each other.
WAYS = [(), ("nodata",), ("mask",), ("alpha",), ("nodata", "mask"), ("nodata", "alpha")]


@pytest.mark.parametrize("ways", WAYS, ids=" and ".join)
def test_nodata_value_mask_and_alpha_all_count(make_raster, ways):
    values = np.tile(np.arange(10, dtype="uint8"), (6, 1)) + 1
    expected = np.ones(values.shape, dtype=bool)
    bands, nodata = [values], None
    if "nodata" in ways:
        nodata, expected = 3, expected & (values != 3)
    if "alpha" in ways:
        bands.append(np.where(values > 8, 0, 255).astype("uint8"))
        expected &= values <= 8
    path = make_raster("map.tif", np.stack(bands), nodata=nodata)
    with rasterio.open(path, "r+") as dataset:
        if "alpha" in ways:
            dataset.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
        if "mask" in ways:
            dataset.write_mask(np.where(values < 2, 0, 255).astype("uint8"))
            expected &= values >= 2
    with open_class_map(path) as reader:
        for fill in (0, 255, -1, 65535):
            np.testing.assert_array_equal(reader.read(fill), np.where(expected, values.astype(int), fill))


@pytest.mark.parametrize(
    "window", [Window(-1, 0, 5, 5), Window(0, 19, 5, 5), Window(40, 0, 1, 1), Window(0, 0, 0, 5)]
)
def test_windows_beyond_the_map_are_refused(make_raster, window):
    with (
        open_class_map(make_raster("map.tif", coordinates(1, 30, 23, "uint8"))) as reader,
        pytest.raises(RasterError, match=r"Expected a window inside .* \(in .*map\.tif"),
    ):
        reader.read(0, window)


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


def test_damaged_map_names_file_and_rows(make_raster, capfd):
    noise = np.random.default_rng(0).integers(0, 255, (1, 256, 256), dtype="uint8")
    path = make_raster("map.tif", noise, compress="deflate", blockysize=16)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with open_class_map(path) as reader:
        reader.read(0, Window(0, 0, 128, 256))
        with pytest.raises(RasterError, match=r"map\.tif to be readable at rows 128\.\.255"):
            reader.read(0, Window(128, 0, 128, 256))
    assert capfd.readouterr() == ("", "")
