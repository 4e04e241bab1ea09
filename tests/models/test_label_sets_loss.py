"""Labels that allow for several paths: the loss against NumPy, weights of labels, one labelled pixel."""

import numpy as np
import pytest
import torch

from hierars_geo.errors import OptionError
from hierars_geo.losses import HSCLoss
from hierars_geo.taxonomy import Crosswalk, LabelSets, Taxonomy


def drawn(sets, seed=0):
    """Logits (2, C_l, 5, 6) float64 and numbers of sets, some pixels without a label."""
    generator = torch.Generator().manual_seed(seed)
    logits = [
        torch.randn(2, count, 5, 6, generator=generator).mul(3).requires_grad_()
        for count in sets.taxonomy.num_classes
    ]
    labels = torch.randint(-1, len(sets), (2, 5, 6), generator=generator)
    return logits, torch.where(labels < 0, -100, labels), torch.rand(2, 5, 6, generator=generator)


def reference(logits, labels, sets, trust, alpha):
    """HSC by the definition, pixel by pixel."""
    tree = sets.taxonomy
    ce, ce_weight = np.zeros(tree.num_levels), np.zeros(tree.num_levels)
    path, path_weight, pixels = np.zeros(2), np.zeros(2), np.zeros(2)
    for b, row, col in np.ndindex(labels.shape):
        label, w = int(labels[b, row, col]), float(trust[b, row, col])
        if label < 0:
            continue
        z = [level[b, :, row, col].detach().double().numpy() for level in logits]
        log_p = [one - np.log(np.exp(one).sum()) for one in z]
        allowed = tree.paths[sets.table[label]]
        for level in range(tree.num_levels):
            if len(set(allowed[:, level])) == 1:
                ce[level] -= w * log_p[level][allowed[0, level]]
                ce_weight[level] += w
        p = np.exp([sum(one[index] for one, index in zip(log_p, t, strict=True)) for t in tree.paths])
        coarse = int(len(set(allowed[:, -1])) > 1)
        path[coarse] -= w * np.log(p[sets.table[label]].sum() / p.sum())
        path_weight[coarse] += w
        pixels[coarse] += 1
    worth = path_weight / pixels  # of a label of either kind
    return (ce / ce_weight).sum() + alpha * (path / path_weight * worth / worth.max()).sum()


@pytest.mark.parametrize("walk", ["esa_worldcover_to_mm5b", "cdl_to_crop10m"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_that_of_the_summed_probability_of_the_set(walk, weighted):
    crosswalk = Crosswalk.from_yaml(walk)
    sets = LabelSets(crosswalk.target, crosswalk.level_paths(2))
    logits, labels, trust = drawn(sets)
    loss = HSCLoss(crosswalk.target.paths, crosswalk.target.num_classes, alpha=1.5)
    members = torch.tensor(sets.table)
    found = loss(logits, labels, members, trust if weighted else None)["loss"]
    told = trust.double() if weighted else torch.ones_like(trust)
    assert found.item() == pytest.approx(reference(logits, labels, sets, told, 1.5), rel=1e-5)
    found.backward()
    assert all(torch.isfinite(level.grad).all() for level in logits)


def test_leaves_alone_cost_what_they_did_and_give_the_same():
    tree = Taxonomy.from_yaml("mm5b")
    loss = HSCLoss(tree.paths, tree.num_classes)
    logits, labels, _ = drawn(LabelSets(tree))
    leaf = torch.where(labels >= 18, -100, labels)
    members = torch.tensor(LabelSets(tree).table)
    assert loss(logits, leaf, members)["loss"].item() == loss(logits, leaf)["loss"].item()


def test_a_coarse_rest_takes_nothing_from_the_few_leaves():
    """The gradient at a leaf is the same beside a few coarse pixels and beside a thousand."""
    tree = Taxonomy.from_yaml("mm5b")
    sets = LabelSets(tree)
    loss = HSCLoss(tree.paths, tree.num_classes)
    felt = []
    for side in (2, 32):
        logits = [torch.zeros(1, count, side, side, requires_grad=True) for count in tree.num_classes]
        labels = torch.full((1, side, side), int(sets.classes(1)[0]))
        labels[0, 0, 0] = 3
        loss(logits, labels, torch.tensor(sets.table))["loss"].backward()
        felt.append(logits[-1].grad[0, :, 0, 0])
    torch.testing.assert_close(felt[0], felt[1])


@pytest.mark.parametrize("label", [3, 20, -100])
@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_one_labelled_pixel_gives_finite_losses_and_gradients(label, weight):
    tree = Taxonomy.from_yaml("mm5b")
    loss = HSCLoss(tree.paths, tree.num_classes)
    members = torch.tensor(LabelSets(tree).table)
    logits, labels, _ = drawn(LabelSets(tree))
    only = torch.full_like(labels, -100)
    only[1, 2, 3] = label
    found = loss(logits, only, members, torch.full(only.shape, weight))["loss"]
    found.backward()
    assert (found.item() > 0) == (label >= 0 and weight > 0)
    assert all(torch.isfinite(level.grad).all() for level in logits)


def test_confident_logits_outside_the_set_stay_finite():
    tree = Taxonomy.from_yaml("mm5b")
    loss = HSCLoss(tree.paths, tree.num_classes)
    members = torch.tensor(LabelSets(tree).table)
    logits = [torch.full((1, count, 1, 1), -200.0).requires_grad_() for count in tree.num_classes]
    with torch.no_grad():
        for level in logits:
            level[:, -1] = 200.0  # sure of bare land, and the label says vegetation
    vegetation = torch.full((1, 1, 1), int(LabelSets(tree).classes(1)[0]))
    found = loss(logits, vegetation, members)["loss"]
    found.backward()
    assert found.item() == pytest.approx(400 + 2 * 1200 - 2 * np.log(5), rel=1e-5)
    assert all(torch.isfinite(level.grad).all() for level in logits)


def test_sets_that_no_path_satisfies_and_of_another_tree_are_refused():
    tree = Taxonomy.from_yaml("mm5b")
    loss = HSCLoss(tree.paths, tree.num_classes)
    logits, labels, _ = drawn(LabelSets(tree))
    with pytest.raises(OptionError, match="got 3 that no path satisfies"):
        loss(logits, labels, torch.zeros(3, 18, dtype=torch.bool))
    with pytest.raises(OptionError, match=r"label sets \(S, 18\).*got \(2, 5\)"):
        loss(logits, labels, torch.ones(2, 5, dtype=torch.bool))
