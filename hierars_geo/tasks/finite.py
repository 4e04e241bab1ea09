"""A loss that is no number stops the training, and the chips it came from are named."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from ..errors import DataError
from ..types import Batch

#: Chips named at most.
_MOST: Final = 8


def require_finite(loss: Tensor, batch: Batch, step: int) -> None:
    """Check a loss.

    Args:
        loss: Scalar.
        batch: Where it came from.
        step: Optimiser steps done.

    Raises:
        DataError: The loss is infinite or NaN. Chips whose valid pixels hold such values are named alone,
            else all chips are, by their files where the batch has ``files``, and by bounds and CRS.
    """
    if torch.isfinite(loss):
        return
    broken = (~torch.isfinite(batch["image"]) & batch["valid"].unsqueeze(1)).flatten(1).any(dim=1)
    chosen = broken.nonzero().flatten().tolist() or range(len(broken))
    chips = "; ".join(_describe(batch, index) for index in list(chosen)[:_MOST])
    reason, remedy = (
        ("which hold values that are no number", "Correct these values, or declare them as nodata.")
        if broken.any()
        else ("whose values are all finite", "Lower the learning rate, clip gradients or use bf16-mixed.")
    )
    raise DataError(
        f"Expected a finite loss, but got {loss.item()} at step {step} on chips {chips}, {reason}. {remedy}"
    )


def _describe(batch: Mapping[str, Any], index: int) -> str:
    """Say where one chip lies."""
    parts = [_one(batch[key][index]) for key in ("files", "bounds", "crs") if key in batch]
    return " ".join(parts) or f"number {index + 1} of the batch"


def _one(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(_one(item) for item in value)
    return f"{value:.10g}" if isinstance(value, float) else str(value)


__all__ = ("require_finite",)
