"""The recipe's learning rate and weight decay."""

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LinearLR, PolynomialLR

from hierars_geo.errors import HieraRSWarning, OptionError
from hierars_geo.models import ModelConfig, build_segmenter
from hierars_geo.tasks import OptimizerOptions, ScheduleOptions, parameter_groups, warmup_polynomial
from hierars_geo.tasks.optimizer import configure


@pytest.mark.parametrize("power", [1.0, 0.9])
def test_the_learning_rate_is_that_of_the_librarys_two_schedules_together(power):
    """PyTorch's chainable schedules, one after the other at every step, are the reference."""
    parameter = nn.Parameter(torch.zeros(1))
    reference = torch.optim.SGD([parameter], lr=1e-4)
    schedules = [
        LinearLR(reference, start_factor=1e-6, total_iters=1500),
        PolynomialLR(reference, total_iters=8000, power=power),
    ]
    schedule = ScheduleOptions(warmup_steps=1500, power=power)
    config = configure([nn.Linear(2, 2)], 8000, OptimizerOptions(lr=1e-4), schedule)
    optimizer, scheduler = config["optimizer"], config["lr_scheduler"]["scheduler"]
    assert config["lr_scheduler"]["interval"] == "step"
    ours, theirs = [], []
    for _ in range(8000):
        ours.append(optimizer.param_groups[0]["lr"])
        theirs.append(reference.param_groups[0]["lr"])
        for each in (optimizer, reference):
            each.step()
        for each in (scheduler, *schedules):
            each.step()
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert ours[0] == pytest.approx(1e-10)
    assert max(ours) == ours[1500]
    assert warmup_polynomial(8000, 8000, 1500) == 0


def test_a_warm_up_that_nobody_set_leaves_room_to_learn_and_one_that_does_not_is_told():
    assert [ScheduleOptions().warmup(steps) for steps in (5, 300, 15_000, 80_000)] == [0, 30, 1500, 1500]
    assert ScheduleOptions(warmup_steps=299).warmup(300) == 299
    said = r"training of 300 steps ends within its warm-up of 300: .* Set schedule.warmup_steps to at most 30"
    with pytest.warns(HieraRSWarning, match=said):
        config = configure([nn.Linear(2, 2)], 300, OptimizerOptions(), ScheduleOptions(warmup_steps=300))
    rate = config["lr_scheduler"]["scheduler"].lr_lambdas[0]
    assert max(map(rate, range(300))) < 0.26  # as said: never at its peak


def test_norms_biases_and_scalars_do_not_decay():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2))
    model.register_parameter("gain", nn.Parameter(torch.ones(())))
    model.register_parameter("pos_embed", nn.Parameter(torch.ones(2, 5)))
    model.register_parameter("relative_position_bias_table", nn.Parameter(torch.ones(2, 5)))
    model.register_parameter("cls_token", nn.Parameter(torch.ones(1, 1, 5)))
    model[2].weight.requires_grad_(False)
    decayed, kept = parameter_groups([model], 0.05)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.05, 0.0)
    assert [p.shape for p in decayed["params"]] == [model[0].weight.shape]
    assert len(kept["params"]) == 1 + 2 + 1 + 4


def test_layers_near_the_input_learn_slower():
    config = ModelConfig("unet", "resnet18", options={"decoder_channels": [32, 16, 16, 8, 8]})
    model = build_segmenter(config, 3, (2, 3))
    options = OptimizerOptions(lr=1e-2, weight_decay=0.05, layer_decay=0.5)
    groups = configure([model], 100, options, ScheduleOptions())["optimizer"].param_groups
    rate = {id(p): group["initial_lr"] for group in groups for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(rate) == len(list(model.parameters()))
    named = {name.split("encoder.")[-1]: rate[id(p)] for name, p in model.named_parameters()}
    # stem, four stages, then all the rest: six groups, each half as fast as the one after it
    for depth, start in enumerate(("conv1.", "layer1.", "layer2.", "layer3.", "layer4.", "head.")):
        rates = {value for name, value in named.items() if name.startswith(start)}
        assert list(rates) == [pytest.approx(1e-2 * 0.5 ** (5 - depth))], start
    for name, parameter in model.named_parameters():
        assert decay[id(parameter)] == (0.0 if parameter.ndim < 2 else 0.05), name


def test_layer_decay_needs_a_rate():
    with pytest.raises(OptionError, match="Expected lr with layer_decay"):
        parameter_groups([nn.Linear(2, 2)], 0.05, layer_decay=0.9)
