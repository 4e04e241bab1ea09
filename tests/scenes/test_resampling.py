"""Resampling against references written out in NumPy."""

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer
from scene_files import UTM, X0, Y0, coordinates, query, tree, write

from hierars_geo.datasets import HierarchicalLabels, SceneRaster, Sentinel2
from hierars_geo.scenes.reader import LayerReader


def bilinear(image, rows, cols):
    """Interpolate (H, W) at fractional pixel indices, the rim continued."""
    rows, cols = np.clip(rows, 0, image.shape[0] - 1), np.clip(cols, 0, image.shape[1] - 1)
    r, c = np.floor(rows).astype(int), np.floor(cols).astype(int)
    r1, c1 = np.minimum(r + 1, image.shape[0] - 1), np.minimum(c + 1, image.shape[1] - 1)
    dr, dc = (rows - r)[:, None], (cols - c)[None, :]
    top = image[r][:, c] * (1 - dc) + image[r][:, c1] * dc
    bottom = image[r1][:, c] * (1 - dc) + image[r1][:, c1] * dc
    return top * (1 - dr) + bottom * dr


@pytest.mark.parametrize("shift", [0.0, 1.7])
def test_10_m_on_a_4_m_grid_is_bilinear(tmp_path, shift):
    image = np.random.default_rng(0).integers(0, 10_000, (2, 40, 30)).astype(np.uint16)
    path = write(tmp_path / "s2.tif", image, left=X0 + shift, top=Y0 - shift)
    dataset = SceneRaster(path)
    fine = SceneRaster(write(tmp_path / "gf2.tif", coordinates(100, 75), res=4))
    sample = (fine & dataset)[query(0, 0, 100, 75, res=4)]
    rows = ((np.arange(100) + 0.5) * 4 - shift) / 10 - 0.5
    cols = ((np.arange(75) + 0.5) * 4 - shift) / 10 - 0.5
    inside = (rows >= -0.5)[:, None] & (cols >= -0.5)[None, :]
    np.testing.assert_array_equal(sample["valid"], inside)
    for band in (0, 1):
        reference = np.where(inside, bilinear(image[band].astype(float), rows, cols), 0)
        np.testing.assert_allclose(sample["image"][2 + band], reference, rtol=1e-5, atol=2e-2)


def test_a_pixel_does_not_depend_on_the_window_it_is_read_in(tmp_path):
    image = np.random.default_rng(1).normal(size=(1, 60, 60)).astype(np.float32)
    dataset = SceneRaster(write(tmp_path / "a.tif", image), res=3.7)
    whole = dataset[query(0, 0, 150, 150, res=3.7)]["image"].numpy()
    part = dataset[query(41, 17, 30, 60, res=3.7)]["image"].numpy()
    np.testing.assert_array_equal(part, whole[:, 41:71, 17:77])


@pytest.mark.parametrize("factor", [2, 5, 2.5])
def test_coarsening_is_the_area_average(tmp_path, factor):
    image = np.random.default_rng(2).random((1, 50, 50)).astype(np.float32)
    sample = SceneRaster(write(tmp_path / "a.tif", image, res=2), res=2 * factor)[
        query(0, 0, int(50 / factor), int(50 / factor), res=2 * factor)
    ]
    fine = np.kron(image[0], np.ones((2, 2)))  # half pixels, so that 2.5 divides too
    step = int(2 * factor)
    reference = fine.reshape(100 // step, step, 100 // step, step).mean(axis=(1, 3))
    np.testing.assert_allclose(sample["image"][0], reference, rtol=1e-5)
    assert sample["valid"].all()


def test_weights_of_missing_pixels_go_to_the_others(tmp_path):
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4) + 1
    image[0, 0, 0] = image[0, :2, 2:] = np.nan
    sample = SceneRaster(write(tmp_path / "a.tif", image), res=20)[query(0, 0, 2, 2, res=20)]
    np.testing.assert_array_equal(sample["valid"], [[True, False], [True, True]])
    np.testing.assert_allclose(sample["image"][0], [[(2 + 5 + 6) / 3, 0], [11.5, 13.5]], rtol=1e-6)
    fine = SceneRaster(tmp_path / "a.tif", res=5)[query(0, 0, 8, 8, res=5)]
    assert fine["image"][0][fine["valid"]].min() >= 2
    assert not fine["valid"][:4, 5:].any()
    assert not fine["valid"][0, 0]


def test_labels_take_the_nearest_pixel_and_vote_when_coarsened(tmp_path):
    values = np.random.default_rng(3).integers(1, 5, (30, 30)).astype(np.uint8)
    values[:3] = 0
    labels = HierarchicalLabels(write(tmp_path / "l.tif", values, nodata=0), tree(), res=4)
    mask = labels[query(0, 0, 75, 75, res=4)]["mask"].numpy()
    at = ((np.arange(75) + 0.5) * 4 / 10).astype(int)
    nearest = values[at][:, at].astype(int) - 1
    np.testing.assert_array_equal(mask, np.where(nearest < 0, -100, nearest))

    labels.res = 30
    coarse = labels[query(0, 0, 10, 10, res=30)]["mask"].numpy()
    blocks = values.reshape(10, 3, 10, 3).transpose(0, 2, 1, 3).reshape(10, 10, 9)
    counts = np.stack([(blocks == v).sum(axis=2) for v in (1, 2, 3, 4)])
    assert (coarse[0] == -100).all()
    votes = np.take_along_axis(counts[:, 1:], coarse[None, 1:], axis=0)[0]
    np.testing.assert_array_equal(votes, counts[:, 1:].max(axis=0))


