"""Splits of blocks: counts against a reference, promises on ground whose mistakes are known."""

import numpy as np
import pytest
import torch
from promise_splits import Ground, held_out, score_splits

from hierars_geo.errors import DataError
from hierars_geo.metrics.risk import THRESHOLDS
from hierars_geo.models.scene_model import SceneModel
from hierars_geo.taxonomy import Taxonomy

PATHS = Taxonomy.from_yaml("crop10m").paths.copy()


def ground(blocks=300, side=30, sharp=3.0, noise=0.0):
    """Labels follow the softmax of the scores divided by ``sharp``; some blocks are harder than others."""
    rng = np.random.default_rng(0)
    spread = np.repeat(rng.uniform(0.5, 8, blocks), side)[:, None]
    scores = rng.normal(size=(blocks * side, len(PATHS))) * spread
    chance = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    row = np.minimum((rng.random((len(scores), 1)) > chance.cumsum(axis=1)).sum(axis=1), len(PATHS) - 1)
    seen = sharp * (scores + noise * rng.normal(size=scores.shape))
    return Ground(seen.astype(np.float32), row, np.arange(0, len(row) + 1, side), PATHS)


def by_hand(known, blocks, threshold, most=1):
    """Wrong, shown, levels and paths left open by an adaptive map with sets, one pixel after the other."""
    wrong = shown = levels = left = 0
    for block in blocks:
        for pixel in range(known.starts[block], known.starts[block + 1]):
            chance = np.exp(known.scores[pixel] - known.scores[pixel].max()).astype(np.float64)
            chance /= chance.sum()
            best = PATHS[chance.argmax()]
            said, depth = None, 0
            for level in range(PATHS.shape[1]):
                above = (PATHS[:, :level] == best[:level]).all(axis=1)
                share = {c: chance[above & (PATHS[:, level] == c)].sum() for c in PATHS[above, level]}
                rest = sorted((c for c in share if c != best[level]), key=share.get, reverse=True)
                for size in range(min(most, max(len(share) - 1, 1)), 0, -1):
                    members = [best[level], *rest[: size - 1]]
                    if int(sum(share[c] for c in members) * 100 + 1e-4) / 100 >= threshold:
                        said = above & np.isin(PATHS[:, level], members)
                        depth = level + 1 if size == 1 else depth
            if said is not None:
                shown, levels, left = shown + 1, levels + depth, left + said.sum()
                wrong += not said[known.row[pixel]]
    return wrong, shown, levels, left


def test_counts_are_those_of_the_pixels_one_by_one():
    known = ground(blocks=4, noise=1.0)
    counts, sure, right = known.counted(1.0)
    for threshold in (0.95, 0.6, 0.3):
        column = THRESHOLDS.index(threshold)
        for family, most in enumerate((1, 3)):
            got = counts[[1, 3], family].sum(axis=0)[:, column]
            reference = by_hand(known, [1, 3], threshold, most)
            assert got.tolist() == pytest.approx(reference, abs=2)  # a tie of rounding
    assert sure.shape == right.shape == (PATHS.shape[1], 120)
    # of all maps that err no more than one pixel in five, the deepest
    tables = [by_hand(known, range(4), threshold) for threshold in THRESHOLDS[::5]]
    reference = max(levels for wrong, shown, levels, _ in tables if wrong <= 0.2 * shown) / 120
    assert known.deepest(np.arange(4), 0.2) >= reference - 0.02


def test_a_promise_holds_where_the_uncalibrated_confidence_breaks_it():
    found = score_splits(ground(), ground(noise=2.0), [0.1, 0.3], delta=0.1, splits=10, seed=0)
    assert found["blocks"] == 300
    assert found["temperature"] == pytest.approx([3, 3], rel=0.1)
    assert max(found["error_after"]) < 0.03 < min(found["error_before"])
    assert max(found["error_by_temperature"]) < 0.03
    for name, risk in (("0.1", 0.1), ("0.3", 0.3)):
        row = found["risks"][name]
        assert row["within"] >= 0.9
        assert 0 < row["risk"] <= risk
        assert row["depth"] > row["flat_depth"]  # blurred scores show less at the same risk
        assert row["deeper_than_flat"] == 1
        assert row["sets_within"] >= 0.9
        assert 1 <= row["sets_paths_left"] <= len(PATHS)
    assert found["risks"]["0.1"]["naive_risk"] > 0.1  # three times too sure
    assert found["risks"]["0.1"]["naive_within"] == 0
    assert found["risks"]["0.3"]["depth"] > found["risks"]["0.1"]["depth"]


def test_too_few_blocks_and_other_ground_are_refused():
    with pytest.raises(
        DataError, match=r"Expected at least \d+ blocks of labelled ground for a risk of 0.05"
    ):
        score_splits(ground(40), ground(40), [0.05], 0.1, 1, 0)
    other = ground(120)
    other.row = other.row[::-1]
    with pytest.raises(DataError, match="same ground"):
        score_splits(ground(120), other, [0.3], 0.1, 1, 0)


class Known(SceneModel):
    """Path logits are the image itself."""

    def __init__(self):
        torch.nn.Module.__init__(self)

    def path_logits(self, image, valid, paths):
        return self.calibrated(image)


def test_pixels_are_put_in_the_block_that_they_lie_in():
    """A chip of 8 x 8 pixels of 10 m: blocks of 40 m cut it in four; its middle row has no label."""
    rng = np.random.default_rng(1)
    image = torch.from_numpy(rng.normal(size=(1, len(PATHS), 8, 8))).float()
    row = rng.integers(2, 5, (8, 8))  # leaves of one path each
    mask = PATHS[row][..., -1].copy()
    mask[4] = -100
    batch = {"image": image, "valid": torch.ones(1, 8, 8, dtype=torch.bool), "mask": torch.tensor(mask)[None]}
    tree, network = Taxonomy.from_yaml("crop10m"), Known()
    network.temperature = 5.0  # of an earlier calibration
    chips = [batch | {"bounds": [(80.0, 0.0, 160.0, 80.0)]}]
    found = held_out([(network, chips)], tree, 40.0)
    assert found.pixels.tolist() == [12, 16, 12, 16]  # west, the south first; then east
    south_west = row[5:, :4].ravel().tolist()
    assert found.row[:12].tolist() == south_west
    np.testing.assert_array_equal(found.scores[:12], image[0, :, 5:, :4].reshape(len(PATHS), -1).T)
    empty = batch | {"mask": torch.full((1, 8, 8), -100), "bounds": [(80.0, 0.0, 160.0, 80.0)]}
    with pytest.raises(DataError, match="Expected labelled pixels"):
        held_out([(Known(), [empty])], tree, 40.0)
