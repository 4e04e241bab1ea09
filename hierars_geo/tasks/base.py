"""SegmentationTask: what every training task shares, from the loss of a batch to the checkpoint's record."""

import abc
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.utils.data import DataLoader

from .. import __version__
from ..errors import OptionError
from ..losses.hierarchical import HCCLoss, HSCLoss
from ..metrics import HierarchicalMetrics
from ..models.decode import is_legal, jsps, path_logits
from ..models.record import RECORD_KEY, ModelRecord
from ..taxonomy import Taxonomy
from ..types import Batch
from .averaging import AveragedWeights
from .comparison import require_same_model
from .compilation import check_backend, compile_in_place
from .finite import require_finite
from .random_state import RANDOM_KEY, random_state, restore_random_state
from .recipe import Recipe
from .repeated import unlabel_repeated


class SegmentationTask(LightningModule):
    """Base of the tasks: a model with logits per level, scored with a class tree.

    A subclass builds ``model`` (a module that :meth:`forward` calls) and ``loss`` after ``super().__init__``.

    Args:
        record: What the checkpoint says of the model.
        recipe: How it is optimised.
        ema_decay: Of a moving average of the weights, see :class:`AveragedWeights`; None for none.
        compile: Whether to compile the model for training, or the backend to do it with.

    Raises:
        OptionError: A number is out of range.
    """

    model: nn.Module
    loss: HSCLoss | HCCLoss
    paths: Tensor

    def __init__(
        self,
        record: ModelRecord,
        recipe: Recipe,
        ema_decay: float | None = None,
        compile: bool | str = False,  # the option's name; nothing here calls the builtin
    ) -> None:
        super().__init__()
        self.record, self.recipe = record, recipe
        self._average = None if ema_decay is None else AveragedWeights(ema_decay)
        self._backend = "inductor" if compile is True else compile or None
        if self._backend is not None:
            check_backend(self._backend)
        self._random: Mapping[str, Tensor] | None = None
        tree = record.taxonomy
        self.register_buffer("paths", torch.from_numpy(tree.paths.copy()), persistent=False)
        self.val_metrics = HierarchicalMetrics(tree)
        self.test_metrics = HierarchicalMetrics(tree)

    @property
    def taxonomy(self) -> Taxonomy:
        """The class tree."""
        return self.record.taxonomy

    @property
    def flat(self) -> bool:
        """Whether the model predicts the leaves alone."""
        return self.record.model.mode == "flat"

    @abc.abstractmethod
    def forward(self, image: Tensor, valid: Tensor | None = None) -> list[Tensor]:
        """Compute logits (B, C_l, H, W) per level from stored values; a flat model gives the leaves alone."""

    def trained_modules(self) -> Sequence[nn.Module]:
        """Return what the optimiser sees."""
        return [self.model]

    def logits_and_target(self, batch: Batch) -> tuple[list[Tensor], Tensor | Sequence[Tensor]]:
        """Compute the logits of a batch, and what the loss compares them with."""
        return self(batch["image"], batch["valid"]), self.target(batch)

    def target(self, batch: Batch) -> Tensor | Sequence[Tensor]:
        """Choose what the loss compares with: leaves, or a mask per level where some are known coarsely."""
        levels = batch.get("level_masks")
        return batch["mask"] if levels is None or self.flat else levels.unbind(dim=1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the loss of a batch.

        Raises:
            DataError: It is not finite; the chips are named.
        """
        logits, target = self.logits_and_target(batch)
        with self._full_precision():
            losses = self.loss(logits, target)
        size = batch["image"].shape[0]
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()}, batch_size=size)
        loss: Tensor = losses["loss"]
        require_finite(loss, batch, self.global_step)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Count a validation batch, and return its decoded ``levels`` (B, N, H, W)."""
        batch = unlabel_repeated(batch, batch_idx, self._loader(self.trainer.val_dataloaders))
        return {"levels": self._count(batch, self.val_metrics, "val")}

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Count a test batch, and return its decoded ``levels`` (B, N, H, W)."""
        batch = unlabel_repeated(batch, batch_idx, self._loader(self.trainer.test_dataloaders))
        return {"levels": self._count(batch, self.test_metrics, "test")}

    @staticmethod
    def _loader(loaders: object) -> DataLoader[Any] | None:
        """Return the loader of an evaluation; several at once are not told apart."""
        return loaders if isinstance(loaders, DataLoader) else None

    def _count(self, batch: Batch, metrics: HierarchicalMetrics, stage: str) -> Tensor:
        logits, target = self.logits_and_target(batch)
        with self._full_precision():
            logits = [level.float() for level in logits]
            losses = self.loss(logits, target)
            decoded = jsps(path_logits(logits, self.paths), self.paths)
        size = batch["image"].shape[0]
        self.log(f"{stage}/loss", losses["loss"], batch_size=size, on_epoch=True, sync_dist=True)
        legal = None
        if not self.flat:
            legal = is_legal(torch.stack([level.argmax(dim=1) for level in logits], dim=1), self.paths)
        metrics.update(decoded, batch.get("level_masks", batch["mask"]), legal)
        return decoded

    def _full_precision(self) -> AbstractContextManager[None]:
        """Leave mixed precision: losses and path scores are sums of many exponentials."""
        return torch.autocast(self.device.type, enabled=False)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of every level."""
        self._log_scores(self.val_metrics, "val")

    def on_test_epoch_end(self) -> None:
        """Log the scores of every level."""
        self._log_scores(self.test_metrics, "test")

    def _log_scores(self, metrics: HierarchicalMetrics, stage: str) -> None:
        scores = metrics.compute()
        # the counts of all processes are in the scores already: averaging equal numbers changes nothing
        for number, level in enumerate(scores.levels, start=1):
            last = number == len(scores.levels)
            self.log(f"{stage}/mIoU_L{number}", level.miou, prog_bar=last, sync_dist=True)
            self.log(f"{stage}/OA_L{number}", level.oa, sync_dist=True)
        if scores.consistency is not None:
            self.log(f"{stage}/consistency", scores.consistency, sync_dist=True)
        metrics.reset()

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the recipe's optimiser and schedule, stepped per optimiser step.

        Raises:
            OptionError: The training has no end that the decay could run to.
        """
        total_steps = self.trainer.estimated_stepping_batches
        if not math.isfinite(total_steps):
            raise OptionError(
                "Expected a training with an end, for the learning rate to decay to, but got none. "
                "Set the trainer's max_steps or max_epochs."
            )
        return self.recipe.configure(self.trained_modules(), int(total_steps))

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the learning rate of the head."""
        self.log("train/lr", max(float(group["lr"]) for group in optimizer.param_groups))

    def configure_callbacks(self) -> list[Callback]:
        """Return the average of the weights where one is asked for."""
        return [] if self._average is None else [self._average]

    def setup(self, stage: str) -> None:
        """Compile the model for training where that is asked for."""
        if stage == "fit" and self._backend is not None:
            compile_in_place(self.model, self._backend, self.device)
            self._backend = None

    def on_train_start(self) -> None:
        """Go on with the random numbers of the checkpoint that is resumed."""
        if self._random is not None:
            restore_random_state(self._random, self.device)
            self._random = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the record, how the weights came about, and the state of the random numbers."""
        checkpoint[RECORD_KEY] = self.record.to_dict() | {"training": self.training_record(checkpoint)}
        checkpoint[RANDOM_KEY] = random_state(self.device)

    def training_record(self, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Say in plain values how the weights of a checkpoint came about; predicting does without.

        Returns:
            ``weights``: whether ``state_dict`` holds the moving ``average`` or the ``current`` weights, and
            ``release``.
        """
        averaged = "averaging_state" in checkpoint
        return {"weights": "average" if averaged else "current", "release": __version__}

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Refuse weights of another tree, band set or model; take over the normalisation they know.

        Raises:
            CheckpointError: The record differs; what differs is named.
        """
        saved = require_same_model(checkpoint, self.record)
        # the weights bring their own mean and std (buffers of the model): the record must say the same
        self.record = replace(self.record, mean=saved.mean, std=saved.std)
        self._random = checkpoint.get(RANDOM_KEY)


__all__ = ("SegmentationTask",)
