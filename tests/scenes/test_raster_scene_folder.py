"""One raster per band: matching by name, mixed resolutions and CRSs on the finest grid."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from raster_factory import NORTH_UP, coordinates

from hierars_geo.errors import MissingFileError, RasterError
from hierars_geo.grid import Window
from hierars_geo.scenes import Scene
from hierars_geo.scenes.band_files import band_of_file

REAL = Path(__file__).parents[2] / "../shared/data/sentinel2_t48que"


def coarse(factor, shift=(0.0, 0.0)):
    """NORTH_UP with pixels ``factor`` times as large, its origin moved by (x, y) metres."""
    return Affine.translation(*shift) @ NORTH_UP @ Affine.scale(factor)


def bilinear(array, transform, onto, shape):
    """Independent reference: bilinear at the pixel centres of ``onto``; NaN outside the sources' centres."""
    rows, cols = np.mgrid[: shape[0], : shape[1]] + 0.5
    x, y = onto @ (cols, rows)
    col, row = ~transform @ (x, y)
    col, row = col - 0.5, row - 0.5
    out = np.full(shape, np.nan)
    eps = 1e-6
    ok = (col > -eps) & (row > -eps) & (col < array.shape[1] - 1 + eps) & (row < array.shape[0] - 1 + eps)
    c0 = np.clip(np.floor(col[ok]).astype(int), 0, array.shape[1] - 2)
    r0 = np.clip(np.floor(row[ok]).astype(int), 0, array.shape[0] - 2)
    fc, fr = col[ok] - c0, row[ok] - r0
    top = array[r0, c0] * (1 - fc) + array[r0, c0 + 1] * fc
    bottom = array[r0 + 1, c0] * (1 - fc) + array[r0 + 1, c0 + 1] * fc
    out[ok] = top * (1 - fr) + bottom * fr
    return out


@pytest.mark.parametrize(
    ("name", "band"),
    [
        ("B02.tif", "B02"),
        ("T48QUE_20190801T032541_B8A.jp2", "B8A"),
        ("T48QUE_20190801T032541_B2_10m.jp2", "B02"),
        ("scene-nir.tif", "nir"),
        ("20m.tif", "20m"),
        ("cloud_mask.tif", "mask"),
    ],
)
def test_band_of_file(name, band):
    assert band_of_file(Path(name)) == band


def test_mixed_resolutions_match_an_independent_bilinear(make_raster, tmp_path):
    rng = np.random.default_rng(0)
    fine = rng.integers(1, 5000, (72, 84), dtype="uint16")
    mid = rng.integers(1, 5000, (36, 42), dtype="uint16")
    low = rng.integers(1, 5000, (12, 14), dtype="uint16")
    make_raster("s/x_B02.tif", fine)
    make_raster("s/x_B5.tif", mid, transform=coarse(2, (3.7, -1.3)))
    make_raster("s/x_b01.tif", low, transform=coarse(6))
    make_raster("s/cloud_mask.tif", np.zeros((72, 84), "uint8"))
    (tmp_path / "s/readme.txt").write_text("not a raster")
    with Scene.open(tmp_path / "s", bands=["B05", "B01", "B02"]) as scene:
        assert (scene.name, scene.bands, scene.dtype) == ("s", ("B05", "B01", "B02"), "uint16")
        assert [path.name for path in scene.paths] == ["x_B5.tif", "x_b01.tif", "x_B02.tif"]
        assert scene.grid.transform == NORTH_UP
        assert scene.grid.shape == (72, 84)
        assert scene.notes == (
            "B05, 20 m, is resampled to the grid of B02, 10 m.",
            "B01, 60 m, is resampled to the grid of B02, 10 m.",
        )
        image, valid = scene.read(Window(0, 0, 72, 84))
        part, part_valid = scene.read(Window(-3, 17, 29, 80))
    np.testing.assert_array_equal(image[2][valid], fine[valid])
    for position, array, transform in ((0, mid, coarse(2, (3.7, -1.3))), (1, low, coarse(6))):
        expected = bilinear(array.astype(float), transform, NORTH_UP, (72, 84))
        inner = ~np.isnan(expected) & valid
        assert inner.mean() > 0.8
        np.testing.assert_allclose(image[position][inner], expected[inner], rtol=1e-4, atol=0.05)
    # a band that starts 3.7 m further east and 1.3 m further south still covers every pixel's centre
    assert valid.all()
    np.testing.assert_array_equal(part[:, 3:, :67], image[:, :26, 17:])
    np.testing.assert_array_equal(part_valid[3:, :67], valid[:26, 17:])
    assert not part_valid[:3].any()
    assert not part_valid[:, 67:].any()


