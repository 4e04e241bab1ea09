"""Batches: values that spoil a loss, chips that another process scores, groups that are too short."""

import math
from collections.abc import Mapping
from typing import Any, Final

import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from ..errors import DataError
from ..losses.path_targets import set_tables
from ..types import IGNORE_INDEX, Batch

#: Chips named at most.
_MOST: Final = 8


def require_finite(loss: Tensor, batch: Batch, step: int) -> None:
    """Check a loss.

    Raises:
        DataError: The loss is infinite or NaN. Chips whose valid pixels hold such values are named alone,
            else all chips are, by their files where the batch has ``files``, and by bounds and CRS.
    """
    if torch.isfinite(loss):
        return
    broken = (~torch.isfinite(batch["image"]) & batch["valid"].unsqueeze(-3)).flatten(1).any(dim=1)
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


def short_group(trainer: Trainer, batch_idx: int) -> float:
    """Return what the loss of a batch has to be multiplied by where its gradients are accumulated.

    Lightning divides by the number of batches that make a step, also in the last group of an epoch, which may
    have fewer: its gradient would be too small.

    Examples:
        Of ten batches in groups of four the last two count twice.
    """
    group, batches = trainer.accumulate_grad_batches, trainer.num_training_batches
    if group == 1 or math.isinf(batches):
        return 1.0
    left = int(batches) % group
    return group / left if left and batch_idx >= batches - left else 1.0


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


def ground_valid(batch: Batch) -> Tensor:
    """Return where there is ground, (B, H, W) bool: of a series where any date is valid."""
    return batch["valid"].any(dim=1) if "doy" in batch else batch["valid"]


def labels_of(batch: Batch, paths: Tensor) -> Tensor:
    """Return the labels: leaves (B, H, W), or class indices (B, N, H, W) where their sets decide a level.

    Args:
        batch: A batch.
        paths: (T, N) int64.
    """
    if "label_set" not in batch:
        return batch["mask"]
    number = batch["label_set"]
    shared, _ = set_tables(paths, batch["label_table"][0])
    levels = torch.stack([level.take(number.clamp(min=0)) for level in shared.unbind(dim=1)], dim=1)
    return levels.masked_fill((number == IGNORE_INDEX)[:, None], IGNORE_INDEX)


def unlabel_repeated(batch: Batch, batch_idx: int, loader: object) -> Batch:
    """Take the labels of repeated chips away.

    PyTorch's sampler deals chip ``i * processes + rank`` to a process as its ``i``-th; past the last chip it
    begins again with the first.

    Args:
        batch: A batch of this process.
        batch_idx: Its number in the epoch.
        loader: The trainer's loader; several at once, or none, are not told apart.

    Returns:
        The batch itself where it repeats nothing, else a copy with ``IGNORE_INDEX`` for repeated chips.
    """
    if not isinstance(loader, DataLoader):
        return batch
    sampler = loader.sampler
    if not isinstance(sampler, DistributedSampler) or sampler.shuffle:
        return batch
    size = len(batch["mask"])
    first = batch_idx * (loader.batch_size or 1)
    place = torch.arange(first, first + size, device=batch["mask"].device)
    repeated = place * sampler.num_replicas + sampler.rank >= len(sampler.dataset)  # type: ignore[arg-type]
    if not repeated.any():
        return batch
    unlabelled = batch.copy()
    unlabelled["mask"] = batch["mask"].masked_fill(repeated[:, None, None], IGNORE_INDEX)
    if "label_set" in batch:
        unlabelled["label_set"] = batch["label_set"].masked_fill(repeated[:, None, None], IGNORE_INDEX)
    return unlabelled
