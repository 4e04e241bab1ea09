"""Promises hold as often as they say; confidence is counted and mended as by hand."""

import numpy as np
import pytest

from hierars_geo.errors import DataError, OptionError
from hierars_geo.metrics.reliability import Reliability, fitted_temperature
from hierars_geo.metrics.risk import blocks_needed, mean_p_value, promised_threshold

THRESHOLDS = np.linspace(1, 0, 51)


def draw_blocks(rng, count, pixels=200):
    """Blocks whose pixels are wrong together: confidence c, right with probability c to the power of u."""
    hardness = rng.lognormal(0, 0.5, size=(count, 1))
    confidence = rng.beta(4, 1, size=(count, pixels))
    wrong = rng.random((count, pixels)) > confidence**hardness
    shown = confidence[:, :, None] >= THRESHOLDS
    return (shown & wrong[:, :, None]).sum(axis=1), shown.sum(axis=1)


def test_a_p_value_is_at_most_as_often_small_as_it_says():
    rng = np.random.default_rng(0)
    p = np.array([mean_p_value((rng.random(60) < 0.1).astype(float), 0.1) for _ in range(600)])
    for level in (0.05, 0.1, 0.2):
        assert (p <= level).mean() <= level + 3 * np.sqrt(level / len(p))
    assert mean_p_value(np.full(60, 0.01), 0.1) < 0.02  # and it sees what is plain


def test_a_promise_is_kept_in_its_share_of_draws_and_not_by_showing_nothing():
    rng = np.random.default_rng(1)
    truth_wrong, truth_shown = draw_blocks(rng, 4000)
    risk_of = truth_wrong.sum(axis=0) / np.maximum(truth_shown.sum(axis=0), 1)
    broken, depths = 0, []
    for _ in range(60):
        threshold = promised_threshold(*draw_blocks(rng, 150), THRESHOLDS, risk=0.15, delta=0.1)
        assert threshold is not None
        column = int(np.flatnonzero(threshold == THRESHOLDS)[0])
        broken += risk_of[column] > 0.15
        depths.append(truth_shown[:, column].sum() / truth_shown[:, -1].sum())
    assert broken <= 0.1 * 60 + 3 * np.sqrt(60 * 0.1 * 0.9)
    assert np.median(depths) > 0.5


def test_a_promise_nobody_can_keep_and_one_on_too_few_blocks():
    all_wrong = np.tile(np.array([100, 100]), (200, 1))
    assert promised_threshold(all_wrong, all_wrong, (0.9, 0.5), risk=0.1) is None
    needed = blocks_needed(0.05, 0.1)
    assert mean_p_value(np.zeros(needed), 0.05) <= 0.02 < mean_p_value(np.zeros(needed - 1), 0.05)
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
