"""The optimiser recipe: what decays, and how the learning rate runs (Ai et al. 2026, section IV-B)."""

import re
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
            :func:`layer_groups`.
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
    """Build the optimiser of modules and its schedule over all steps, stepped per optimiser step."""
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


#: What stands before the names of a backbone's own layers; a pyramid behind a ViT is none of them.
_PREFIX = re.compile(r"(?:^|\.)encoder\.(?:model\.|vit\.)*(?!pyramid\.)")

#: ``stages_2.blocks.5`` of a ConvNeXt, counted from 0; its third stage holds most of the blocks.
_CONVNEXT = re.compile(r"stages[_.](\d+)\.(?:blocks\.(\d+)\.)?")

#: Stages or blocks counted from 0: Swin's ``layers_1``, ViT's ``blocks.7``.
_FROM_ZERO = re.compile(r"(?:layers[_.]|blocks[_.])(\d+)\.")

#: Stages counted from 1: ResNet's ``layer2``, MiT's and MSCAN's ``patch_embed2``, ``block2``, ``norm2``.
_FROM_ONE = re.compile(r"(?:layer|block|patch_embed|norm)(\d+)\.")

#: torchvision's Swin V2: patches, and then stages with a merging before all but the first.
_SWIN_V2 = re.compile(r"swin\.(\d)\.")

#: Blocks of ConvNeXt's third stage that share one group.
_BLOCKS_PER_GROUP = 3


@dataclass(frozen=True)
class LayerGroups:
    """Groups of parameters from the input to the output.

    Attributes:
        index: Group of every parameter by its name, 0 (stem) .. count - 1 (all that is not the backbone).
        count: G, number of groups.
    """

    index: dict[str, int]
    count: int

    def scale(self, name: str, decay: float) -> float:
        """Factor on the learning rate of a parameter: ``decay ** (G - 1 - group)``; 1 for the head."""
        factor: float = decay ** (self.count - 1 - self.index[name])
        return factor


def layer_groups(model: nn.Module) -> LayerGroups:
    """Number the parameters of a segmenter by depth.

    * ConvNeXt: stem, stage 1, stage 2, every three blocks of stage 3, stage 4: 13 groups with the stem for
      27 blocks (B, L), 7 for nine (T); a downsampling layer goes with the stage it opens. This is the
      layer-wise scheme of the segmentation recipes of BEiT and ConvNeXt ("12 layers").
    * ViT: embedding (with the table of positions), then one group per block.
    * Swin, ResNet, MiT, MSCAN: stem, then one group per stage.
    * Last: decoder, pyramid, classifiers, and whatever belongs to no ``encoder``.

    Args:
        model: A :class:`~hierars_geo.models.HierarchicalSegmenter`, or anything that holds one; the backbone
            is found by the name ``encoder``.

    Returns:
        The groups; a model without an ``encoder`` has one.
    """
    names = [name for name, _ in model.named_parameters()]
    backbone = {name: name[found.end() :] for name in names if (found := _PREFIX.search(name))}
    depths: dict[str, int] = {}
    third_stage = [b for tail in backbone.values() if (b := _third_stage_block(tail)) is not None]
    last_convnext_group = 3 + (max(third_stage, default=-1) // _BLOCKS_PER_GROUP + 1)
    current = 0  # a layer without a number stands with those before it: norms after the last stage, say
    for name, tail in backbone.items():
        group = _depth(tail, last_convnext_group)
        current = current if group is None else group
        depths[name] = current
    head = max(depths.values(), default=-1) + 1
    return LayerGroups({name: depths.get(name, head) for name in names}, head + 1)


def _depth(tail: str, last_convnext_group: int) -> int | None:
    """Group of a backbone's parameter, or None where its name holds no number."""
    if found := _CONVNEXT.match(tail):
        stage = int(found[1])
        if stage < 2:
            return stage + 1
        return last_convnext_group if stage > 2 else 3 + int(found[2] or 0) // _BLOCKS_PER_GROUP
    if found := _FROM_ZERO.match(tail):
        return int(found[1]) + 1
    if found := _SWIN_V2.match(tail):
        return int(found[1]) // 2 + 1 if int(found[1]) else 0
    if found := _FROM_ONE.match(tail):
        return 0 if tail.startswith("patch_embed1.") else int(found[1])
    return None


def _third_stage_block(tail: str) -> int | None:
    found = _CONVNEXT.match(tail)
    return int(found[2]) if found and found[1] == "2" and found[2] else None
