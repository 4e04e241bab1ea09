"""The optimiser recipe: what decays, and how the learning rate runs (Ai et al. 2026, section IV-B)."""

from collections.abc import Iterable
from typing import Any

from torch import nn


def parameter_groups(modules: Iterable[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Split trainable parameters into those that decay and those that do not.

    Norms, biases, scalars and tables of positions (everything with fewer than two dimensions, or a position
    in its name) keep their size.

    Args:
        modules: Where the parameters are.
        weight_decay: Of the first group.

    Returns:
        At most two groups, none empty.
    """
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for module in modules:
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            position = "position" in name or "pos_embed" in name
            (kept if parameter.ndim < 2 or position else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


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

    Example:
        >>> warmup_polynomial(50, total_steps=100, warmup_steps=10)
        0.5
    """
    decay: float = max(0.0, 1.0 - step / max(1, total_steps)) ** power
    if step >= warmup_steps:
        return decay
    return decay * (start_factor + (1.0 - start_factor) * step / warmup_steps)


__all__ = ("parameter_groups", "warmup_polynomial")
