"""Scores against definitions written out pixel by pixel, in one go, in parts and merged as processes
would."""

import json

import numpy as np
import pytest
import torch

from hierars_geo.errors import OptionError
from hierars_geo.metrics import HierarchicalMetrics
from hierars_geo.taxonomy import Taxonomy


def make_case(seed=0, shape=(4, 13, 9)):
    tree = Taxonomy.from_yaml("mm5b")
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 15, size=shape)  # three classes never occur
    leaf = np.where(rng.random(shape) < 0.6, target, rng.integers(0, 17, size=shape))
    target[rng.random(shape) < 0.2] = -100
    return tree, torch.from_numpy(leaf), torch.from_numpy(target)


def test_scores_equal_their_definitions():
    tree, leaf, target = make_case()
    metrics = HierarchicalMetrics(tree)
    metrics.update_leaf(leaf, target)
    scores = metrics.compute()
    known = target.numpy() >= 0
    for level in (1, 2, 3):
        y = tree.lift(target.numpy()[known], level)
        p = tree.lift(leaf.numpy()[known], level)
        got = scores.levels[level - 1]
        assert got.oa == pytest.approx((y == p).mean())
        iou, f1 = [], []
        for k in range(tree.num_classes[level - 1]):
            both, either = ((y == k) & (p == k)).sum(), ((y == k) | (p == k)).sum()
            if either == 0:
                assert np.isnan(got.iou[k])
                continue
            iou.append(both / either)
            f1.append(2 * both / ((y == k).sum() + (p == k).sum()))
            assert got.iou[k] == pytest.approx(iou[-1])
            assert got.support[k] == (y == k).sum()
            if (p == k).any():
                assert got.precision[k] == pytest.approx(both / (p == k).sum())
        assert got.miou == pytest.approx(np.mean(iou))
        assert got.mf1 == pytest.approx(np.mean(f1))
    distance = [
        3 - next((d for d in range(3) if tree.lift(int(a), d + 1) != tree.lift(int(b), d + 1)), 3)
        for a, b in zip(target.numpy()[known], leaf.numpy()[known], strict=True)
    ]
    assert scores.mean_tree_distance == pytest.approx(np.mean(distance))
    assert scores.mean_error_distance == pytest.approx(np.mean([d for d in distance if d]))
    assert scores.ignored == (~known).sum()
    assert scores.consistency is None


def test_parts_and_processes_add_up():
    tree, leaf, target = make_case()
    whole, first, second = (HierarchicalMetrics(tree) for _ in range(3))
    whole.update_leaf(leaf, target)
    first.update_leaf(leaf[:1], target[:1])
    second.update_leaf(leaf[1:], target[1:])
    for name in first._defaults:  # what a sum over processes does
        setattr(first, name, getattr(first, name) + getattr(second, name))
    first._computed = None
    assert first.compute().to_dict(tree) == whole.compute().to_dict(tree)
    whole.reset()
    assert whole.confusion_3.sum() == 0
    assert whole.agreement.sum() == 0


def test_consistency_counts_labelled_pixels():
    tree, leaf, target = make_case()
    metrics = HierarchicalMetrics(tree)
    legal = torch.rand(leaf.shape) < 0.5
    levels = torch.from_numpy(np.stack([tree.lift(leaf.numpy(), n) for n in (1, 2, 3)], axis=1))
    metrics.update(levels, target, legal)
    known = target >= 0
    assert metrics.compute().consistency == pytest.approx((legal & known).sum().item() / known.sum().item())


def test_coarse_only_labels_count_at_their_level_alone():
    tree = Taxonomy.from_yaml("mm5b")
    metrics = HierarchicalMetrics(tree)
    levels = torch.tensor([0, 1, 2]).view(1, 3, 1, 1)
    metrics.update(levels, torch.tensor([0, 1, -100]).view(1, 3, 1, 1))
    scores = metrics.compute()
    assert [level.confusion.sum() for level in scores.levels] == [1, 1, 0]
    assert scores.agreement.sum() == 0


def test_json_holds_no_nan():
    tree, leaf, target = make_case()
    metrics = HierarchicalMetrics(tree)
    metrics.update_leaf(leaf, target)
    text = json.dumps(metrics.compute().to_dict(tree), allow_nan=False)
    assert json.loads(text)["levels"]["L3"]["classes"][17]["iou"] is None
    empty = HierarchicalMetrics(tree)
    empty.update_leaf(leaf, torch.full_like(target, -100))
    assert empty.compute().to_dict(tree)["levels"]["L1"]["oa"] is None


def test_shapes_that_do_not_fit_are_named():
    tree, leaf, target = make_case()
    with pytest.raises(OptionError, match=r"prediction \(B, 3, H, W\)"):
        HierarchicalMetrics(tree).update(leaf.unsqueeze(1), target)
