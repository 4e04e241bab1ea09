"""Promises hold as often as they say; confidence is counted and mended as by hand."""

import numpy as np
import pytest

from hierars_geo.errors import DataError, OptionError
from hierars_geo.metrics.reliability import Reliability, fitted_curve, fitted_temperature
from hierars_geo.metrics.risk import below_bound, blocks_needed, level_for_maps, promised_threshold

THRESHOLDS = np.linspace(1, 0, 51)


def draw_blocks(rng, count, pixels=200):
    """Blocks whose pixels are wrong together: confidence c, right with probability c to the power of u."""
    hardness = rng.lognormal(0, 0.5, size=(count, 1))
    confidence = rng.beta(4, 1, size=(count, pixels))
    wrong = rng.random((count, pixels)) > confidence**hardness
    shown = confidence[:, :, None] >= THRESHOLDS
    return (shown & wrong[:, :, None]).sum(axis=1), shown.sum(axis=1)


def by_hand(values, bound, level):
    """Capital of who bets that a mean lies below a bound, one draw after the other."""
    capital, seen = 1.0, [0.5]
    squares = 0.25
    for place, value in enumerate(values):
        if capital >= 1 / level:
            return True
        variance = squares / (place + 1)
        bet = np.sqrt(2 * np.log(1 / (level * capital)) / (variance * (len(values) - place)))
        capital *= 1 - min(bet, 0.95 / (1 - bound)) * (value - bound)
        seen.append(value)
        squares += (value - np.mean(seen)) ** 2
    return capital >= 1 / level


def test_a_mean_is_found_below_a_bound_by_chance_no_more_often_than_said():
    rng = np.random.default_rng(0)
    draws = (rng.random((60, 3000)) < 0.1).astype(float)
    for level in (0.05, 0.1, 0.2):
        found = below_bound(draws, 0.1, level)
        assert found.mean() <= level + 3 * np.sqrt(level / found.size)
        assert found[:200].tolist() == [by_hand(column, 0.1, level) for column in draws.T[:200]]
    assert below_bound(np.full((60, 1), 0.01), 0.1, 0.02)[0]  # and it sees what is plain
    assert not below_bound(np.full((60, 1), 0.1), 0.1, 0.5)[0]


def test_a_promise_is_kept_in_its_share_of_draws_and_not_by_showing_nothing():
    rng = np.random.default_rng(1)
    truth_wrong, truth_shown = draw_blocks(rng, 4000)
    risk_of = truth_wrong.sum(axis=0) / np.maximum(truth_shown.sum(axis=0), 1)
    broken, in_a_map, depths = 0, 0, []
    for _ in range(60):
        threshold = promised_threshold(*draw_blocks(rng, 150), THRESHOLDS, risk=0.15, delta=0.1)
        assert threshold is not None
        column = int(np.flatnonzero(threshold == THRESHOLDS)[0])
        broken += risk_of[column] > 0.15
        wrong, shown = draw_blocks(rng, 150)  # a map of as much ground
        in_a_map += wrong[:, column].sum() > 0.15 * shown[:, column].sum()
        depths.append(truth_shown[:, column].sum() / truth_shown[:, -1].sum())
    assert broken <= 0.035 * 60 + 3 * np.sqrt(60 * 0.035)
    assert in_a_map <= 0.1 * 60 + 3 * np.sqrt(60 * 0.1 * 0.9)
    assert np.median(depths) > 0.5


def test_a_promise_nobody_can_keep_and_one_on_too_few_blocks():
    all_wrong = np.tile(np.array([100, 100]), (200, 1))
    assert promised_threshold(all_wrong, all_wrong, (0.9, 0.5), risk=0.1) is None
    needed = blocks_needed(0.05, 0.1)
    level = level_for_maps(0.1)
    assert 0.03 < level < 0.04  # z of 1.28 times the root of 2
    assert [below_bound(np.zeros((n, 1)), 0.05, level)[0] for n in (needed, needed - 1)] == [True, False]
    with pytest.raises(DataError, match=rf"at least {needed} blocks .* for a risk of 0\.05, but got 3"):
        promised_threshold(all_wrong[:3], all_wrong[:3], (0.9, 0.5), risk=0.05)
    with pytest.raises(OptionError, match=r"risk to be a share, 0 < risk < 1, but got 1\.5"):
        promised_threshold(all_wrong, all_wrong, (0.9, 0.5), risk=1.5)


def test_reliability_adds_up_and_its_error_is_that_of_the_bins():
    confidence = np.array([[0.95, 0.9, 0.2, 1.0]])
    right = np.array([[True, False, False, True]])
    whole = Reliability.of(confidence, right, bins=10)
    parts = Reliability.of(confidence[:, :2], right[:, :2], bins=10) + Reliability.of(
        confidence[:, 2:], right[:, 2:], bins=10
    )
    np.testing.assert_array_equal(whole.pixels, parts.pixels)
    # bin 0.9..1: three pixels, confidence 2.85, two right; bin 0.2..0.3: one pixel, none right
    assert whole.calibration_error() == pytest.approx([(0.85 + 0.2) / 4])


def test_the_temperature_undoes_what_sharpened_the_scores():
    rng = np.random.default_rng(2)
    scores = rng.normal(0, 2, size=(20000, 5))
    chance = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    path = (rng.random((len(scores), 1)) > np.cumsum(chance, axis=1)).sum(axis=1)
    assert fitted_temperature(3 * scores, path) == pytest.approx(3, rel=0.05)
    with pytest.raises(DataError, match="labelled pixels"):
        fitted_temperature(scores[:0], path[:0])


def test_a_curve_says_how_often_a_level_is_right():
    rng = np.random.default_rng(3)
    said = np.append(rng.beta(3, 1, 40000), np.ones(8000)).astype(np.float32)
    right = rng.random(len(said)) < 0.9 * said**2
    curve = fitted_curve(said, right)
    sure, share = np.array(curve).T
    assert (sure[0], sure[-1]) == (0, 1)
    assert (np.diff(sure) > 0).all()
    assert (np.diff(share) >= 0).all()
    for each in (0.5, 0.7, 0.9):
        assert np.interp(each, sure, share) == pytest.approx(0.9 * each**2, abs=0.02)
    assert np.interp(0.9999, sure, share) == pytest.approx(0.9, abs=0.02)
    assert fitted_curve(said[:1], right[:1])[-1][0] == 1  # of one pixel, too