def test_pixels_that_a_band_does_not_cover_are_invalid(make_raster, tmp_path):
    make_raster("s/B02.tif", coordinates(1, 40, 40))
    make_raster("s/B05.tif", coordinates(1, 20, 20), transform=coarse(2, (100, -60)))
    with Scene.open(tmp_path / "s") as scene:
        image, valid = scene.read(Window(0, 0, 40, 40))
    expected = np.zeros((40, 40), dtype=bool)
    expected[6:, 10:] = True
    np.testing.assert_array_equal(valid, expected)
    assert (image[:, ~valid] == 0).all()


def test_first_of_equally_fine_bands_is_the_reference(make_raster, tmp_path):
    make_raster("s/B02.tif", coordinates(1, 40, 40))
    make_raster("s/B03.tif", coordinates(1, 38, 39), transform=coarse(1, (5, -5)))
    make_raster("s/B05.tif", coordinates(1, 20, 20), transform=coarse(2))
    with Scene.open(tmp_path / "s", bands=["B05", "B03", "B02"]) as scene:
        assert scene.grid.shape == (38, 39)
    with Scene.open(tmp_path / "s", bands=["B02", "B03"]) as scene:
        assert scene.grid.shape == (40, 40)


@pytest.mark.parametrize("kind", ["nodata", "mask", "alpha", "nan", "nodata and alpha"])
def test_holes_of_a_coarse_band_are_holes_of_the_image(make_raster, tmp_path, kind):
    dtype = "float32" if kind == "nan" else "uint16"
    mid = np.full((20, 20), 1000, dtype=dtype)
    holes = np.zeros((20, 20), dtype=bool)
    holes[5:8, 9:14] = True
    options = {}
    if kind == "nodata":
        mid[holes], options = 0, {"nodata": 0}
    elif kind == "nan":
        mid[holes] = np.nan
    elif kind == "mask":
        options = {"mask": np.where(holes, 0, 255).astype("uint8")}
    else:
        nodata = 0 if "nodata" in kind else None
        mid[0, 0] = nodata or mid[0, 0]
        mid = np.stack([mid, np.where(holes, 0, 255).astype(dtype)])
        options = {"ALPHA": "YES", "nodata": nodata}
    make_raster("s/B02.tif", coordinates(1, 40, 40))
    make_raster("s/B05.tif", mid, transform=coarse(2), **options)
    with Scene.open(tmp_path / "s", bands=["B02", "B05"]) as scene:
        image, valid = scene.read(Window(0, 0, 40, 40))
    np.testing.assert_array_equal(valid, np.kron(~holes, np.ones((2, 2), dtype=bool)))
    # the fill value does not leak into its neighbours
    np.testing.assert_allclose(image[1][valid], 1000, rtol=1e-6)


def test_band_in_another_crs_lands_where_it_belongs(make_raster, tmp_path):
    # value = easting (km) in the reference's zone at the pixel's centre, stored in the zone next to it
    make_raster("s/B02.tif", coordinates(1, 60, 70), transform=Affine(10, 0, 760_003, 0, -10, 1_900_007))
    x, y = Transformer.from_crs(32648, 32649, always_xy=True).transform(760_353, 1_899_707)
    transform = Affine(20, 0, x - 1000, 0, -20, y + 1000)
    rows, cols = np.mgrid[:100, :100] + 0.5
    back = Transformer.from_crs(32649, 32648, always_xy=True)
    for axis in (0, 1):
        value = back.transform(*(transform @ (cols, rows)))[axis] - (760_003, 1_900_007)[axis]
        make_raster("s/B05.tif", value.astype("float32"), transform=transform, crs="EPSG:32649")
        with Scene.open(tmp_path / "s", bands=["B02", "B05"]) as scene:
            assert scene.grid.crs.to_epsg() == 32648
            image, valid = scene.read(Window(0, 0, 60, 70))
            part, _ = scene.read(Window(31, 7, 20, 20))
        assert valid.all()
        centre = np.mgrid[:60, :70][1 - axis] * 10.0 + 5
        error_px = np.abs(image[1] - (centre if axis == 0 else -centre)) / 10
        assert error_px.max() < 0.05
        assert np.abs(part - image[:, 31:51, 7:27]).max() < 0.1  # metres, whatever the window


