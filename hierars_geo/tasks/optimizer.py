"""The optimiser recipe: what decays, and how the learning rate runs (Ai et al. 2026, section IV-B)."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from ..errors import HieraRSWarning, OptionError
from ..models.layer_decay import layer_groups

#: In the names of parameters that keep their size whatever their shape: positions, and tokens added to them.
_NO_DECAY: Final = ("position", "pos_embed", "cls_token", "dist_token", "reg_token")


@dataclass(frozen=True)
class OptimizerOptions:
    """AdamW, and its learning rate over the depth of the backbone.

    Attributes:
        lr: Peak learning rate, > 0.
        weight_decay: Of weights; norms, biases, scalars and tables of positions do not decay.
        betas: Of AdamW, each 0 <= beta < 1.
        layer_decay: Factor on the learning rate from each group of backbone layers to the one before it,
            0 < factor <= 1 (0.9 with ConvNeXt); None for one rate everywhere. See
            :func:`hierars_geo.models.layer_groups`.
        ema_decay: Of a moving average of the weights that validates and predicts (0.999); None for none.

    Raises:
        OptionError: A number is out of range.
    """

    lr: float = 1e-4
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    layer_decay: float | None = None
    ema_decay: float | None = None

    def __post_init__(self) -> None:
        if not self.weight_decay >= 0:
            raise OptionError(f"Expected weight_decay to be >= 0, but got {self.weight_decay}.")
        if not self.lr > 0:
            raise OptionError(f"Expected lr to be > 0, but got {self.lr}.")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise OptionError(f"Expected betas to be two numbers 0 <= beta < 1, but got {self.betas}.")
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            raise OptionError(
                f"Expected layer_decay to be above 0 and at most 1, but got {self.layer_decay}. "
                "Set null to train all layers alike."
            )
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise OptionError(f"Expected ema_decay to be above 0 and below 1, but got {self.ema_decay}.")


@dataclass(frozen=True)
class ScheduleOptions:
    """How the learning rate runs.

    Attributes:
        warmup_steps: Linear warm-up from 1e-6 of the rate, in optimiser steps; None for 1500 as in the paper,
            but no more than a tenth of the training.
        power: Of the polynomial decay to 0.

    Raises:
        OptionError: A number is out of range.
    """

    warmup_steps: int | None = None
    power: float = 1.0

    def __post_init__(self) -> None:
        for name in ("warmup_steps", "power"):
            if not (getattr(self, name) or 0) >= 0:
                raise OptionError(f"Expected {name} to be >= 0, but got {getattr(self, name)}.")

    def warmup(self, total_steps: int) -> int:
        """Return the warm-up of a training in steps; one that the training does not outlast is told."""
        most = total_steps // 10
        if self.warmup_steps is None:
            return min(1500, most)
        if 0 < total_steps <= self.warmup_steps:
            warnings.warn(
                f"The training of {total_steps} steps ends within its warm-up of {self.warmup_steps}: the "
                f"learning rate never gets to its peak. Set schedule.warmup_steps to at most {most}, leave "
                "it out, or train for longer.",
                HieraRSWarning,
                stacklevel=2,
            )
        return self.warmup_steps


def configure(
    modules: Iterable[nn.Module], total_steps: int, options: OptimizerOptions, schedule: ScheduleOptions
) -> OptimizerLRSchedulerConfig:
    """Build the optimiser and its schedule, stepped per optimiser step.

    Args:
        modules: What is trained.
        total_steps: Optimiser steps of the whole training, >= 1.
        options: Of the optimiser.
        schedule: Of its learning rate.
    """
    groups = parameter_groups(modules, options.weight_decay, options.lr, options.layer_decay)
    optimizer = torch.optim.AdamW(groups, lr=options.lr, betas=options.betas)
    factor = partial(
        warmup_polynomial,
        total_steps=total_steps,
        warmup_steps=schedule.warmup(total_steps),
        power=schedule.power,
    )
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"},
    }


def parameter_groups(
    modules: Iterable[nn.Module],
    weight_decay: float,
    lr: float | None = None,
    layer_decay: float | None = None,
) -> list[dict[str, Any]]:
    """Split trainable parameters by weight decay and by learning rate.

    Norms, biases, scalars, tables of positions and class tokens (everything with fewer than two dimensions,
    or named so) keep their size.

    Args:
        modules: Where the parameters are.
        weight_decay: Of those that decay.
        lr: Peak learning rate of the head; needed with ``layer_decay``.
        layer_decay: Factor on the learning rate per group of layers towards the input; None for one rate.

    Returns:
        Groups, none empty; those that decay first, then from the input to the output.

    Raises:
        OptionError: ``layer_decay`` without ``lr``.
    """
    if layer_decay is not None and lr is None:
        raise OptionError("Expected lr with layer_decay, but got none.")
    found: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for module in modules:
        depth = None if layer_decay is None else layer_groups(module)
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            kept = parameter.ndim < 2 or any(word in name for word in _NO_DECAY)
            scale = 1.0 if depth is None or layer_decay is None else depth.scale(name, layer_decay)
            found.setdefault((kept, scale), []).append(parameter)
    groups: list[dict[str, Any]] = []
    for (kept, scale), parameters in sorted(found.items(), key=lambda item: item[0]):
        group: dict[str, Any] = {"params": parameters, "weight_decay": 0.0 if kept else weight_decay}
        if layer_decay is not None and lr is not None:
            group["lr"] = lr * scale
        groups.append(group)
    return groups


def warmup_polynomial(
    step: int, total_steps: int, warmup_steps: int, start_factor: float = 1e-6, power: float = 1.0
) -> float:
    """Learning-rate factor: linear warm-up, then polynomial decay to 0 over all steps.

    Both act at once during warm-up, as in the recipe's source: the factor is their product.

    Args:
        step: Optimiser steps done, from 0.
        total_steps: Steps of the whole training, >= 1.
        warmup_steps: Steps of the warm-up, 0 for none.
        start_factor: Factor at step 0 of the warm-up.
        power: Of the polynomial.

    Returns:
        Factor, 0..1.

    Examples:
        >>> warmup_polynomial(50, total_steps=100, warmup_steps=10)
        0.5
    """
    decay: float = max(0.0, 1.0 - step / max(1, total_steps)) ** power
    if step >= warmup_steps:
        return decay
    return decay * (start_factor + (1.0 - start_factor) * step / warmup_steps)
