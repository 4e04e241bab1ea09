"""Several images of one ground: the named grid, each at its own resolution, and how much is valid."""

import numpy as np
import pytest
import shapely
import torch
from scene_files import X0, Y0, coordinates, query, tree, write
from torchgeo.datasets import stack_samples

from hierars_geo.datasets import HierarchicalLabels, SceneIntersection, SceneRaster
from hierars_geo.errors import DataError, OptionError
from hierars_geo.samplers import RandomChipSampler


@pytest.fixture
def places(tmp_path):
    """Images of 4 m and 10 m whose values are where their pixels lie (metres from the corner), and labels."""
    images = []
    for name, res, size in (("fine", 4, 150), ("coarse", 10, 60)):
        metres = (coordinates(size, size, dtype="float32") + 0.5) * res
        images.append(SceneRaster(write(tmp_path / f"{name}.tif", metres, res=res, nodata=-1)))
    values = np.tile(np.repeat([1, 2, 3, 4], 50)[:150], (150, 1)).astype(np.uint8)
    return (*images, HierarchicalLabels(write(tmp_path / "l.tif", values, res=4), tree()))


def test_the_grid_is_a_source_its_name_or_crs_and_resolution(places):
    fine, coarse, labels = places
    assert (coarse & fine & labels).res == (4, 4)
    for grid in (coarse, "generic_2"):
        both = SceneIntersection(labels & fine, coarse, grid=grid)
        assert both.res == (10, 10)
        sample = both[query(5, 5, 20, 20)]
        metres = (coordinates(20, 20, 5, 5, "float32") + 0.5) * 10
        np.testing.assert_allclose(sample["image"][2:], metres)  # as stored
        np.testing.assert_allclose(sample["image"][:2], metres, atol=0.21)  # averages of 4 m steps
    snapped = SceneIntersection(fine, coarse, grid=("EPSG:32650", 7.0))
    left, _, _, top = snapped[query(5, 5, 20, 20)]["bounds"]
    assert (left % 7, top % 7) == (0, 0)
    assert (snapped & labels).res == (7, 7)
    with pytest.raises(OptionError, match=r"grid to be one of generic, generic_2 or .* got 'gaofen2'"):
        SceneIntersection(fine, coarse, grid="gaofen2")
    with pytest.raises(OptionError, match="one of the images"):
        SceneIntersection(fine, labels, grid=coarse)
    with pytest.raises(OptionError, match="intersections with one grid"):
        SceneIntersection(SceneIntersection(fine, labels, grid=("EPSG:32650", 5)), snapped)


def test_apart_each_image_keeps_its_pixels_on_the_same_ground(places):
    fine, coarse, labels = places
    apart = SceneIntersection(labels & coarse, fine, stack=False)
    sample = apart[query(8, 8, 50, 50, res=4)]  # 200 m; corners are shared every 20 m
    assert "image" not in sample
    assert sample["bounds"] == (X0 + 40, Y0 - 240, X0 + 240, Y0 - 40)
    for name, res, size in (("generic", 4, 50), ("generic_2", 10, 20)):
        metres = (coordinates(size, size, dtype="float32") + 0.5) * res + 40
        np.testing.assert_array_equal(sample[f"image_{name}"], metres)
        assert sample[f"valid_{name}"].all()
    assert sample["valid"].shape == sample["mask"].shape == (50, 50)
    np.testing.assert_array_equal(sample["mask"][0], [0] * 40 + [1] * 10)

    odd = apart[query(10, 10, 51, 51, res=4)]  # 204 m are 20 pixels of 10.2 m
    assert odd["bounds"] == (X0 + 40, Y0 - 244, X0 + 244, Y0 - 40)
    metres = (coordinates(20, 20, dtype="float32") + 0.5) * 10.2 + 40
    np.testing.assert_allclose(odd["image_generic_2"], metres, rtol=1e-5)
    chips = [apart[chip] for chip in RandomChipSampler(apart, 32, 6, seed=0)]
    batch = stack_samples(chips)
    assert batch["image_generic"].shape == (6, 2, 32, 32)
    assert batch["image_generic_2"].shape == (6, 2, 13, 13)