def test_another_crs_is_warped_smoothly_and_without_false_corners(tmp_path):
    """A linear ramp stays linear after a warp to another UTM zone, within the error of interpolation."""
    size = 80
    ramp = coordinates(size, size, dtype="float32")
    path = write(tmp_path / "ramp.tif", ramp)
    dataset = SceneRaster(path, crs="EPSG:32649", res=9)
    x, y, _ = dataset.bounds
    sample = dataset[x, y]
    height, width = sample["valid"].shape
    left, _, _, top = sample["bounds"]
    xs, ys = left + (np.arange(width) + 0.5) * 9, top - (np.arange(height) + 0.5) * 9
    back = Transformer.from_crs("EPSG:32649", UTM, always_xy=True)
    east, north = back.transform(*np.meshgrid(xs, ys))
    rows, cols = (Y0 - north) / 10 - 0.5, (east - X0) / 10 - 0.5
    inside = (rows > -0.45) & (rows < size - 0.55) & (cols > -0.45) & (cols < size - 0.55)
    outside = (rows < -0.55) | (rows > size - 0.45) | (cols < -0.55) | (cols > size - 0.45)
    assert inside.sum() > 5000
    assert outside.sum() > 100
    valid = sample["valid"].numpy()
    assert valid[inside].all()
    assert not valid[outside].any()
    assert (sample["image"].numpy()[:, outside] == 0).all()
    core = (rows > 0.6) & (rows < size - 1.6) & (cols > 0.6) & (cols < size - 1.6)
    np.testing.assert_allclose(sample["image"][0].numpy()[core], rows[core], atol=0.06)
    np.testing.assert_allclose(sample["image"][1].numpy()[core], cols[core], atol=0.06)


def test_a_rotated_file_is_read_on_a_north_up_grid(tmp_path):
    size = 60
    transform = Affine.translation(X0, Y0) @ Affine.rotation(-30) @ Affine.scale(10, -10)
    dataset = SceneRaster(
        write(tmp_path / "rot.tif", coordinates(size, size, dtype="float32"), transform=transform)
    )
    assert dataset.res == pytest.approx((10, 10))
    x, y, _ = dataset.bounds
    sample = dataset[x, y]
    height, width = sample["valid"].shape
    left, _, _, top = sample["bounds"]
    xs, ys = np.meshgrid(left + (np.arange(width) + 0.5) * 10, top - (np.arange(height) + 0.5) * 10)
    inverse = ~transform
    cols, rows = (
        inverse.a * xs + inverse.b * ys + inverse.c - 0.5,
        inverse.d * xs + inverse.e * ys + inverse.f - 0.5,
    )
    core = (rows > 0.5) & (rows < size - 1.5) & (cols > 0.5) & (cols < size - 1.5)
    assert core.sum() > 3000
    np.testing.assert_allclose(sample["image"][0].numpy()[core], rows[core], atol=0.05)
    np.testing.assert_allclose(sample["image"][1].numpy()[core], cols[core], atol=0.05)
    assert not sample["valid"][0, 0]


def test_windows_that_need_many_file_pixels_are_read_in_parts(tmp_path, monkeypatch):
    image = np.random.default_rng(4).random((1, 200, 200)).astype(np.float32)
    path = write(tmp_path / "a.tif", image)
    whole = SceneRaster(path, res=50)[query(0, 0, 40, 40, res=50)]["image"]
    monkeypatch.setattr("hierars_geo.scenes.reader._MOST_FILE_PIXELS", 3000)
    blocks = []
    original = LayerReader._block
    monkeypatch.setattr(
        LayerReader, "_block", lambda self, *args: blocks.append(args[2:]) or original(self, *args)
    )
    parts = SceneRaster(path, res=50)[query(0, 0, 40, 40, res=50)]["image"]
    np.testing.assert_array_equal(parts, whole)
    assert len(blocks) > 10
    assert all((rows[1] - rows[0]) * (cols[1] - cols[0]) <= 3000 for rows, cols in blocks)


def test_band_files_of_several_resolutions_become_one_image(tmp_path):
    fine = np.random.default_rng(5).integers(1, 5000, (24, 24)).astype(np.uint16)
    coarse = np.random.default_rng(6).integers(1, 5000, (12, 12)).astype(np.uint16)
    folder = tmp_path / "T50_20200601"
    write(folder / "T50_B2.tif", fine)
    write(folder / "T50_b8a_20m.tif", coarse, res=20)
    dataset = Sentinel2(folder, bands=["B8A", "B02"])
    assert dataset.bands == ("B8A", "B02")
    assert dataset.res == (10, 10)
    sample = dataset[query(3, 5, 8, 9)]
    np.testing.assert_array_equal(sample["image"][1], fine[3:11, 5:14])
    reference = bilinear(
        coarse.astype(float), (np.arange(3, 11) + 0.5) / 2 - 0.5, (np.arange(5, 14) + 0.5) / 2 - 0.5
    )
    np.testing.assert_allclose(sample["image"][0], reference, rtol=1e-6)
