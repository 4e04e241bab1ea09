"""Pixels known at coarse levels only: which terms of the loss they enter."""

import numpy as np
import pytest
import torch

from hierars_geo.losses import HSCLoss
from hierars_geo.taxonomy import Taxonomy


def drawn(tree, seed=0):
    """Logits (2, C_l, 4, 5) and labels known to a random level, some not at all."""
    generator = torch.Generator().manual_seed(seed)
    logits = [torch.randn(2, count, 4, 5, generator=generator).requires_grad_() for count in tree.num_classes]
    row = torch.randint(tree.num_paths, (2, 4, 5), generator=generator)
    depth = torch.randint(tree.num_levels + 1, (2, 4, 5), generator=generator)
    path = torch.from_numpy(tree.paths.copy())[row]
    levels = [torch.where(depth > at, path[..., at], -100) for at in range(tree.num_levels)]
    return logits, levels, depth


def test_a_coarse_pixel_enters_the_cross_entropy_of_its_level_and_nothing_else():
    tree = Taxonomy.from_yaml("mm5b")
    logits, levels, _ = drawn(tree)
    only = [torch.full_like(levels[0], -100) for _ in levels]
    only[0][0, 1, 2] = 3
    losses = HSCLoss(tree.paths, tree.num_classes)(logits, only)
    expected = -logits[0][0, :, 1, 2].log_softmax(dim=0)[3]
    assert losses["hce"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert losses["hpc"].item() == 0
    losses["loss"].backward()
    assert logits[0].grad.abs().sum(dim=1).nonzero().tolist() == [[0, 1, 2]]
    assert all(not level.grad.any() for level in logits[1:])


@pytest.mark.parametrize("name", ["mm5b", "crop10m"])
def test_partial_paths_sum_the_probability_of_all_paths_that_agree(name):
    tree = Taxonomy.from_yaml(name)
    logits, levels, depth = drawn(tree)
    levels[0][0, 0, 0], levels[1][0, 0, 0] = 0, tree.num_classes[1] - 1  # no legal path: left out
    terms = []
    for b, r, c in np.ndindex(2, 4, 5):
        told = np.array([int(level[b, r, c]) for level in levels])
        agree = ((tree.paths == told) | (told == -100)).all(axis=1)
        scores = np.array(
            [sum(z[b, k, r, c].item() for z, k in zip(logits, path, strict=True)) for path in tree.paths]
        )
        p = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        if (told >= 0).any() and agree.any():
            terms.append(-np.log(p[agree].sum()))
    partial = HSCLoss(tree.paths, tree.num_classes, partial_paths=True)(logits, levels)
    assert len(terms) < depth.numel()
    assert partial["hpc"].item() == pytest.approx(np.mean(terms), rel=1e-5)
    partial["loss"].backward()
    assert all(torch.isfinite(level.grad).all() for level in logits)


def test_partial_paths_change_nothing_where_every_level_is_known_and_are_0_where_nothing_is():
    tree = Taxonomy.from_yaml("mm5b")
    logits, _, _ = drawn(tree)
    leaf = torch.arange(40).view(2, 4, 5) % 18
    plain, partial = (
        HSCLoss(tree.paths, tree.num_classes, partial_paths=on)(logits, leaf)["hpc"] for on in (False, True)
    )
    assert partial.item() == pytest.approx(plain.item(), rel=1e-5)
    nothing = HSCLoss(tree.paths, tree.num_classes, partial_paths=True)(logits, torch.full_like(leaf, -100))
    assert nothing["loss"].item() == 0
    nothing["loss"].backward()
    assert all(not level.grad.any() for level in logits)
