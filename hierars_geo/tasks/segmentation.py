"""BHCCMTask: train and score a flat or hierarchical segmentation model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import OptionError
from ..losses.hierarchical import HCCLoss, HSCLoss
from ..models.band_adaptation import BandAdaptation
from ..models.factory import ModelConfig
from ..models.record import RECORD_KEY, ModelRecord
from ..models.scene_model import SceneModel
from ..models.transplant import Parts
from ..taxonomy import Taxonomy
from ..types import ReadRecipe
from .base import SegmentationTask
from .class_weights import Frequencies, Weighting, check_class_weights, check_rule, class_weights
from .recipe import Recipe
from .start import StartCheckpoint, log_report

LOSSES = ("hsc", "hcc")


class BHCCMTask(SegmentationTask):
    """Semantic segmentation with a class tree (Ai et al. 2026).

    The checkpoint carries the taxonomy, the bands, the normalisation and the model's configuration:
    predicting needs nothing else. Under the command line, ``bands``, ``mean``, ``std``, ``gsd_m``,
    ``chip_size`` and ``class_frequencies`` come from the data module.

    Args:
        taxonomy: Catalog name, path of a YAML file, or the tree itself.
        bands: Canonical band names in channel order.
        mean: Normalisation per band, in stored values.
        std: Normalisation per band, in stored values.
        architecture: Decoder, see :func:`hierars_geo.models.architectures`.
        encoder: Backbone, a name of segmentation-models-pytorch or ``tu-<timm name>``.
        mode: ``flat`` (leaves alone, coarser levels by lifting) or how the levels talk, see
            :class:`hierars_geo.models.BHCCM`.
        dropout: Before the classifiers, 0..1.
        model_options: Further options of the architecture, for example ``{"decoder_channels": 128}``, and of
            a timm backbone, for example ``{"drop_path_rate": 0.3}``.
        encoder_weights: Pretrained weights by name, or None; fetched only when training starts from them.
        band_adaptation: How the first layer of pretrained weights meets the bands: ``auto``, ``by_name``,
            ``repeat`` or ``average``, see :func:`hierars_geo.models.adapt_bands`.
        start_checkpoint: Trained model to start from, of this tree or another, these bands or others; read
            when training starts, not when it is resumed. None for ``encoder_weights``.
        start_parts: What of it: ``backbone``, ``decoder`` (and backbone) or ``all``, class by class by name,
            see :func:`hierars_geo.models.transplant`.
        loss: ``hsc`` (with ``alpha = 0`` it is HCE alone) or the legacy ``hcc``.
        alpha: Weight of the path term.
        level_weights: Weight of every level in HCE, default 1.
        partial_paths: Let pixels that are known at coarse levels alone count in the path term of ``hsc``, by
            the probability of all paths that agree with them; the paper leaves them out.
        class_weights: Weights of the classes in HCE: from their frequencies by ``inverse``,
            ``sqrt_inverse`` or ``effective`` (see :func:`class_weights`), a list per level, or ``none``. A
            checkpoint carries those from frequencies, so that resuming counts nothing again.
        class_frequencies: Pixels per leaf, or per level and class, or a function that counts them, called
            when training starts with weights to be computed.
        lr: Peak learning rate.
        weight_decay: Of weights; norms, biases and tables of positions do not decay.
        betas: Of AdamW.
        warmup_steps: Linear warm-up, in optimiser steps.
        power: Of the polynomial decay to 0.
        layer_decay: Factor on the learning rate per group of backbone layers towards the input (0.9 with
            ConvNeXt); None for one rate.
        ema_decay: Of a moving average of the weights that validates and predicts (0.999); None for none.
        compile: Whether to compile the model for training, or with which backend of torch.compile.
        chip_size: Side of a training chip in pixels, for the record.
        gsd_m: Ground sampling distance in metres, for the record.
        read: How scenes are read, for the record; None for by the names of the bands alone.

    Raises:
        HieraRSError: The taxonomy or the model cannot be built from the arguments.
    """

    model: SceneModel

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
        band_adaptation: BandAdaptation = "auto",
        start_checkpoint: str | None = None,
        start_parts: Parts = "all",
        loss: Literal["hsc", "hcc"] = "hsc",
        alpha: float = 2.0,
        level_weights: Sequence[float] | None = None,
        partial_paths: bool = False,
        class_weights: Weighting | list[list[float]] = "none",
        class_frequencies: Frequencies | None = None,
        lr: float = 1e-4,
        weight_decay: float = 0.05,
        betas: tuple[float, float] = (0.9, 0.999),
        warmup_steps: int = 1500,
        power: float = 1.0,
        layer_decay: float | None = None,
        ema_decay: float | None = None,
        compile: bool | str = False,  # the option's name; nothing here calls the builtin
        chip_size: int | None = None,
        gsd_m: float | None = None,
        read: ReadRecipe | None = None,
    ) -> None:
        if alpha < 0:
            raise OptionError(f"Expected alpha to be >= 0, but got {alpha}.")
        if loss not in LOSSES:
            near = get_close_matches(loss, LOSSES, cutoff=0.3) or LOSSES
            raise OptionError(f"Expected a known loss, but got '{loss}'. Near ones: {', '.join(near)}.")
        if partial_paths and (loss != "hsc" or mode == "flat"):
            raise OptionError(
                f"Expected partial_paths with loss hsc and several levels, but got loss {loss}, mode {mode}."
            )
        if start_checkpoint is not None and encoder_weights is not None:
            raise OptionError(
                f"Expected start_checkpoint or encoder_weights, but got both ({start_checkpoint}, "
                f"{encoder_weights}). Set one of them to null."
            )
        tree = taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.from_yaml(taxonomy)
        record = ModelRecord(
            taxonomy=tree,
            read=replace(read or ReadRecipe(()), bands=tuple(bands)),
            mean=tuple(float(value) for value in mean),
            std=tuple(float(value) for value in std),
            model=ModelConfig(architecture, encoder, mode, dropout, dict(model_options or {})),
            chip_size=chip_size,
            gsd_m=gsd_m,
        )
        recipe = Recipe(lr, weight_decay, betas, warmup_steps, power, layer_decay)
        super().__init__(record, recipe, ema_decay, compile)
        self.model = record.build_scene_model(encoder_weights, band_adaptation)
        self._start = start_checkpoint and StartCheckpoint(start_checkpoint, start_parts, band_adaptation)
        #: What the weights came from, once they were taken over; kept by every checkpoint that follows.
        self.started_from: dict[str, Any] | None = None
        self._weighting: str = class_weights if isinstance(class_weights, str) else "given"
        #: Weights of the classes per level; None as long as they are not known.
        self.class_weights = _known_weights(tree, class_weights)
        self._frequencies = class_frequencies
        in_loss = None if self._weighting == "none" else self.class_weights or _ones(tree)
        if self.flat:  # one level: its path term would repeat the cross entropy
            leaves = tree.num_classes[-1]
            self.loss = HSCLoss(
                np.arange(leaves)[:, None], (leaves,), 0.0, class_weights=in_loss and in_loss[-1:]
            )
        elif loss == "hsc":
            self.loss = HSCLoss(
                tree.paths,
                tree.num_classes,
                alpha,
                level_weights,
                class_weights=in_loss,
                partial_paths=partial_paths,
            )
        else:
            self.loss = HCCLoss(tree.paths, tree.num_classes, alpha, level_weights, class_weights=in_loss)

    def forward(self, image: Tensor, valid: Tensor | None = None) -> list[Tensor]:
        """Compute logits (B, C_l, H, W) per level from stored values; a flat model gives the leaves alone."""
        logits: list[Tensor] = self.model(image, valid)
        return logits

    def on_fit_start(self) -> None:
        """Take over the weights to start from, and compute the class weights that were asked for.

        Of a training that is resumed the checkpoint brought both.

        Raises:
            HieraRSError: The checkpoint to start from cannot be used; there are no frequencies, or none of
                these leaves.
        """
        if self._start and self.started_from is None:
            report = self._start.load_into(self.model, self.record)
            self.started_from = self._start.record(report)
            if self.trainer.is_global_zero:
                log_report(report, self._start.path)
        if self.class_weights is not None:
            return
        found = self._frequencies() if callable(self._frequencies) else self._frequencies
        if found is None:
            raise OptionError(
                f"Expected class_frequencies with class_weights '{self._weighting}', but got none. Give the "
                "pixels per leaf, or the weights themselves."
            )
        self._weigh(class_weights(self.taxonomy, found, self._weighting))

    def _weigh(self, weights: list[list[float]]) -> None:
        """Hand class weights to the loss."""
        self.class_weights = weights
        for number, values in enumerate(weights[-1:] if self.flat else weights):
            self.loss.get_buffer(f"class_weight_{number}").copy_(torch.tensor(values))

    def training_record(self, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Add the weights of the classes and the start; see :meth:`SegmentationTask.training_record`."""
        weights = None if self._weighting == "none" else self.class_weights
        start = {} if self.started_from is None else {"start": self.started_from}
        return super().training_record(checkpoint) | {"class_weights": weights} | start

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Take over computed class weights and the start; see :meth:`SegmentationTask.on_load_checkpoint`.

        Raises:
            CheckpointError: The record differs; what differs is named.
        """
        super().on_load_checkpoint(checkpoint)
        training = checkpoint[RECORD_KEY].get("training") or {}
        self._start, self.started_from = None, training.get("start")
        saved = training.get("class_weights")
        if saved is not None and self._weighting not in ("none", "given"):
            self._weigh(check_class_weights(self.taxonomy, saved))


def _known_weights(tree: Taxonomy, weights: Weighting | list[list[float]]) -> list[list[float]] | None:
    """Check class weights; None where they are still to be computed."""
    if not isinstance(weights, str):
        return check_class_weights(tree, weights)
    check_rule(weights)
    return _ones(tree) if weights == "none" else None


def _ones(tree: Taxonomy) -> list[list[float]]:
    return [[1.0] * count for count in tree.num_classes]


__all__ = ("BHCCMTask",)
