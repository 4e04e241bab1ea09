"""Every pixel that a sample holds is the one that was asked for."""

import numpy as np
import pytest
import torch
from scene_files import X0, Y0, coordinates, query, write

from hierars_geo.datasets import GaoFen2, QueryError, SceneRaster
from hierars_geo.errors import MissingFileError, OptionError, RasterError
from hierars_geo.scenes import DataNotice


@pytest.fixture
def scene(tmp_path):
    return write(tmp_path / "scene.tif", coordinates(50, 70))


def expected(row, col, height, width, rows=50, cols=70):
    """Coordinates of a window and where they lie on the raster."""
    wanted = coordinates(height, width, row, col, "float32")
    inside = (wanted[0] >= 0) & (wanted[0] < rows) & (wanted[1] >= 0) & (wanted[1] < cols)
    return np.where(inside, wanted, 0), inside


@pytest.mark.parametrize(
    ("row", "col", "height", "width"),
    [(0, 0, 50, 70), (7, 11, 5, 9), (-3, -4, 10, 10), (45, 65, 20, 30), (49, 69, 1, 1)],
)
def test_window_holds_its_own_coordinates(scene, row, col, height, width):
    sample = SceneRaster(scene)[query(row, col, height, width)]
    image, inside = expected(row, col, height, width)
    assert sample["image"].dtype == torch.float32
    np.testing.assert_array_equal(sample["image"], image)
    np.testing.assert_array_equal(sample["valid"], inside)
    left, bottom, right, top = sample["bounds"]
    assert (left, top) == (X0 + col * 10, Y0 - row * 10)
    assert (right - left, top - bottom) == (width * 10, height * 10)
    assert sample["crs"].to_epsg() == 32650


def test_query_is_snapped_to_whole_pixels(scene):
    dataset = SceneRaster(scene)
    x, y = query(7, 11, 8, 8)
    for shift in (-4.9, 1e-7, 4.9):
        sample = dataset[x.start + shift : x.stop + shift, y.start - shift : y.stop - shift]
        np.testing.assert_array_equal(sample["image"], expected(7, 11, 8, 8)[0])


def test_query_beyond_the_data_is_an_index_error(scene):
    dataset = SceneRaster(scene)
    with pytest.raises(IndexError):
        dataset[query(50, 0, 5, 5)]
    with pytest.raises(QueryError, match="no scene lies there"):
        dataset[query(0, -20, 5, 20)]
    with pytest.raises(QueryError, match="a query with an area"):
        dataset[X0:X0, Y0 - 10 : Y0]


def test_catalog_order_is_used_only_where_it_fits_and_is_said(tmp_path):
    path = write(tmp_path / "gf2.tif", np.zeros((4, 6, 6), dtype=np.uint16))
    with pytest.warns(
        DataNotice, match=r"gf2\.tif: no bands are named, their order is taken as 1 is blue, 2 is green"
    ):
        assert GaoFen2(path).bands == ("blue", "green", "red", "nir")
    write(tmp_path / "three.tif", np.zeros((3, 6, 6), dtype=np.uint16))
    with pytest.raises(
        RasterError, match=r"Expected 4 bands of GaoFen-2 .* got 3 without names \(in .*three\.tif\)"
    ):
        GaoFen2(tmp_path / "three.tif")
    with pytest.raises(OptionError, match="Expected bands of GaoFen-2"):
        GaoFen2(path, bands=["B02"])
    assert SceneRaster(path).bands == ("band_1", "band_2", "band_3", "band_4")


def test_every_file_that_cannot_be_used_is_named_at_once(tmp_path):
    write(tmp_path / "good.tif", coordinates(5, 5))
    write(tmp_path / "nocrs.tif", coordinates(5, 5), crs=None)
    (tmp_path / "broken.tif").write_bytes(b"no raster")
    with pytest.raises(RasterError, match=r"but 2 are not: .*broken\.tif.*nocrs\.tif"):
        SceneRaster(tmp_path)
    with pytest.raises(MissingFileError, match=r"missing1\.tif, .*missing2\.tif to exist"):
        SceneRaster([tmp_path / "missing1.tif", tmp_path / "good.tif", tmp_path / "missing2.tif"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match=r"empty to hold rasters \(\.tif"):
        SceneRaster(tmp_path / "empty")
    with pytest.raises(RasterError, match=r"or bands with names \(red\), but got 2 without names"):
        SceneRaster([tmp_path / "good.tif"], bands=["red"])


def test_paths_may_be_files_folders_patterns_and_lists(tmp_path):
    for name in ("a.tif", "deep/b.tif", "deep/.hidden/c.tif"):
        write(tmp_path / name, coordinates(3, 3))
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset/>")
    names = lambda paths: [f.removeprefix(f"{tmp_path}/") for f in SceneRaster(paths).files]  # noqa: E731
    assert names(tmp_path) == ["a.tif", "deep/b.tif"]
    assert names(f"{tmp_path}/*/*.tif") == ["deep/b.tif"]
    assert names([tmp_path / "deep", str(tmp_path / "a.tif")]) == ["a.tif", "deep/b.tif"]


def test_dates_choose_among_scenes(tmp_path):
    write(tmp_path / "scene_20190801.tif", np.full((1, 5, 5), 1, dtype=np.uint8))
    write(tmp_path / "scene_20200801T101500.tif", np.full((1, 5, 5), 2, dtype=np.uint8))
    write(tmp_path / "old_99999999.tif", np.full((1, 5, 5), 0, dtype=np.uint8), nodata=0)
    import pandas as pd

    dataset = SceneRaster(tmp_path)
    x, y = query(0, 0, 5, 5)
    for year, value in ((2019, 1), (2020, 2)):
        sample = dataset[x, y, slice(pd.Timestamp(year, 1, 1), pd.Timestamp(year, 12, 31))]
        assert (sample["image"] == value).all()


def test_nothing_is_printed_and_nothing_is_read_twice(scene, capsys):
    dataset = SceneRaster(scene, crs="EPSG:3857", res=12)
    dataset.crs = dataset.crs
    dataset.res = 20
    assert dataset.res == (20, 20)
    assert capsys.readouterr().out == ""
