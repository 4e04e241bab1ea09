"""Images that cannot be used: all named at once, or left out with a notice and a list."""

import numpy as np
import pytest
from scene_files import X0, Y0, coordinates, query, write

from hierars_geo.datasets import GaoFen2, SceneRaster
from hierars_geo.errors import OptionError, RasterError
from hierars_geo.scenes import DataNotice

NAMES = ["blue", "green", "red", "nir"]


def gf2(folder, name, **options):
    options = {"names": NAMES, **options}
    return write(folder / name, np.full((4, 6, 6), 7, dtype=options.pop("dtype", "uint16")), **options)


@pytest.fixture
def folder(tmp_path):
    """Two good files and one of each kind that is not."""
    gf2(tmp_path, "a_good.tif")
    gf2(tmp_path, "b_good.tif")
    gf2(tmp_path, "c_float.tif", dtype="float32")
    gf2(tmp_path, "GF2_PMS1_E118.4_N31.2_20151303_L1A0000898840-MSS1.tif")
    gf2(tmp_path, "e_nocrs.tif", crs=None)
    write(tmp_path / "f_bands.tif", np.zeros((3, 6, 6), dtype=np.uint16), names=["red", "green", "blue"])
    (tmp_path / "g_broken.tif").write_bytes(b"no raster")
    return tmp_path


def test_one_error_names_all_of_them(folder):
    with pytest.raises(RasterError, match="but 5 are not") as raised:
        GaoFen2(folder)
    for word in ("c_float", "20151303", "e_nocrs", "f_bands", "g_broken"):
        assert word in str(raised.value)
    assert "good" not in str(raised.value)


def test_skipped_files_are_listed_and_the_rest_is_read(folder):
    with pytest.warns(DataNotice, match="Left out 5 files that cannot be used: .*nocrs"):
        dataset = GaoFen2(folder, on_error="skip")
    assert [path.rpartition("/")[2] for path in dataset.files] == ["a_good.tif", "b_good.tif"]
    assert len(dataset.skipped) == 5
    assert {bad.path.rpartition("/")[2][:2] for bad in dataset.skipped} == {"c_", "GF", "e_", "f_", "g_"}
    assert (dataset[query(0, 0, 6, 6)]["image"] == 7).all()


def test_nothing_left_is_an_error_all_the_same(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"no raster")
    (tmp_path / "b.tif").write_bytes(b"no raster")
    with pytest.raises(RasterError, match="but 2 are not"):
        SceneRaster(tmp_path, on_error="skip")
    with pytest.raises(OptionError, match="on_error to be one of raise, skip"):
        SceneRaster(write(tmp_path / "c.tif", coordinates(3, 3)), on_error="ignore")


def test_day_of_the_year_and_tag(tmp_path):
    from hierars_geo.datasets.imagery import Landsat7

    stack = np.ones((6, 4, 4), dtype=np.uint8)
    path = write(tmp_path / "LE71700552001036SGS00_SR_Gewata_INT1U.tif", stack)
    with pytest.warns(DataNotice, match="no bands are named"):
        assert f"{Landsat7(path).bounds[2].start:%Y-%m-%d}" == "2001-02-05"
    import rasterio

    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ACQUISITION_DATE="2001-02-06T07:45:00")
        dataset.descriptions = ["SR_B1", "SR_B2", "Red", "nir", "swir16", "B7"]
    dataset = Landsat7(path, bands=["swir2", "red"])
    assert f"{dataset.bounds[2].start:%Y-%m-%d}" == "2001-02-06"
    assert dataset.bands == ("B07", "B03")
    assert (dataset.bounds[0].start, dataset.bounds[1].stop) == (X0, Y0)
