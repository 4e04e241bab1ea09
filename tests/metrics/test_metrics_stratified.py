"""Estimates from samples, against the example that the field cites, and against repeated sampling."""

import numpy as np
import pytest

from hierars_geo.errors import DataError, OptionError
from hierars_geo.metrics import allocate, assess, sample_size

#: Olofsson et al. 2014, table 8: deforestation, forest gain, stable forest, stable non-forest.
COUNTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])


def points_of(counts):
    mapped, reference = (axis.repeat(counts.ravel()) for axis in np.indices(counts.shape).reshape(2, -1))
    return mapped, reference


def error_of_producers(j):
    """Standard error of producer's accuracy of class j, written out as equation 7 of Olofsson et al."""
    drawn = COUNTS.sum(axis=1)
    there = (PIXELS * COUNTS[:, j] / drawn).sum()
    producers = PIXELS[j] * COUNTS[j, j] / drawn[j] / there
    users = COUNTS[j, j] / drawn[j]
    own = PIXELS[j] ** 2 * (1 - producers) ** 2 * users * (1 - users) / (drawn[j] - 1)
    missed = sum(
        PIXELS[i] ** 2 * COUNTS[i, j] / drawn[i] * (1 - COUNTS[i, j] / drawn[i]) / (drawn[i] - 1)
        for i in range(4)
        if i != j
    )
    return np.sqrt(own + producers**2 * missed) / there


def test_the_published_example_comes_out_digit_by_digit():
    mapped, reference = points_of(COUNTS)
    found = assess(mapped, mapped, reference, PIXELS.astype(float), 4)
    np.testing.assert_array_equal(found.counts, COUNTS)
    assert found.overall.value == pytest.approx(0.947, abs=5e-4)
    assert found.overall.margin == pytest.approx(0.018, abs=5e-4)
    np.testing.assert_allclose(found.users.value, [0.88, 0.73, 0.93, 0.96], atol=5e-3)
    np.testing.assert_allclose(found.users.margin, [0.07, 0.10, 0.04, 0.02], atol=5e-3)
    np.testing.assert_allclose(found.producers.value, [0.75, 0.85, 0.93, 0.96], atol=5e-3)
    np.testing.assert_allclose(found.producers.error, [error_of_producers(j) for j in range(4)], rtol=1e-9)
    hectares = 30 * 30 / 1e4 * PIXELS.sum()
    assert found.area_share.value[0] * PIXELS.sum() == pytest.approx(235_086, abs=1)
    assert found.area_share.value[0] * hectares == pytest.approx(21_158, abs=1)
    assert found.area_share.margin[0] * hectares == pytest.approx(6158, abs=5)
    assert found.proportions.sum() == pytest.approx(1)


def test_intervals_hold_the_truth_as_often_as_they_promise_at_a_level_other_than_the_strata():
    """Leaves are the strata, the coarse level is assessed: 95 % of the intervals hold the true values."""
    rng = np.random.default_rng(0)
    leaf = rng.choice(4, 40_000, p=[0.05, 0.15, 0.3, 0.5])
    there = np.where(rng.random(40_000) < 0.25, rng.integers(0, 4, 40_000), leaf)
    coarse, coarse_there = leaf // 2, there // 2
    truth = (
        (coarse == coarse_there).mean(),
        (coarse_there == 0).mean(),
        (coarse_there == 0)[coarse == 0].mean(),
        (coarse == 0)[coarse_there == 0].mean(),
    )
    members = [np.flatnonzero(leaf == stratum) for stratum in range(4)]
    weights = np.array([len(of) for of in members], dtype=float)
    hits = np.zeros(4)
    for _ in range(400):
        drawn = np.concatenate([rng.choice(of, 60, replace=False) for of in members])
        found = assess(leaf[drawn], coarse[drawn], coarse_there[drawn], weights, 2)
        of_class = [(e.value[0], e.margin[0]) for e in (found.area_share, found.users, found.producers)]
        estimates = [(float(found.overall.value), float(found.overall.margin)), *of_class]
        hits += [abs(value - true) <= margin for (value, margin), true in zip(estimates, truth, strict=True)]
    # 400 draws of 0.95: three standard deviations are 0.033
    assert (np.abs(hits / 400 - 0.95) < 0.035).all(), hits / 400


def test_a_class_that_the_sample_never_met_has_no_accuracy_and_no_area():
    stratum = np.repeat([0, 1], 5)
    found = assess(stratum, stratum, stratum, np.array([1.0, 3.0]), 3)
    assert np.isnan(found.users.value[2])
    assert np.isnan(found.producers.value[2])
    assert found.area_share.value.tolist() == [0.25, 0.75, 0]
    with pytest.raises(DataError, match=r"2 or more points .* number 1"):
        assess(stratum[:6], stratum[:6], stratum[:6], np.array([1.0, 3.0]), 2)


def test_sample_size_and_allocation_of_the_published_example():
    shares = PIXELS / PIXELS.sum()
    assert sample_size(shares, np.array([0.7, 0.6, 0.9, 0.95]), 0.01) == 641
    points = allocate(641, shares, 75)
    assert points.sum() == 641
    assert points[:2].tolist() == [75, 75]
    assert points[2] / points[3] == pytest.approx(0.32 / 0.645, rel=0.01)
    assert allocate(10, shares, 75).tolist() == [75, 75, 75, 75]
    assert allocate(1000, np.ones(3), 2).tolist() in ([334, 333, 333], [333, 334, 333], [333, 333, 334])
    with pytest.raises(OptionError, match="2 or more a class"):
        allocate(100, shares, 1)
    with pytest.raises(OptionError, match=r"0\.\.0\.5"):
        sample_size(shares, np.full(4, 0.9), 0.6)
