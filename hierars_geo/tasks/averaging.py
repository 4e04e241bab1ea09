"""AveragedWeights: an exponential moving average of the weights, which validates, tests and predicts."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from ..errors import OptionError


class AveragedWeights(WeightAveraging):
    """Keep an exponential moving average of the weights beside the ones that are trained.

    The average validates, and stands in a checkpoint's ``state_dict``, so that whoever loads the checkpoint
    predicts with it; the trained weights stand beside it and resuming goes on with both. Early on the decay
    is ``(1 + n) / (10 + n)`` after n averages, so that the random start is soon forgotten.

    Lightning's own callback would average integer buffers in floating point and cut them off (an index 3
    can become 2); here they are copied.

    Args:
        decay: Share of the old average kept at each optimiser step, 0 < decay < 1.

    Raises:
        OptionError: The decay is out of range.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 < decay < 1:
            raise OptionError(f"Expected ema_decay to be above 0 and below 1, but got {decay}.")
        super().__init__(multi_avg_fn=self._average)
        self.decay = decay

    @torch.no_grad()
    def _average(self, averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        """Move averages of one kind of number towards the current values."""
        if not averaged[0].is_floating_point():
            for old, new in zip(averaged, current, strict=True):
                old.copy_(new)
            return
        done = float(count)
        keep = min(self.decay, (1 + done) / (10 + done))
        torch._foreach_lerp_(list(averaged), list(current), 1 - keep)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the average the buffers that no checkpoint holds: tables, weights of the classes."""
        if self._average_model is None:
            return
        kept = pl_module.state_dict().keys()
        for name, buffer in pl_module.named_buffers():
            if name not in kept:
                self._average_model.module.get_buffer(name).copy_(buffer)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take up both sets of weights; validating and testing need the average alone, which is there."""
        if self._average_model is not None:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)


__all__ = ("AveragedWeights",)
