"""TransLUTask: carry a trained model over to another domain with another class tree."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..errors import CheckpointError, OptionError
from ..losses.hierarchical import HSCLoss
from ..models.checkpoint_file import load_weights, read_checkpoint, scene_weights, weights_below
from ..models.factory import ModelConfig
from ..models.init_report import InitReport
from ..models.map_model import MapModel
from ..models.record import RECORD_KEY, ModelRecord, Transfer
from ..models.scene_model import SceneModel
from ..models.trained_model import check_weights
from ..models.transfer.cdks import CDKSOptions
from ..models.transfer.translu import TransLU
from ..models.transplant import transplant
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX, Batch, ReadRecipe
from .base import SegmentationTask
from .recipe import Recipe
from .start import log_report

_LOG = logging.getLogger(__name__)

Start = Literal["scratch", "backbone", "decoder"]
PseudoLabels = Literal["everywhere", "unlabelled"]


class TransLUTask(SegmentationTask):
    """Train a target model beside a frozen source model (Ai et al. 2026, section III-D).

    With neither ``cdks`` nor ``cdsa`` it trains the target model alone, from the source's weights: the
    baselines. The checkpoint carries both class trees and the source branch: predicting needs nothing else.
    Under the command line, ``bands``, ``mean``, ``std``, ``gsd_m`` and ``chip_size`` come from the data.

    Args:
        taxonomy: Target tree: catalog name, path of a YAML file, or the tree itself. With ``cdsa`` its
            anchors name classes of the source's tree.
        bands: Canonical band names in channel order; those of the source are among them.
        mean: Normalisation of the target branch per band, in stored values.
        std: Normalisation of the target branch per band, in stored values.
        source: Checkpoint of the trained source model; None only for a start from scratch on its own.
        cdks: Whether the two backbones share what they see.
        cdsa: Whether the trees are aligned by their anchors.
        start: Where the target's weights come from: the source's ``backbone``, its backbone and ``decoder``
            (where shapes fit), or ``scratch``.
        start_checkpoint: Checkpoint of a model with a source branch to go on from, for example one that
            ``hierars-geo expand`` gave more categories: its target branch, class by class by name, its
            interactions and, where ``source`` is not given, its source branch. ``start`` does not count then.
        freeze_backbone: Train the target's decoder and head alone, its backbone staying in eval mode.
        pseudo_labels: Where the source's own decision is the label of an anchored level: ``everywhere``, as
            published, or only on what the target leaves ``unlabelled``: better where labels are many.
        architecture: Decoder of the target (default: the source's).
        encoder: Backbone of the target (default: the source's).
        mode: How the levels talk, see :class:`hierars_geo.models.BHCCM`.
        dropout: Before the classifiers, 0..1.
        model_options: Further options of the architecture (default: the source's, where it is the same
            architecture and encoder).
        attention: ``deformable`` or ``cross``.
        heads: Of the attention.
        points: Sampled per head and place by deformable attention.
        value_ratio: Channels of the values over those of the stream.
        ffn_ratio: Hidden channels of the ConvFFN over those of the stream.
        drop_path: Share of samples whose ConvFFN is left out while training.
        alpha: Weight of the path term.
        level_weights: Weight of every level in HCE, default 1.
        lr: Peak learning rate.
        weight_decay: Of weights; norms, biases and tables of positions do not decay.
        betas: Of AdamW.
        warmup_steps: Linear warm-up, in optimiser steps.
        power: Of the polynomial decay to 0.
        layer_decay: Factor on the learning rate per group of backbone layers towards the input.
        ema_decay: Of a moving average of the weights that validates and predicts; None for none.
        chip_size: Side of a training chip in pixels, for the record.
        gsd_m: Ground sampling distance in metres, for the record.
        read: How scenes are read, for the record; None for by the names of the bands alone.

    Raises:
        HieraRSError: A tree, the source or the model cannot be used as the arguments say.
    """

    model: MapModel
    loss: HSCLoss

    def __init__(
        self,
        taxonomy: str | Taxonomy,
        bands: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        source: str | None = None,
        cdks: bool = True,
        cdsa: bool = True,
        start: Start = "decoder",
        start_checkpoint: str | None = None,
        freeze_backbone: bool = False,
        pseudo_labels: PseudoLabels = "everywhere",
        architecture: str | None = None,
        encoder: str | None = None,
        mode: str = "residual",
        dropout: float = 0.1,
        model_options: dict[str, Any] | None = None,
        attention: Literal["deformable", "cross"] = "deformable",
        heads: int = 16,
        points: int = 4,
        value_ratio: float = 0.5,
        ffn_ratio: float = 0.25,
        drop_path: float = 0.4,
        alpha: float = 1.0,
        level_weights: Sequence[float] | None = None,
        lr: float = 1e-4,
        weight_decay: float = 0.05,
        betas: tuple[float, float] = (0.9, 0.999),
        warmup_steps: int = 1500,
        power: float = 1.0,
        layer_decay: float | None = None,
        ema_decay: float | None = None,
        chip_size: int | None = None,
        gsd_m: float | None = None,
        read: ReadRecipe | None = None,
    ) -> None:
        _check_options(alpha, mode, pseudo_labels)
        begun = None if start_checkpoint is None else _Begun.read(start_checkpoint)
        trained = None if source is None else _Source.read(source)
        if trained is None and begun is not None:
            trained = begun.source()
        if trained is None and (cdks or cdsa or start != "scratch"):
            raise OptionError(
                "Expected source, the checkpoint of a trained model, with cdks, cdsa or a start other than "
                "scratch, but got none."
            )
        tree = taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.from_yaml(taxonomy)
        transfer = None
        if trained is not None and (cdks or cdsa):
            options = CDKSOptions(attention, heads, points, value_ratio, ffn_ratio, drop_path)
            transfer = Transfer(trained.record, cdks, cdsa, options)
        record = ModelRecord(
            taxonomy=tree,
            read=replace(read or ReadRecipe(()), bands=tuple(bands)),
            mean=tuple(float(value) for value in mean),
            std=tuple(float(value) for value in std),
            model=_target_config(trained, architecture, encoder, mode, dropout, model_options),
            chip_size=chip_size,
            gsd_m=gsd_m,
            transfer=transfer,
        )
        super().__init__(record, Recipe(lr, weight_decay, betas, warmup_steps, power, layer_decay), ema_decay)
        self.model = record.build()
        #: What the target's weights came from, kept by every checkpoint; None from scratch.
        self.started_from: dict[str, Any] | None = None
        self._report: InitReport | None = None
        self._pseudo_labels = pseudo_labels
        if trained is not None:
            if isinstance(self.model, TransLU):
                trained.load_into(self.model.source)
            if begun is not None:
                self._take_over(begun.load_into(self.target_model, self.model, record), begun.path)
            elif start != "scratch":
                report = transplant(self.target_model, trained.weights, trained.record, record, start)
                self._take_over(report, trained.path)
        self._frozen: list[torch.nn.Module] = []
        if freeze_backbone:
            self._frozen.append(self.target_model.segmenter.features.body.get_submodule("encoder"))
        for module in self._frozen:
            module.requires_grad_(False).eval()
        self.loss = HSCLoss(tree.paths, tree.num_classes, alpha, level_weights)
        self._pixels: Tensor | None = None  # labelled, contradicting

    def _take_over(self, report: InitReport, path: Path) -> None:
        self._report = report
        self.started_from = {"checkpoint": str(path), "report": report.to_dict()}

    @property
    def target_model(self) -> SceneModel:
        """The branch that is trained."""
        model = self.model.target if isinstance(self.model, TransLU) else self.model
        if not isinstance(model, SceneModel):
            raise TypeError(
                f"Expected the trained branch to be a SceneModel, but got {type(model).__name__}."
            )
        return model

    def forward(self, image: Tensor, valid: Tensor | None = None) -> list[Tensor]:
        """Compute logits (B, C_l, H, W) per level from stored values."""
        logits: list[Tensor] = self.model(image, valid)
        return logits

    def train(self, mode: bool = True) -> "TransLUTask":
        """Set the mode of what is trained; what is frozen stays in eval mode."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def trained_modules(self) -> Sequence[torch.nn.Module]:
        """Return what the optimiser sees: never the source branch."""
        if not isinstance(self.model, TransLU):
            return [self.model]
        return [self.model.target, *([] if self.model.cdks is None else [self.model.cdks])]

    def logits_and_target(self, batch: Batch) -> tuple[list[Tensor], Tensor | Sequence[Tensor]]:
        """Compute the logits of a batch, and its labels with the source's own at the anchored levels.

        A source label above a target label that is not below it is no legal path: such pixels count in HCE
        and are left out of the path term; their share is logged.
        """
        if not isinstance(self.model, TransLU) or self.model.cdsa is None:
            return super().logits_and_target(batch)
        logits, scores = self.model.with_source(batch["image"], batch["valid"])
        with self._full_precision():
            levels, _ = self.loss.targets(self.target(batch))
            everywhere = self._pseudo_labels == "everywhere"
            target = self.model.cdsa.pseudo_labels(scores, levels, batch["valid"], everywhere)
            if self.training:
                self._count_contradictions(target, self.model.cdsa.contradictions(target))
        return logits, target

    def _count_contradictions(self, target: Sequence[Tensor], contradicting: Tensor) -> None:
        counts = torch.stack([(target[-1] != IGNORE_INDEX).sum(), contradicting.sum()])
        self._pixels = counts if self._pixels is None else self._pixels + counts
        share = counts[1] / counts[0].clamp(min=1)
        self.log("train/contradicting", share, batch_size=target[-1].shape[0])

    def on_fit_start(self) -> None:
        """Say which weights were copied and which are new, unless the training is resumed."""
        if self._report is not None and self.started_from is not None and self.trainer.is_global_zero:
            log_report(self._report, self.started_from["checkpoint"])

    def training_record(self, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Add the start; see :meth:`SegmentationTask.training_record`."""
        start = {} if self.started_from is None else {"start": self.started_from}
        return super().training_record(checkpoint) | start

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Take over the start; see :meth:`SegmentationTask.on_load_checkpoint`.

        Raises:
            CheckpointError: The record differs; what differs is named.
        """
        super().on_load_checkpoint(checkpoint)
        training = checkpoint[RECORD_KEY].get("training") or {}
        self._report, self.started_from = None, training.get("start")

    def on_train_end(self) -> None:
        """Say how many labels the source's view of the ground contradicts."""
        labelled, contradicting = (0, 0) if self._pixels is None else self._pixels.tolist()
        if contradicting and self.trainer.is_global_zero:
            _LOG.info(
                "%.1f %% of the labelled pixels seen (%d of %d) form no legal path of %s with what the "
                "source model sees; the path term left them out.",
                100 * contradicting / labelled,
                contradicting,
                labelled,
                self.taxonomy.name,
            )


@dataclass(frozen=True)
class _Source:
    """A trained source model as it was stored."""

    path: Path
    record: ModelRecord
    weights: dict[str, Tensor]

    @classmethod
    def read(cls, path: str | Path) -> "_Source":
        """Read a checkpoint.

        Raises:
            MissingFileError: There is no such file.
            CheckpointError: It cannot be used as a source.
        """
        content = read_checkpoint(path)
        record = ModelRecord.from_dict(content[RECORD_KEY], str(path))
        if record.transfer is not None:
            raise CheckpointError(
                f"Expected a source model of one branch, but {path} has a source branch of its own. Give the "
                "checkpoint of the land-cover model."
            )
        weights = scene_weights(content["state_dict"])
        check_weights(record, weights, str(path))
        return cls(Path(path), record, weights)

    def load_into(self, model: SceneModel) -> None:
        """Fill the source branch.

        Raises:
            CheckpointError: The weights do not fit their own record.
        """
        load_weights(model, self.weights, f"Expected the weights in {self.path} to fit its own model record")


@dataclass(frozen=True)
class _Begun:
    """A model with a source branch to go on from, as it was stored."""

    path: Path
    record: ModelRecord
    state: dict[str, Tensor]

    @classmethod
    def read(cls, path: str | Path) -> "_Begun":
        """Read a checkpoint.

        Raises:
            MissingFileError: There is no such file.
            CheckpointError: It is damaged, holds code, or was written by something else.
        """
        content = read_checkpoint(path)
        record = ModelRecord.from_dict(content[RECORD_KEY], str(path))
        return cls(Path(path), record, content["state_dict"])

    def source(self) -> _Source:
        """Return its source branch.

        Raises:
            CheckpointError: It has none.
        """
        if self.record.transfer is None:
            raise CheckpointError(
                f"Expected a model with a source branch, but {self.path} has none. Give source, the "
                "checkpoint of the land-cover model, too."
            )
        record, weights = self.record.transfer.source, weights_below(self.state, "model.source.")
        check_weights(record, weights, str(self.path))
        return _Source(self.path, record, weights)

    def load_into(self, target: SceneModel, model: MapModel, record: ModelRecord) -> InitReport:
        """Take over the target branch, class by class by name, and the interactions.

        Args:
            target: The branch that is trained, filled in place.
            model: What holds it.
            record: What it was built from.

        Raises:
            CheckpointError: They are of another encoder, or the interactions others than those configured.
        """
        report = transplant(target, scene_weights(self.state), self.record, record)
        if isinstance(model, TransLU) and model.cdks is not None:
            expected = f"Expected {self.path} to hold the interactions that are configured"
            load_weights(model.cdks, weights_below(self.state, "model.cdks."), expected)
        return report


def _check_options(alpha: float, mode: str, pseudo_labels: str) -> None:
    """Refuse values that no training can use.

    Raises:
        OptionError: One is out of range.
    """
    if alpha < 0:
        raise OptionError(f"Expected alpha to be >= 0, but got {alpha}.")
    if pseudo_labels not in get_args(PseudoLabels):
        raise OptionError(
            f"Expected pseudo_labels to be one of {', '.join(get_args(PseudoLabels))}, but got "
            f"'{pseudo_labels}'."
        )
    if mode == "flat":
        raise OptionError("Expected a mode with several levels, but got 'flat'. Train it by BHCCMTask.")


def _target_config(
    source: _Source | None,
    architecture: str | None,
    encoder: str | None,
    mode: str,
    dropout: float,
    options: dict[str, Any] | None,
) -> ModelConfig:
    """Fill in what the source's configuration says where nothing else is asked for."""
    own = ModelConfig() if source is None else source.record.model
    same = architecture in (None, own.architecture) and encoder in (None, own.encoder)
    if options is None:
        options = dict(own.options) if same else {}
    return ModelConfig(architecture or own.architecture, encoder or own.encoder, mode, dropout, options)


__all__ = ("TransLUTask",)
