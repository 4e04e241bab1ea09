"""Every pixel that a sample holds is the one that was asked for."""

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from scene_files import X0, Y0, coordinates, query, write

from hierars_geo.datasets import GaoFen2, GoogleEarth, QueryError, SceneRaster
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


@pytest.mark.parametrize("flip", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_south_up_and_mirrored_files_are_turned(tmp_path, flip):
    stored = coordinates(50, 70)[:, :: flip[0], :: flip[1]]
    transform = Affine(
        10 * flip[1], 0, X0 + (700 if flip[1] < 0 else 0), 0, -10 * flip[0], Y0 - (500 if flip[0] < 0 else 0)
    )
    dataset = SceneRaster(write(tmp_path / "turned.tif", stored, transform=transform))
    image, inside = expected(45, -2, 9, 9)
    sample = dataset[query(45, -2, 9, 9)]
    np.testing.assert_array_equal(sample["image"], image)
    np.testing.assert_array_equal(sample["valid"], inside)


def test_a_pixel_is_point_file_lies_where_an_area_file_lies(tmp_path, scene):
    """GeoTIFF counts its tie point from the pixel's centre; what is read is the same ground."""
    point = write(tmp_path / "point.tif", coordinates(50, 70))
    with rasterio.open(point, "r+") as dataset:
        dataset.update_tags(AREA_OR_POINT="Point")
    with rasterio.open(point) as dataset:
        assert dataset.tags()["AREA_OR_POINT"] == "Point"
    window = query(7, 11, 5, 9)
    assert torch.equal(SceneRaster(point)[window]["image"], SceneRaster(scene)[window]["image"])
    assert (SceneRaster(point) & SceneRaster(scene))[window]["valid"].all()


def test_tiles_become_one_mosaic_and_the_first_valid_pixel_counts(tmp_path):
    first = coordinates(20, 20)
    first[:, :5, :5] = 9999
    write(tmp_path / "a.tif", first, nodata=9999)
    write(tmp_path / "b.tif", coordinates(20, 30, 0, 15) + 1000, left=X0 + 150, nodata=9999)
    write(tmp_path / "c.tif", coordinates(4, 4) + 2000)
    sample = SceneRaster(tmp_path)[query(0, 0, 20, 45)]
    wanted = coordinates(20, 45).astype("float32")
    wanted[:, :, 20:] += 1000
    wanted[:, :4, :4] += 2000
    valid = np.ones((20, 45), dtype=bool)
    valid[4, :5] = valid[:5, 4] = False
    np.testing.assert_array_equal(sample["image"], np.where(valid, wanted, 0))
    np.testing.assert_array_equal(sample["valid"], valid)


@pytest.mark.parametrize(
    ("dtype", "hole", "profile"),
    [
        ("uint16", 0, {"nodata": 0}),
        ("uint8", 255, {"nodata": 255}),
        ("int16", -9999, {"nodata": -9999}),
        ("float32", np.nan, {"nodata": np.nan}),
        ("float32", np.nan, {}),
        ("float32", np.inf, {"nodata": -3.4028234663852886e38}),
        ("float64", -1e300, {"nodata": -1e300}),
    ],
)
def test_a_pixel_is_valid_where_every_band_holds_data(tmp_path, dtype, hole, profile):
    image = np.full((2, 10, 10), 7, dtype=dtype)
    image[0, 2, 3] = image[1, 5, 6] = hole
    path = write(tmp_path / "holes.tif", image, **profile)
    sample = SceneRaster(path, nodata_rule="any")[query(0, 0, 10, 10)]
    holes = np.argwhere(~sample["valid"].numpy())
    np.testing.assert_array_equal(holes, [[2, 3], [5, 6]])
    np.testing.assert_array_equal(sample["image"][:, 2, 3], [0, 0])
    assert sample["image"].sum() == 7 * 2 * 98
    # by default a value that may be a measurement does not count in one band alone
    plausible = dtype in ("uint16", "uint8")
    assert SceneRaster(path)[query(0, 0, 10, 10)]["valid"].sum() == (100 if plausible else 98)


def test_alpha_and_mask_bands_tell_validity_and_are_no_channel(tmp_path):
    rgba = np.full((4, 10, 10), 200, dtype=np.uint8)
    rgba[3] = 255
    rgba[3, :, 4:] = 0
    dataset = GoogleEarth(write(tmp_path / "alpha.tif", rgba, alpha=True, photometric="rgb"))
    sample = dataset[query(0, 0, 10, 10)]
    assert dataset.bands == ("red", "green", "blue")
    assert sample["image"].shape == (3, 10, 10)
    np.testing.assert_array_equal(sample["valid"][0], [True] * 4 + [False] * 6)

    masked = write(tmp_path / "masked.tif", np.ones((8, 8), dtype=np.uint8), mask=np.tri(8, dtype=bool))
    np.testing.assert_array_equal(SceneRaster(masked)[query(0, 0, 8, 8)]["valid"], np.tri(8))


def test_declared_nodata_that_no_pixel_can_hold_hides_nothing(tmp_path):
    path = write(tmp_path / "a.tif", np.full((1, 4, 4), 55537, dtype=np.uint16))
    assert SceneRaster(path, nodata=-9999)[query(0, 0, 4, 4)]["valid"].all()
    assert not SceneRaster(path, nodata=55537)[query(0, 0, 4, 4)]["valid"].any()


def test_bands_are_found_by_name_in_any_order_and_spelling(tmp_path):
    stack = np.arange(4, dtype=np.uint16)[:, None, None] * np.ones((1, 6, 6), dtype=np.uint16)
    path = write(tmp_path / "gf2.tif", stack, names=["NIR", "Red", "Green", "Blue"])
    dataset = GaoFen2(path, bands=["red", "BLUE"])
    assert dataset.bands == ("red", "blue")
    np.testing.assert_array_equal(dataset[query(0, 0, 6, 6)]["image"][:, 0, 0], [1, 3])
    assert GaoFen2(path).bands == ("blue", "green", "red", "nir")
    np.testing.assert_array_equal(GaoFen2(path)[query(0, 0, 6, 6)]["image"][:, 0, 0], [3, 2, 1, 0])


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


def test_a_file_damaged_inside_is_named_when_it_is_read(tmp_path):
    path = tmp_path / "cut.tif"
    write(path, np.random.default_rng(0).integers(0, 255, (1, 400, 400)).astype(np.uint8), compress="deflate")
    path.write_bytes(path.read_bytes()[:-60_000])
    with pytest.raises(RasterError, match=r"cut\.tif to be readable at rows"):
        SceneRaster(path)[query(0, 0, 400, 400)]


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
