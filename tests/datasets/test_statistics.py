"""Streamed statistics against NumPy over the whole array."""

import numpy as np
import pytest
import shapely
from scene_files import X0, Y0, tree, write

from hierars_geo.datasets import HierarchicalLabels, SceneRaster, band_statistics, data_statistics
from hierars_geo.datasets.statistics import (
    PERCENTILES,
    RELATIVE_ERROR,
    BandStatistics,
    DataStatistics,
    PercentileSketch,
)
from hierars_geo.errors import DataError, OptionError
from hierars_geo.samplers import RandomChipSampler


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
    counts = data_statistics(both, tree(), window_px=20).classes[-1]
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


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_percentiles_of_whole_numbers_are_exact(tmp_path, dtype):
    info = np.iinfo(dtype)
    image = np.random.default_rng(2).integers(info.min, info.max, (2, 80, 90), endpoint=True).astype(dtype)
    result = band_statistics(SceneRaster(write(tmp_path / "a.tif", image)), window_px=30)
    expected = np.percentile(image.reshape(2, -1), PERCENTILES, axis=1, method="inverted_cdf")
    np.testing.assert_array_equal(result.percentiles, expected)
    again = BandStatistics.from_dict(result.to_dict())
    np.testing.assert_array_equal(again.percentile(98.0), expected[PERCENTILES.index(98.0)])
    with pytest.raises(DataError, match="Expected a percentile of"):
        result.percentile(97.0)


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(3).normal(50_000, 3, 9000),  # far from zero, narrow
        np.random.default_rng(4).lognormal(-6, 3, 9000),  # radar power: over many orders of magnitude
        np.append(np.random.default_rng(5).normal(0, 1, 9000), [1e30, -1e30]),  # outliers
        np.append(np.arange(9000.0), [0.5, 7.25]),  # whole numbers until late
    ],
    ids=["narrow", "lognormal", "outliers", "late"],
)
def test_other_percentiles_keep_their_stated_error(values):
    sketch = PercentileSketch()
    for part in np.array_split(values.astype(np.float32).astype(np.float64), 7):
        sketch.add(part)
    assert not sketch.exact
    expected = np.percentile(values.astype(np.float32), PERCENTILES, method="inverted_cdf").astype(float)
    error = np.abs(sketch.percentiles(PERCENTILES) - expected)
    assert (error <= 1.01 * RELATIVE_ERROR * np.abs(expected - sketch.centre) + 1e-30).all()
    with pytest.raises(DataError, match="Expected values"):
        PercentileSketch().percentiles([50])


def test_one_reading_counts_classes_and_bands_in_one_reading(tmp_path, values):
    labels = np.random.default_rng(1).integers(0, 5, (70, 95)).astype(np.uint8)
    both = SceneRaster(write(tmp_path / "i.tif", values)) & HierarchicalLabels(
        write(tmp_path / "l.tif", labels), tree()
    )
    found = data_statistics(both, tree(), window_px=40)
    known = np.where(np.isfinite(values[0]), labels, 0)
    counts = [int((known == value).sum()) for value in (1, 2, 3, 4)]
    assert found.classes == [[counts[0] + counts[2], counts[1] + counts[3]], counts]
    np.testing.assert_array_equal(found.bands.mean, band_statistics(both, window_px=40).mean)
    again = DataStatistics.from_dict(found.to_dict())
    assert again.to_dict() == found.to_dict()
    assert (found.windows, found.windows_in_all) == (6, 6)
    sampled = data_statistics(both, tree(), with_bands=False, window_px=40, max_windows=2)
    assert (sampled.bands, sampled.windows, sampled.windows_in_all) == (None, 2, 6)


def test_values_that_no_sensor_measures_are_refused(tmp_path):
    image = np.full((2, 8, 8), 7, dtype=np.float32)
    image[1, :3] = 3e38  # undeclared
    dataset = SceneRaster(write(tmp_path / "fill.tif", image))
    with pytest.raises(DataError, match=r"a sensor measures, but got 7\.\.3e\+38 in band band_2"):
        band_statistics(dataset)
    assert band_statistics(SceneRaster(dataset.files, nodata=3e38)).max.tolist() == [7, 7]
