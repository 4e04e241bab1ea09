"""Targets given level by level, some of them coarse: which terms of the loss they enter."""

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
