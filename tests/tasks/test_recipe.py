"""The recipe's learning rate and weight decay."""

import pytest
import torch
from torch import nn

from hierars_geo.tasks import parameter_groups, warmup_polynomial


def test_learning_rate_rises_linearly_then_falls_to_zero():
    factor = [warmup_polynomial(step, 100, 10, start_factor=1e-6) for step in range(101)]
    assert factor[0] == pytest.approx(1e-6)
    assert factor[5] == pytest.approx(0.5 * 0.95, rel=1e-4)
    assert factor[10] == pytest.approx(0.9)
    assert factor[60] == pytest.approx(0.4)
    assert factor[100] == 0
    assert max(factor) == factor[10]
    assert warmup_polynomial(25, 100, 0, power=2.0) == pytest.approx(0.75**2)


def test_norms_biases_and_scalars_do_not_decay():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2))
    model.register_parameter("gain", nn.Parameter(torch.ones(())))
    model.register_parameter("pos_embed", nn.Parameter(torch.ones(2, 5)))
    model[2].weight.requires_grad_(False)
    decayed, kept = parameter_groups([model], 0.05)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.05, 0.0)
    assert [p.shape for p in decayed["params"]] == [model[0].weight.shape]
    assert len(kept["params"]) == 1 + 2 + 1 + 2