def test_a_list_of_band_files(make_raster):
    first = make_raster("one/B02.tif", coordinates(1, 6, 6))
    second = make_raster("two/x_B03.tif", coordinates(1, 6, 6) + 0.5)
    with Scene.open([first, str(second)], bands=["B03", "B02"]) as scene:
        np.testing.assert_array_equal(scene.read(Window(0, 0, 1, 1)).data.ravel(), [1.5, 1])
    with pytest.raises(RasterError, match="at least one raster, but got an empty list"):
        Scene.open([])


def test_all_known_bands_without_a_wish(make_raster, tmp_path):
    for name in ("B03", "B8A", "B02", "cloud_mask"):
        make_raster(f"s/{name}.tif", coordinates(1, 4, 4))
    with Scene.open(tmp_path / "s") as scene:
        assert scene.bands == ("B02", "B03", "B8A")


def test_clear_errors(make_raster, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match=r"empty to hold one raster per band .* but got none"):
        Scene.open(tmp_path / "empty", bands=["B02"])
    make_raster("s/B02.tif", coordinates(1, 4, 4))
    make_raster("s/cloud_mask.tif", coordinates(1, 4, 4))
    with pytest.raises(
        RasterError,
        match=r"per band B02, B03, B04, but got B02\.tif, cloud_mask\.tif \(in .*\): B03, B04 missing",
    ):
        Scene.open(tmp_path / "s", bands=["B2", "B3", "B4"])
    (tmp_path / "s/B02.tif").unlink()
    with pytest.raises(RasterError, match=r"but got cloud_mask\.tif"):
        Scene.open(tmp_path / "s")
    make_raster("s/x_B03.tif", coordinates(1, 4, 4))
    make_raster("s/y_B3.tif", coordinates(1, 4, 4))
    with pytest.raises(RasterError, match=r"one file of band B03, but got x_B03\.tif, y_B3\.tif"):
        Scene.open(tmp_path / "s", bands=["B03"])
    make_raster("m/B02.tif", coordinates(2, 4, 4))
    with pytest.raises(RasterError, match=r"band file with one band, but got 2 \(in .*B02\.tif"):
        Scene.open(tmp_path / "m", bands=["B02"])
    make_raster("n/B02.tif", coordinates(1, 4, 4))
    make_raster("n/B03.tif", coordinates(1, 4, 4), crs=None)
    with pytest.raises(RasterError, match=r"with a CRS, but got none \(in .*B03\.tif"):
        Scene.open(tmp_path / "n", bands=["B02", "B03"])
    make_raster("far/B02.tif", coordinates(1, 4, 4))
    make_raster("far/B05.tif", coordinates(1, 4, 4), transform=coarse(2, (5000, 0)))
    with pytest.raises(RasterError, match=r"bands of one place, but got bounds .*B05\.tif"):
        Scene.open(tmp_path / "far", bands=["B02", "B05"])


def test_truncated_coarse_band_is_an_error(make_raster, tmp_path, capfd):
    noise = np.random.default_rng(0).integers(0, 60_000, (128, 128), dtype="uint16")
    make_raster("s/B02.tif", coordinates(1, 256, 256))
    path = make_raster(
        "s/B05.tif", noise, transform=coarse(2), tiled=True, blockxsize=64, blockysize=64, compress="deflate"
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with (
        Scene.open(tmp_path / "s", bands=["B02", "B05"]) as scene,
        pytest.raises(RasterError, match=r"B05\.tif to be readable"),
    ):
        scene.read(Window(0, 0, 256, 256))
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not REAL.is_dir(), reason="shared Sentinel-2 scene is not here")
def test_real_sentinel2_folder():
    bands = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
    with Scene.open(REAL, bands=bands) as scene:
        assert (scene.name, scene.dtype, scene.grid.shape) == ("sentinel2_t48que", "uint16", (1068, 1068))
        assert len(scene.notes) == 6
        image, valid = scene.read(Window(300, 300, 512, 512))
        assert valid.all()
        assert scene.read(Window(1067, 1067, 2, 2)).valid.tolist() == [[True, False], [False, False]]
    # the 20 m band lies where its own georeference says: nowhere else do its pixels fit the image better
    with rasterio.open(REAL / "B8A.tif") as dataset:
        stored = dataset.read(1, window=((150, 406), (150, 406)), out_dtype="float32")
    blocks = image[7].reshape(256, 2, 256, 2).mean((1, 3))
    moves = [(rows, cols) for rows in (-1, 0, 1) for cols in (-1, 0, 1)]
    error = {move: np.abs(np.roll(blocks, move, (0, 1)) - stored)[1:-1, 1:-1].mean() for move in moves}
    assert min(error, key=error.get) == (0, 0)
    assert error[0, 0] < 0.5 * min(error[move] for move in moves if move != (0, 0))
