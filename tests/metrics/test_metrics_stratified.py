"""Estimates from samples, against the example that the field cites, and against repeated sampling."""

import numpy as np
import pytest

from hierars_geo.errors import DataError, OptionError
from hierars_geo.metrics import Guesses, allocate, assess, sample_size

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
    with pytest.raises(DataError, match=r"points in every stratum, but got none in number 1"):
        assess(stratum[:5], stratum[:5], stratum[:5], np.array([1.0, 3.0]), 2)
    with pytest.raises(DataError, match="2 or more points in the only stratum"):
        assess(stratum[:1], stratum[:1], stratum[:1], np.array([1.0]), 2)


def test_a_stratum_drawn_whole_adds_nothing_to_the_error_and_a_census_has_none():
    rng = np.random.default_rng(3)
    stratum = np.repeat([0, 1, 2], [40, 30, 1])
    there = np.where(rng.random(71) < 0.3, rng.integers(0, 3, 71), stratum)
    sizes = np.bincount(stratum)
    whole = assess(stratum, stratum, there, sizes.astype(float), 3, population=sizes)
    for estimate in (whole.overall, whole.users, whole.producers, whole.area_share):
        assert not estimate.error.any()
    assert whole.overall.value == pytest.approx((stratum == there).mean())
    # of 4000 and 3000 pixels: the corrections of Stehman 2014, written out for the overall accuracy
    population = np.array([4000, 3000, 1])
    found = assess(stratum, stratum, there, population.astype(float), 3, population=population)
    right = stratum == there
    variance = sum(
        (population[h] / population.sum()) ** 2
        * (1 - sizes[h] / population[h])
        * right[stratum == h].var(ddof=1)
        / sizes[h]
        for h in (0, 1)
    )
    assert found.overall.error == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_a_single_point_takes_its_variance_from_its_nearest_kin():
    stratum = np.array([0] * 6 + [1] * 8 + [2])
    there = np.array([0, 0, 0, 1, 0, 0] + [1] * 7 + [0] + [2])
    weights = np.array([5.0, 3.0, 2.0])
    found = assess(stratum, stratum, there, weights, 3, kin=np.array([0, 1, 1]))
    right = (stratum == there).astype(float)
    pooled = right[stratum >= 1]  # stratum 2 with its sibling 1, not with the larger stratum 0
    variance = (
        0.5**2 * right[:6].var(ddof=1) / 6
        + 0.3**2 * right[6:14].var(ddof=1) / 8
        + 0.2**2 * pooled.var(ddof=1)
    )
    assert found.overall.error == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_what_small_strata_cannot_give_is_dealt_to_the_others():
    shares, pixels = np.array([0.001, 0.199, 0.8]), np.array([1, 400, 1600])
    assert allocate(60, shares, 5, pixels).tolist() == [1, 12, 47]
    assert allocate(60, shares, 20, pixels).tolist() == [1, 20, 39]
    assert allocate(5000, shares, 5, pixels).tolist() == pixels.tolist()


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


@pytest.mark.parametrize("by", ["class", "confidence"])
def test_intervals_cover_what_is_true_and_guesses_narrow_them(by):
    """2000 samples of known ground: 95 +- 1.5 % of the intervals hold the truth, with and without guesses."""
    rng = np.random.default_rng(11)
    ground = 40_000
    mapped = rng.choice(3, size=ground, p=[0.6, 0.3, 0.1])
    sure = np.clip(rng.beta(4, 1.2, size=ground), 0.05, 0.99)
    right = rng.random(ground) < sure**1.5  # the map is surer than it should be
    reference = np.where(right, mapped, (mapped + rng.integers(1, 3, size=ground)) % 3)
    strata = mapped if by == "class" else np.digitize(sure, [0.6, 0.8, 0.9])
    sizes = np.bincount(strata)
    guess = (mapped[:, None] == np.arange(3)) * sure[:, None]
    members = [np.flatnonzero(strata == number) for number in range(len(sizes))]
    points = 400 // len(sizes)
    truth = {"overall": right.mean(), "area": np.bincount(reference) / ground}
    runs = 2000
    covered = dict.fromkeys(("overall", "area", "assisted_overall", "assisted_area"), 0.0)
    errors = dict.fromkeys(covered, 0.0)
    for _ in range(runs):
        drawn = np.concatenate([member[rng.integers(0, len(member), points)] for member in members])
        result = assess(
            strata[drawn],
            mapped[drawn],
            reference[drawn],
            sizes.astype(float),
            3,
            guesses=Guesses(guess[drawn], guess.mean(axis=0)),
        )
        found = {
            "overall": result.overall,
            "area": result.area_share,
            "assisted_overall": result.assisted_overall,
            "assisted_area": result.assisted_area_share,
        }
        for name, estimate in found.items():
            off = np.abs(estimate.value - truth[name.removeprefix("assisted_")])
            covered[name] += np.mean(off <= estimate.margin)
            errors[name] += np.mean(estimate.error)
    for name, count in covered.items():
        assert count / runs == pytest.approx(0.95, abs=0.015), name
    assert errors["assisted_area"] < errors["area"]
    # strata of confidence hold most of what the guesses tell already
    assert errors["assisted_overall"] < errors["overall"] * (0.95 if by == "class" else 1.001)


def test_a_guess_that_says_nothing_changes_nothing():
    rng = np.random.default_rng(2)
    stratum, mapped, reference = (rng.integers(0, 2, 200) for _ in range(3))
    nothing = Guesses(np.zeros((200, 2)), np.zeros(2))
    result = assess(stratum, mapped, reference, np.array([3.0, 1.0]), 2, guesses=nothing)
    assert result.assisted_overall == result.overall
    np.testing.assert_array_equal(result.assisted_area_share.value, result.area_share.value)
