"""Calibration of a model whose mistakes are known: too sure by a factor, wrong by block."""

import numpy as np
import pytest
import torch
from pyproj import CRS

from hierars_geo.errors import CheckpointError, DataError, DataNotice, OptionError
from hierars_geo.metrics.risk import THRESHOLDS, shown_and_wrong
from hierars_geo.models.calibration import Calibration, Promise
from hierars_geo.models.scene_model import SceneModel
from hierars_geo.tasks.calibration import calibration_of
from hierars_geo.taxonomy import Taxonomy

TREE = Taxonomy.from_yaml("crop10m")
PATHS = TREE.paths
SIDE_M = 640.0


class Known(SceneModel):
    """Path logits are the image itself, three times too sharp."""

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def path_logits(self, image, valid, paths, doy=None):
        return self.calibrated(3 * image)


def ground(chips=240, side=8):
    """Chips whose labels follow softmax(image); every chip is a block of its own."""
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.5, 6, size=(chips, 1, 1, 1))
    scores = rng.normal(0, 1, size=(chips, len(PATHS), side, side)) * spread
    chance = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    row = (rng.random((chips, 1, side, side)) > chance.cumsum(axis=1)).sum(axis=1)
    as_leaf = row >= 2  # rice, maize and soybean have one path each: the leaf says it; the others need a set
    mask = np.where(as_leaf, PATHS[row][..., -1], -100)
    named = np.where(as_leaf, -100, row)
    mask[:, 0], named[:, 0] = 0, -100  # a leaf of two paths tells neither
    for start in range(0, chips, 8):
        part = slice(start, start + 8)
        yield {
            "image": torch.from_numpy(scores[part]).float(),
            "valid": torch.ones(8, side, side, dtype=torch.bool),
            "mask": torch.from_numpy(mask[part]),
            "label_set": torch.from_numpy(named[part]),
            "label_table": torch.eye(len(PATHS), dtype=torch.bool).expand(8, -1, -1),
            "bounds": [(SIDE_M * chip, 0.0, SIDE_M * (chip + 1), SIDE_M) for chip in range(start, start + 8)],
            "crs": [CRS.from_epsg(32650)] * 8,
        }


def test_a_model_that_is_too_sure_is_mended_and_its_promises_hold_on_its_own_ground():
    found = calibration_of(Known(), TREE, ground, (0.2, 0.05), block_m=SIDE_M)
    assert found.temperature == pytest.approx(3, rel=0.05)
    assert found.blocks == 240
    assert [promise.risk for promise in found.promises] == [0.05, 0.2]
    assert max(found.error_after) < 0.02 < min(found.error_before)
    # counted once more, pixel by pixel
    threshold = found.threshold_of(0.2)
    assert threshold < found.threshold_of(0.2, sets=True) < 0.8  # sets are shown besides, where it is hardest
    wrong = shown = 0
    for batch in ground():
        scores = batch["image"].double().numpy()
        chance = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        best = chance.argmax(axis=1)
        alike = (PATHS[best][..., None, :] == PATHS[None, None, None]).cumprod(axis=-1)
        confidence = np.einsum("bthw,bhwtn->bhwn", chance, alike)
        for level, curve in enumerate(found.curves):
            confidence[..., level] = np.interp(confidence[..., level], *zip(*curve, strict=True))
        confidence = np.minimum.accumulate(confidence, axis=-1)
        depth = (confidence >= threshold).sum(axis=-1)
        leaf, named = batch["mask"].numpy(), batch["label_set"].numpy()
        row = np.where(leaf >= 0, np.where(leaf > 0, leaf + 1, -100), named)
        truth = PATHS[row.clip(0)]
        level = np.maximum(depth - 1, 0)[..., None]
        right = np.take_along_axis((PATHS[best] == truth).cumprod(axis=-1) > 0, level, axis=-1)[..., 0]
        counted = (row >= 0) & (depth > 0)
        wrong, shown = wrong + (counted & ~right).sum(), shown + counted.sum()
    assert 0 < wrong / shown <= 0.2
    with pytest.raises(OptionError, match=r"calibrated for \(0\.05, 0\.2\), but got 0\.5"):
        found.threshold_of(0.5)


def test_few_blocks_mend_no_confidence():
    """Blocks of some chips: what nine of them say of the rest is chance."""
    with pytest.warns(DataNotice, match="stays as the model says it: 9 blocks .* which takes 10"):
        found = calibration_of(Known(), TREE, lambda: ground(72), (0.8,), block_m=8 * SIDE_M)
    assert (found.temperature, found.curves) == (1.0, ())
    assert found.error_after == pytest.approx(found.error_before)
    assert calibration_of(Known(), TREE, lambda: ground(80), (0.8,), block_m=8 * SIDE_M).temperature > 2


def test_too_few_blocks_for_a_promise_are_counted():
    with pytest.raises(DataError, match=r"at least \d+ blocks .* but got 1\. Keep more ground apart"):
        calibration_of(Known(), TREE, ground, (0.05,), block_m=1e6)


def test_pixels_are_counted_at_the_level_that_they_are_shown_at():
    confidence = np.array([[0.95, 0.8, 0.3], [0.55, 0.2, 0.1]])
    right = np.array([[True, False, True], [False, True, True]])
    wrong, shown = shown_and_wrong(confidence, right)
    at = {threshold: column for column, threshold in enumerate(THRESHOLDS)}
    assert [(shown[at[t]], wrong[at[t]]) for t in (0.96, 0.9, 0.7, 0.5, 0.15)] == [
        (0, 0),
        (1, 0),
        (2, 1),  # the second pixel is shown at level 1, where it is wrong
        (2, 2),  # the first is shown at level 2 now, where it is wrong
        (3, 1),  # and the second at level 2, where it is right
    ]


def test_a_calibration_is_plain_values_and_nonsense_is_refused():
    curves = (((0.0, 0.0), (0.5, 0.6), (1.0, 0.9)),)
    promises = (Promise(0.1, 0.7, 0.8), Promise(0.01, None))
    found = Calibration(1.5, promises, 0.1, 90, 640.0, "val", (0.1,), (0.02,), curves=curves)
    assert Calibration.from_dict(found.to_dict(), "a.ckpt") == found
    assert "at most 10 % show a wrong one" in found.describe(0.1)
    with pytest.raises(OptionError, match="nothing would be shown"):
        found.threshold_of(0.01)
    assert found.threshold_of(0.1, sets=True) == 0.8
    falling = [[0, 0.5], [0.5, 0.2], [1, 1]]
    for change in (
        {"temperature": -1},
        {"promises": [{"risk": 0.1, "threshold": 7}]},
        {"promises": [{"risk": 0.1, "threshold": 0.7, "set_threshold": 7}]},
        {"blocks": "many"},
        {"curves": [falling]},
        {"curves": [[[0.2, 0], [1, 1]]]},
        {"curves": [[[0, 0], [1, 1]]] * 2},
    ):
        with pytest.raises(CheckpointError, match=r"calibration.* \(in a\.ckpt\)"):
            Calibration.from_dict(found.to_dict() | change, "a.ckpt")
