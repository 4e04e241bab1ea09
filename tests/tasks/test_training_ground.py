"""The training ground of a model whose features are known: what is like it lies inside, the rest outside."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hierars_geo.errors import CheckpointError, DataError
from hierars_geo.models import HierarchicalSegmenter, SceneModel
from hierars_geo.models.applicability import Applicability
from hierars_geo.models.dissimilarity import CELL_PX
from hierars_geo.tasks.applicability import learn_ground, share_outside

SIDE, BANDS = 32, 3
CENTRES = np.array([[0.0, 0, 0], [300, 0, 40], [0, 500, -60]])


@pytest.fixture(scope="module")
def model():
    """Features are the bands as stored."""
    segmenter = HierarchicalSegmenter((torch.nn.Identity(), BANDS), (2, 3))
    segmenter.features.multiple = 32
    return SceneModel(segmenter, [0.0] * BANDS, [1.0] * BANDS).eval()


def ground(chips, seed, shift=0.0):
    """Chips of one class each, block after block; half of the first one holds no data, but nonsense."""
    rng = np.random.default_rng(seed)
    for chip in range(chips):
        centre = CENTRES[chip % len(CENTRES)] + shift
        image = centre[:, None, None] + rng.normal(0, 20, (BANDS, SIDE, SIDE))
        valid = np.ones((SIDE, SIDE), bool)
        valid[: SIDE // 2 - 1] = chip > 0
        image[:, ~valid] = 1e6
        yield {
            "image": torch.from_numpy(image[None]).float(),
            "valid": torch.from_numpy(valid[None]),
            "number": chip,
        }


def block(batch, chip):
    return "", batch["number"] // 3, chip


def test_ground_like_the_trainings_lies_inside_and_other_ground_outside(model):
    known = learn_ground(model, ground(60, seed=0), block)
    assert known.blocks == 20
    assert share_outside(model, known, ground(30, seed=1)) < 0.05
    assert share_outside(model, known, ground(30, seed=2, shift=250.0)) > 0.95
    assert abs(known.mean[1] - 500 / 3) < 20  # what holds no data does not count


def test_dissimilarity_is_the_distance_to_the_nearest_prototype(model):
    known = learn_ground(model, ground(60, seed=0), block)
    model.know(known)
    (batch,) = ground(1, seed=3)
    paths = torch.tensor([[0, 0], [0, 1], [1, 2]])
    with torch.inference_mode():
        found = model.map_channels(batch["image"], batch["valid"], paths)
        torch.testing.assert_close(
            found[:, :3], model.path_logits(batch["image"], batch["valid"], paths), rtol=0, atol=0
        )
        with torch.autocast("cpu", dtype=torch.bfloat16):
            coarse = model.dissimilarity(batch["image"], CELL_PX)
    image = batch["image"][0].numpy().astype(np.float64).reshape(BANDS, SIDE // CELL_PX, CELL_PX, -1, CELL_PX)
    cells = (image.mean(axis=(2, 4)).transpose(1, 2, 0) - known.mean) / known.std
    distance = np.linalg.norm(cells[:, :, None] - np.array(known.prototypes), axis=-1).min(axis=-1)
    expected = distance / known.scale / known.threshold
    below = slice(SIDE // 2 // CELL_PX, None)  # all of it holds data
    np.testing.assert_allclose(coarse[0, 0, below], expected[below], rtol=1e-3, atol=1e-3)
    assert found.shape == (1, 4, SIDE, SIDE)
    middle = found[0, 3, CELL_PX // 2 :: CELL_PX, CELL_PX // 2 :: CELL_PX]
    assert np.corrcoef(middle[below].ravel(), expected[below].ravel())[0, 1] > 0.95


def test_one_block_has_no_folds(model):
    with pytest.raises(DataError, match=r"at least 2 blocks of training ground with data, but got 1\."):
        learn_ground(model, ground(6, seed=0), lambda batch, chip: ("", 0, 0))


def test_prototypes_are_plain_values_and_nonsense_is_refused():
    known = Applicability((0.0, 1.0), (1.0, 2.0), ((0.5, 0.5), (1.0, -1.0)), 1.5, 0.4, 12, 0.03)
    assert Applicability.from_dict(known.to_dict(), "a.ckpt") == known
    for change in (
        {"std": (1.0, 0.0)},
        {"prototypes": ((0.5,),)},
        {"prototypes": ()},
        {"scale": float("nan")},
        {"mean": "abc"},
        {"threshold": -1.0},
    ):
        with pytest.raises(CheckpointError, match=r"prototypes.* \(in a\.ckpt\)"):
            Applicability.from_dict(replace(known).to_dict() | change, "a.ckpt")
