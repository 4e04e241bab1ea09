"""RequireLabels: no model comes of ground without labels."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ..errors import DataError
from ..types import IGNORE_INDEX, Batch


class RequireLabels(Callback):
    """Stop a training whose first epoch met no labelled pixel, before its checkpoint is written.

    The loss of such chips is 0, so that nothing else would tell.
    """

    def __init__(self) -> None:
        self._seen: Tensor | None = None

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Look at the labels of a batch, on the device they are on."""
        labelled = (batch.get("level_masks", batch["mask"]) != IGNORE_INDEX).any()
        self._seen = labelled if self._seen is None else self._seen | labelled

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the epoch.

        Raises:
            DataError: No pixel so far had a label.
        """
        if self._seen is not None and not self._seen.item():
            raise DataError(
                "Expected training chips with labels, but got none: every label is nodata, or lies where the "
                "images hold no data. Check the labels, their nodata value and the regions."
            )


__all__ = ("RequireLabels",)
