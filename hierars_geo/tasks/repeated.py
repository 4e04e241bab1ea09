"""Chips that a distributed sampler repeats to give every process as many: they are scored once."""

from typing import Any

import torch
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from ..types import IGNORE_INDEX, Batch


def unlabel_repeated(batch: Batch, batch_idx: int, loader: DataLoader[Any] | None) -> Batch:
    """Take the labels of repeated chips away.

    PyTorch's sampler deals chip ``i * processes + rank`` to a process as its ``i``-th; past the last chip it
    begins again with the first.

    Args:
        batch: A batch of this process.
        batch_idx: Its number in the epoch.
        loader: Where it comes from; None where that is not known.

    Returns:
        The batch itself where it repeats nothing, else a copy with ``IGNORE_INDEX`` for repeated chips.
    """
    sampler = getattr(loader, "sampler", None)
    if not isinstance(sampler, DistributedSampler) or sampler.shuffle or loader is None:
        return batch
    size = len(batch["mask"])
    first = batch_idx * (loader.batch_size or 1)
    place = torch.arange(first, first + size, device=batch["mask"].device)
    repeated = place * sampler.num_replicas + sampler.rank >= len(sampler.dataset)  # type: ignore[arg-type]
    if not repeated.any():
        return batch
    unlabelled = batch.copy()
    unlabelled["mask"] = batch["mask"].masked_fill(repeated[:, None, None], IGNORE_INDEX)
    if "level_masks" in batch:
        levels = batch["level_masks"].masked_fill(repeated[:, None, None, None], IGNORE_INDEX)
        unlabelled["level_masks"] = levels
    return unlabelled


__all__ = ("unlabel_repeated",)