def test_apart_validity_is_told_for_each_and_for_all(tmp_path, places):
    fine, _, labels = places
    holes = (coordinates(60, 60, dtype="float32") + 0.5) * 10
    holes[:, 4:6, 4:6] = -1
    coarse = SceneRaster(write(tmp_path / "holes.tif", holes, res=10, nodata=-1))
    apart = SceneIntersection(fine & labels, coarse, stack=False)
    sample = apart[query(0, 0, 50, 50, res=4)]
    assert sample["valid_generic"].all()
    assert (~sample["valid_generic_2"]).sum() == 4
    assert (~sample["valid"]).sum() == 25
    assert (sample["image_generic_2"][:, ~sample["valid_generic_2"]] == 0).all()
    np.testing.assert_array_equal(sample["mask"] == -100, ~sample["valid"])
    region = shapely.box(X0, Y0 - 100, X0 + 100, Y0)
    inside = apart.within(region)[query(0, 0, 50, 50, res=4)]
    assert [int(inside[f"valid{name}"].sum()) for name in ("", "_generic", "_generic_2")] == [600, 625, 96]


def test_images_without_a_shared_corner_are_stretched_onto_the_same_ground(tmp_path, places):
    fine = places[0]
    shifted = (coordinates(60, 60, dtype="float32") + 0.5) * 10 + 3.1
    coarse = SceneRaster(write(tmp_path / "shifted.tif", shifted, left=X0 + 3.1, top=Y0 - 3.1))
    sample = SceneIntersection(coarse, fine, stack=False)[query(10, 10, 50, 50, res=4)]
    metres = (coordinates(20, 20, dtype="float32") + 0.5) * 10 + 40
    np.testing.assert_allclose(sample["image_generic_2"], metres, rtol=1e-5)


def test_ground_with_too_little_data_is_not_offered(tmp_path):
    for name, share in (("a", 0.9), ("b", 0.2)):
        image = np.ones((1, 300, 300), dtype=np.uint8)
        image[:, int(300 * share) :] = 0
        write(tmp_path / f"{name}.tif", image, left=X0 + (name == "b") * 5000, nodata=0)
    images = SceneRaster(tmp_path)
    values = np.ones((300, 900), dtype=np.uint8)
    labels = HierarchicalLabels(write(tmp_path / "labels/l.tif", values), tree())
    assert len((images & labels).index) == 2
    enough = SceneIntersection(images, labels, min_valid=0.5)
    assert [path[-5:] for path in enough.index["filepath"]] == ["a.tif"]
    assert enough.valid_share(query(260, 0, 20, 20)) == pytest.approx(0.5)
    assert len((images & labels).within(shapely.box(X0, Y0 - 3000, X0 + 3000, Y0)).index) == 1
    with pytest.raises(DataError, match=r"95% hold data, but got at most [89]\d%"):
        SceneIntersection(images, labels, min_valid=0.95)
    with pytest.raises(OptionError, match=r"min_valid to be a share of 0\.\.1, but got 2"):
        SceneIntersection(images, labels, min_valid=2)


def test_cubic_is_sharper_than_bilinear_and_follows_its_formula(tmp_path):
    image = np.random.default_rng(0).random((1, 40, 40)).astype(np.float32)
    path = write(tmp_path / "a.tif", image)
    sample = SceneRaster(path, res=4, resampling="cubic")[query(0, 0, 100, 100, res=4)]["image"][0].numpy()
    at = (np.arange(100) + 0.5) * 0.4 - 0.5

    def kernel(x):
        x = np.abs(x)
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        return np.where(x < 1, near, np.where(x < 2, far, 0))

    weights = kernel(at[10:90, None] - np.arange(40))
    np.testing.assert_allclose(sample[10:90, 10:90], weights @ image[0] @ weights.T, atol=1e-5)
    smooth = SceneRaster(path, res=4)[query(0, 0, 100, 100, res=4)]["image"][0].numpy()
    assert sample.std() > 1.05 * smooth.std()
    with pytest.raises(OptionError, match="bilinear, cubic, but got 'lanczos'"):
        SceneRaster(path, resampling="lanczos")
    assert torch.equal(
        SceneRaster(path)[query(0, 0, 9, 9)]["image"],
        SceneRaster(path, resampling="cubic")[query(0, 0, 9, 9)]["image"],
    )
