"""BHCCMTask: train and score a flat or hierarchical segmentation model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from ..errors import CheckpointError, DataError, OptionError
from ..metrics import HierarchicalMetrics
from ..nn import (
    RECORD_KEY,
    HCCLoss,
    HSCLoss,
    ModelConfig,
    ModelRecord,
    SceneModel,
    is_legal,
    jsps,
    path_logits,
)
from ..taxonomy import Taxonomy
from ..types import Batch
from .recipe import parameter_groups, warmup_polynomial

LOSSES: dict[str, type[HSCLoss | HCCLoss]] = {"hsc": HSCLoss, "hcc": HCCLoss}


class BHCCMTask(LightningModule):
    """Semantic segmentation with a class tree (Ai et al. 2026).

    The checkpoint carries the taxonomy, the bands, the normalisation and the model's configuration:
    predicting needs nothing else. Under the command line, ``bands``, ``mean``, ``std``, ``gsd_m`` and
    ``chip_size`` come from the data module.

    Args:
        taxonomy: Catalog name, path of a YAML file, or the tree itself.
        bands: Canonical band names in channel order.
        mean: Normalisation per band, in stored values.
        std: Normalisation per band, in stored values.
        architecture: Decoder, see :func:`hierars_geo.nn.architectures`.
        encoder: Backbone, a name of segmentation-models-pytorch or ``tu-<timm name>``.
        mode: ``flat`` (leaves alone, coarser levels by lifting) or how the levels talk, see
            :class:`hierars_geo.nn.BHCCM`.
        dropout: Before the classifiers, 0..1.
        model_options: Further options of the architecture, for example ``{"decoder_channels": 128}``.
        encoder_weights: Pretrained weights by name, or None; fetched only when training starts from them.
        loss: ``hsc`` (with ``alpha = 0`` it is HCE alone) or the legacy ``hcc``.
        alpha: Weight of the path term.
        level_weights: Weight of every level in HCE, default 1.
        lr: Peak learning rate.
        weight_decay: Of weights; norms and biases do not decay.
        betas: Of AdamW.
        warmup_steps: Linear warm-up, in optimiser steps.
        power: Of the polynomial decay to 0.
        chip_size: Side of a training chip in pixels, for the record.
        gsd_m: Ground sampling distance in metres, for the record.

    Raises:
        HieraRSError: The taxonomy or the model cannot be built from the arguments.
    """

    def __init__(
        self,
        taxonomy: str | Taxonomy,
        bands: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        architecture: str = "upernet",
        encoder: str = "resnet18",
        mode: str = "residual",
        dropout: float = 0.1,
        model_options: dict[str, Any] | None = None,
        encoder_weights: str | None = None,
        loss: Literal["hsc", "hcc"] = "hsc",
        alpha: float = 2.0,
        level_weights: Sequence[float] | None = None,
        lr: float = 1e-4,
        weight_decay: float = 0.05,
        betas: tuple[float, float] = (0.9, 0.999),
        warmup_steps: int = 1500,
        power: float = 1.0,
        chip_size: int | None = None,
        gsd_m: float | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("alpha", alpha), ("weight_decay", weight_decay), ("warmup_steps", warmup_steps)):
            if value < 0:
                raise OptionError(f"Expected {name} to be >= 0, but got {value}.")
        if lr <= 0:
            raise OptionError(f"Expected lr to be > 0, but got {lr}.")
        tree = taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.from_yaml(taxonomy)
        self.lr, self.weight_decay, self.betas = lr, weight_decay, betas
        self.warmup_steps, self.power = warmup_steps, power
        self.record = ModelRecord(
            taxonomy=tree,
            bands=tuple(bands),
            mean=tuple(float(value) for value in mean),
            std=tuple(float(value) for value in std),
            model=ModelConfig(architecture, encoder, mode, dropout, dict(model_options or {})),
            chip_size=chip_size,
            gsd_m=gsd_m,
        )
        self.model: SceneModel = self.record.build(encoder_weights)
        self.flat = mode == "flat"
        self.loss: HSCLoss | HCCLoss
        if self.flat:  # one level: its path term would repeat the cross entropy
            self.loss = HSCLoss(np.arange(tree.num_classes[-1])[:, None], tree.num_classes[-1:], alpha=0.0)
        else:
            self.loss = LOSSES[loss](tree.paths, tree.num_classes, alpha, level_weights)
        self.paths: Tensor
        self.register_buffer("paths", torch.from_numpy(tree.paths.copy()), persistent=False)
        self.val_metrics = HierarchicalMetrics(tree)
        self.test_metrics = HierarchicalMetrics(tree)

    @property
    def taxonomy(self) -> Taxonomy:
        """The class tree."""
        return self.record.taxonomy

    def forward(self, image: Tensor, valid: Tensor | None = None) -> list[Tensor]:
        """Compute logits (B, C_l, H, W) per level from stored values; a flat model gives the leaves alone."""
        logits: list[Tensor] = self.model(image, valid)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the loss of a batch."""
        losses = self.loss(self(batch["image"], batch["valid"]), self._target(batch))
        size = batch["image"].shape[0]
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()}, batch_size=size)
        if not torch.isfinite(losses["loss"]):
            raise DataError(
                f"Expected a finite loss, but got {losses['loss'].item()} at step {self.global_step} on "
                f"chips {batch.get('bounds')}. Lower the learning rate or check these chips' values."
            )
        loss: Tensor = losses["loss"]
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a validation batch."""
        self._count(batch, self.val_metrics, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a test batch."""
        self._count(batch, self.test_metrics, "test")

    def _count(self, batch: Batch, metrics: HierarchicalMetrics, stage: str) -> None:
        logits = self(batch["image"], batch["valid"])
        losses = self.loss(logits, self._target(batch))
        size = batch["image"].shape[0]
        self.log(f"{stage}/loss", losses["loss"], batch_size=size, on_epoch=True, sync_dist=True)
        decoded = jsps(path_logits(logits, self.paths), self.paths)
        legal = None
        if not self.flat:
            legal = is_legal(torch.stack([level.argmax(dim=1) for level in logits], dim=1), self.paths)
        metrics.update(decoded, batch.get("level_masks", batch["mask"]), legal)

    def _target(self, batch: Batch) -> Tensor | Sequence[Tensor]:
        """Choose what the loss compares with: leaves, or a mask per level where some are known coarsely."""
        levels = batch.get("level_masks")
        return batch["mask"] if levels is None or self.flat else levels.unbind(dim=1)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of every level."""
        self._log_scores(self.val_metrics, "val")

    def on_test_epoch_end(self) -> None:
        """Log the scores of every level."""
        self._log_scores(self.test_metrics, "test")

    def _log_scores(self, metrics: HierarchicalMetrics, stage: str) -> None:
        scores = metrics.compute()
        for number, level in enumerate(scores.levels, start=1):
            self.log(f"{stage}/mIoU_L{number}", level.miou, prog_bar=number == len(scores.levels))
            self.log(f"{stage}/OA_L{number}", level.oa)
        if scores.consistency is not None:
            self.log(f"{stage}/consistency", scores.consistency)
        metrics.reset()

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW with warm-up and polynomial decay, stepped per optimiser step.

        Raises:
            OptionError: The training has no end that the decay could run to.
        """
        total_steps = self.trainer.estimated_stepping_batches
        if not math.isfinite(total_steps):
            raise OptionError(
                "Expected a training with an end, for the learning rate to decay to, but got none. "
                "Set the trainer's max_steps or max_epochs."
            )
        optimizer = torch.optim.AdamW(
            parameter_groups([self.model], self.weight_decay), lr=self.lr, betas=self.betas
        )
        factor = partial(
            warmup_polynomial,
            total_steps=int(total_steps),
            warmup_steps=self.warmup_steps,
            power=self.power,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the record."""
        checkpoint[RECORD_KEY] = self.record.to_dict()

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Refuse weights of another tree, band set or model; take over the normalisation they know.

        Raises:
            CheckpointError: The record differs; what differs is named.
        """
        saved = checkpoint.get(RECORD_KEY)
        if saved is None:
            raise CheckpointError(
                "Expected a checkpoint written by this package, but it holds no model record."
            )
        own = self.record.to_dict()
        for key in ("taxonomy", "bands", "model"):
            found, expected = saved.get(key), own[key]
            if found == expected:
                continue
            if key == "taxonomy":
                found, expected = found.get("name"), f"{expected['name']} as it is now"
            raise CheckpointError(
                f"Expected a checkpoint with {key} {expected}, but got {found}. "
                "Resume with the configuration the checkpoint was trained with."
            )
        # the weights bring their own mean and std (buffers of the model): the record must say the same
        self.record = replace(self.record, mean=tuple(saved["mean"]), std=tuple(saved["std"]))


__all__ = ("BHCCMTask",)
