"""Streamed statistics against NumPy over the whole array."""

import numpy as np
import pytest
import shapely
from scene_files import X0, Y0, tree, write

from hierars_geo.data import (
    HierarchicalLabels,
    RandomChipSampler,
    SceneRaster,
    band_statistics,
    class_frequencies,
)
from hierars_geo.errors import DataError, OptionError


@pytest.fixture
def values():
    """Large means and small spreads: naive sums of squares in float32 would fail."""
    generator = np.random.default_rng(0)
    image = generator.normal([[[50_000]], [[-7]]], [[[3.0]], [[0.25]]], (2, 70, 95))
    image[:, 20:30, 40:50] = np.nan
    return image.astype(np.float32)


@pytest.mark.parametrize("window_px", [16, 33, 512])
def test_statistics_equal_those_of_the_whole_array(tmp_path, values, window_px):
    result = band_statistics(SceneRaster(write(tmp_path / "a.tif", values)), window_px=window_px)
    flat = values[:, np.isfinite(values[0])].astype(np.float64)
    assert result.count == flat.shape[1] == 70 * 95 - 100
    np.testing.assert_allclose(result.mean, flat.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(result.std, flat.std(axis=1), rtol=1e-9)
    np.testing.assert_array_equal(result.min, flat.min(axis=1))
    np.testing.assert_array_equal(result.max, flat.max(axis=1))
    assert result.bands == ("band_1", "band_2")


def test_every_pixel_counts_once_where_scenes_overlap_or_a_region_cuts(tmp_path, values):
    labels = np.random.default_rng(1).integers(0, 5, (70, 95)).astype(np.uint8)
    for i, (left, right) in enumerate([(0, 60), (35, 95)]):
        write(tmp_path / f"i/{i}.tif", values[:, :, left:right], left=X0 + left * 10)
    both = SceneRaster(tmp_path / "i") & HierarchicalLabels(write(tmp_path / "l.tif", labels), tree())
    valid = np.isfinite(values[0])
    assert band_statistics(both, window_px=20).count == valid.sum()
    counts = class_frequencies(both, 4, window_px=20)
    np.testing.assert_array_equal(counts, [(labels[valid] == v).sum() for v in (1, 2, 3, 4)])
    region = shapely.box(X0 + 100, Y0 - 500, X0 + 430, Y0 - 70)
    cut = np.zeros_like(valid)
    cut[7:50, 10:43] = True
    for result in (band_statistics(both.within(region)), band_statistics(both, regions=region)):
        assert result.count == (valid & cut).sum()


def test_a_sample_of_windows_is_spread_evenly(tmp_path):
    image = np.repeat(np.arange(10), 20)[None, :, None] * np.ones((1, 1, 20))
    dataset = SceneRaster(write(tmp_path / "a.tif", image.astype(np.uint8)))
    result = band_statistics(dataset, window_px=20, max_windows=4)
    assert (result.mean[0], result.min[0], result.max[0], result.count) == (4.5, 0, 9, 1600)


def test_data_without_a_valid_pixel_are_refused(tmp_path):
    dataset = SceneRaster(write(tmp_path / "a.tif", np.zeros((1, 9, 9), dtype=np.uint8), nodata=0))
    with pytest.raises(DataError, match="Expected valid pixels"):
        band_statistics(dataset)
    with pytest.raises(OptionError, match="window_px"):
        band_statistics(dataset, window_px=0)
    assert len(list(RandomChipSampler(dataset, 4, 3))) == 3
