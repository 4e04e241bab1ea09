"""TransLUTask: carry a trained model over to another domain with another class tree."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..errors import CheckpointError, OptionError
from ..losses.hierarchical import HSCLoss
from ..models.build import build_model
from ..models.checkpoint import Checkpoint, load_weights
from ..models.factory import check_config
from ..models.init_report import InitReport, log_report
from ..models.map_model import MapModel
from ..models.record import RECORD_KEY, CDKSOptions, ModelConfig, ModelRecord, Transfer
from ..models.scene_model import SceneModel
from ..models.transfer.translu import TransLU
from ..models.transplanting import transplant
from ..models.tuning import freeze
from ..scenes.sensors import spectral_bands
from ..types import IGNORE_INDEX, Batch, as_group
from .base import SegmentationTask
from .batches import ground_valid
from .checkpoints import plain_options
from .loss import LossOptions
from .optimizer import OptimizerOptions, ScheduleOptions
from .training_data import TrainingData

_LOG = logging.getLogger(__name__)

PseudoLabels = Literal["everywhere", "unlabelled"]


@dataclass(frozen=True)
class TransferStart:
    """Where the weights of the target come from.

    Attributes:
        parts: Of the source its ``backbone``, its backbone and ``decoder`` (where shapes fit), or nothing:
            ``scratch``.
        checkpoint: Checkpoint of a model with a source branch to go on from, for example one that
            ``hierars-geo expand`` gave more categories: its target branch, class by class by name, its
            interactions and, where ``source`` is not given, its source branch. ``parts`` does not count then.
        freeze_backbone: Train the target's decoder and head alone, its backbone staying in eval mode.
    """

    parts: Literal["scratch", "backbone", "decoder"] = "decoder"
    checkpoint: str | None = None
    freeze_backbone: bool = False


#: Batches after which contradicting labels are first told; a training may take days.
_FIRST_BATCHES = 10
#: Share of contradicting labels from which on something should be tried.
_MANY = 0.1
_ADVICE = (
    " Try pseudo_labels: unlabelled, which takes the source's word only where there is no label, and look "
    "at the anchors of the tree."
)


class TransLUTask(SegmentationTask):
    """Train a target model beside a frozen source model (Ai et al. 2026, section III-D).

    With neither ``cdks`` nor ``cdsa`` it trains the target model alone, from the source's weights: the
    baselines. Bands, statistics and tree of the target follow from the data module; with ``cdsa`` the anchors
    of its tree name classes of the source's, and the bands of the source are among its bands. The checkpoint
    carries both class trees and the source branch: predicting needs nothing else.

    Args:
        source: Checkpoint of the trained source model; None only for a start from scratch on its own.
        cdks: Whether the two backbones share what they see.
        cdsa: Whether the trees are aligned by their anchors.
        interaction: How the backbones talk.
        start: Where the weights of the target come from.
        pseudo_labels: Where the source's own decision is the label of an anchored level: ``everywhere``, as
            published, or only on what the target leaves ``unlabelled``: better where labels are many.
        architecture: Decoder of the target (default: the source's).
        encoder: Backbone of the target (default: the source's).
        mode: How the levels talk, see :class:`hierars_geo.models.BHCCM`.
        dropout: Before the classifiers, 0..1.
        model_options: Further options of the architecture (default: the source's, where it is the same
            architecture and encoder); of series also ``temporal`` (default: the source's).
        loss: What is minimised: HSC, with alpha 1 where nothing is said.
        optimizer: How the weights move.
        schedule: How the learning rate runs.
        compile: Whether to compile the model for training, or with which backend of torch.compile.

    Raises:
        HieraRSError: The source or an option cannot be used.
    """

    model: MapModel
    loss: HSCLoss

    def __init__(
        self,
        source: str | None = None,
        cdks: bool = True,
        cdsa: bool = True,
        interaction: CDKSOptions = CDKSOptions(),  # noqa: B008 - frozen
        start: TransferStart = TransferStart(),
        pseudo_labels: PseudoLabels = "everywhere",
        architecture: str | None = None,
        encoder: str | None = None,
        mode: str = "residual",
        dropout: float = 0.1,
        model_options: dict[str, Any] | None = None,
        loss: LossOptions = LossOptions(alpha=1.0),  # noqa: B008
        optimizer: OptimizerOptions = OptimizerOptions(),  # noqa: B008
        schedule: ScheduleOptions = ScheduleOptions(),  # noqa: B008
        compile: bool | str = False,  # the option's name; nothing here calls the builtin
    ) -> None:
        told = plain_options(locals())
        start = as_group(TransferStart, start)
        interaction = as_group(CDKSOptions, interaction)
        weighed = {"alpha": 1.0, **loss} if isinstance(loss, Mapping) else loss
        super().__init__(optimizer, schedule, weighed, compile)
        _check_options(self.loss_options, mode, pseudo_labels)
        self.start, self.interaction = start, interaction
        self.cdks, self.cdsa = cdks, cdsa
        self._begun = None if start.checkpoint is None else Checkpoint.read(start.checkpoint)
        self._trained = None if source is None else _read_source(source)
        if self._trained is None and self._begun is not None:
            self._trained = self._begun.source()
        self._config = _target_config(self._trained, architecture, encoder, mode, dropout, model_options)
        check_config(self._config)
        self._pseudo_labels = pseudo_labels
        #: What the target's weights came from, kept by every checkpoint; None from scratch.
        self.started_from: dict[str, Any] | None = None
        self._report: InitReport | None = None
        self._pixels: Tensor | None = None  # labelled, contradicting
        self._batches = 0
        self.told = told

    @staticmethod
    def without_start() -> dict[str, Any]:
        """Return the options of a task whose weights come from its own checkpoint alone."""
        return {"source": None, "start": TransferStart()}

    def describe(self, data: TrainingData) -> ModelRecord:
        """Compose what the checkpoint says of both branches for some data.

        Raises:
            OptionError: There is no source where one is needed, or one that reads scenes otherwise.
        """
        source = self._trained
        if data.by_weights:
            raise OptionError(
                "Expected normalization.method weights with pretrained weights of an encoder, but TransLU "
                "starts from a trained model. Take statistics."
            )
        if source is None and (self.cdks or self.cdsa or self.start.parts != "scratch"):
            raise OptionError(
                "Expected source, the checkpoint of a trained model, with cdks, cdsa or a start other than "
                "scratch, but got none."
            )
        transfer = None
        if source is not None and (self.cdks or self.cdsa):
            if source.record.read.standardize != data.read.standardize:
                raise OptionError(
                    "Expected normalization.method scene for both branches or for none, which see one image, "
                    f"but got it for the {'source' if source.record.read.standardize else 'target'} alone."
                )
            transfer = Transfer(source.record, self.cdks, self.cdsa, self.interaction)
        return ModelRecord(
            taxonomy=data.taxonomy,
            read=data.read,
            mean=tuple(float(value) for value in data.mean),
            std=tuple(float(value) for value in data.std),
            model=self._config,
            chip_size=data.chip_size,
            gsd_m=data.gsd_m,
            transfer=transfer,
        )

    def build_model(self, record: ModelRecord) -> MapModel:
        """Build both branches, with the weights of the source in place."""
        model = build_model(record)
        target = _target_of(model)
        if self._trained is not None:
            if isinstance(model, TransLU):
                expected = f"Expected the weights in {self._trained.path} to fit its own model record"
                load_weights(model.source, self._trained.scene_weights, expected)
            if self._begun is not None:
                self._take_over(_go_on(self._begun, target, model, record), self._begun.path)
            elif self.start.parts != "scratch":
                source = self._trained
                parts = self.start.parts
                report = transplant(
                    target, source.scene_weights, source.record, record, parts, spectra=spectral_bands
                )
                self._take_over(report, source.path)
        self._trained = self._begun = None  # their weights are in the model now
        if self.start.freeze_backbone:
            self._frozen += freeze(target.segmenter.features.body.get_submodule("encoder"))
        return model

    def _take_over(self, report: InitReport, path: Path) -> None:
        self._report = report
        self.started_from = {"checkpoint": str(path), "report": report.to_dict()}

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
        logits, scores = self.model.with_source(batch["image"], batch["valid"], batch.get("doy"))
        with self._full_precision():
            members = batch["label_table"][0] if "label_set" in batch else None
            levels, _ = self.loss.targets(self.target(batch), members)
            everywhere = self._pseudo_labels == "everywhere"
            target = self.model.cdsa.pseudo_labels(scores, levels, ground_valid(batch), everywhere)
            if self.training:
                self._count_contradictions(target, self.model.cdsa.contradictions(target))
        return logits, target

    def _count_contradictions(self, target: Sequence[Tensor], contradicting: Tensor) -> None:
        counts = torch.stack([(target[-1] != IGNORE_INDEX).sum(), contradicting.sum()])
        self._pixels = counts if self._pixels is None else self._pixels + counts
        share = counts[1] / counts[0].clamp(min=1)
        self.log("train/contradicting", share, batch_size=target[-1].shape[0])
        self._batches += 1
        if self._batches == _FIRST_BATCHES:
            self._tell_contradictions()

    def on_fit_start(self) -> None:
        """Say which weights were copied and which are new, unless the training is resumed."""
        if self._report is not None and self.started_from is not None and self.trainer.is_global_zero:
            log_report(self._report, self.started_from["checkpoint"])

    def training_record(self, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Add the start; see :meth:`SegmentationTask.training_record`."""
        start = {} if self.started_from is None else {"start": self.started_from}
        return super().training_record(checkpoint) | start

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over the start; see :meth:`SegmentationTask.on_load_checkpoint`.

        Raises:
            CheckpointError: The record differs; what differs is named.
        """
        super().on_load_checkpoint(checkpoint)
        training = checkpoint[RECORD_KEY].get("training") or {}
        self._report, self.started_from = None, training.get("start")

    def on_train_end(self) -> None:
        """Say how many labels the source's view of the ground contradicts."""
        self._tell_contradictions()

    def _tell_contradictions(self) -> None:
        """Say it of the batches so far, and what may help where they are many."""
        labelled, contradicting = (0, 0) if self._pixels is None else self._pixels.tolist()
        if contradicting and self.trainer.is_global_zero:
            _LOG.info(
                "%.1f %% of the labelled pixels seen (%d of %d) form no legal path of %s with what the "
                "source model sees; the path term leaves them out.%s",
                100 * contradicting / labelled,
                contradicting,
                labelled,
                self.taxonomy.name,
                _ADVICE if contradicting > _MANY * labelled and self._pseudo_labels == "everywhere" else "",
            )


def _read_source(path: str | Path) -> Checkpoint:
    """Read the checkpoint of a source model.

    Raises:
        MissingFileError: There is no such file.
        CheckpointError: It cannot be used as a source.
    """
    source = Checkpoint.read(path)
    if source.record.transfer is not None:
        raise CheckpointError(
            f"Expected a source model of one branch, but {path} has a source branch of its own. Give the "
            "checkpoint of the land-cover model."
        )
    return source


def _go_on(begun: Checkpoint, target: SceneModel, model: MapModel, record: ModelRecord) -> InitReport:
    """Fill the target branch of a model, and its interactions, from a model with a source branch.

    Raises:
        CheckpointError: They are of another encoder, or the interactions others than those configured.
    """
    report = transplant(target, begun.scene_weights, begun.record, record, spectra=spectral_bands)
    if isinstance(model, TransLU) and model.cdks is not None:
        expected = f"Expected {begun.path} to hold the interactions that are configured"
        load_weights(model.cdks, begun.weights("model.cdks."), expected)
    return report


def _target_of(model: MapModel) -> SceneModel:
    """Return the branch that is trained."""
    target = model.target if isinstance(model, TransLU) else model
    if not isinstance(target, SceneModel):
        raise TypeError(f"Expected the trained branch to be a SceneModel, but got {type(target).__name__}.")
    return target


def _check_options(loss: LossOptions, mode: str, pseudo_labels: str) -> None:
    """Refuse values that no training can use."""
    if loss.name != "hsc" or loss.counts_classes:
        raise OptionError(
            f"Expected loss hsc with given class weights or none, but got {loss.name} with "
            f"{loss.class_weights}. Leave them out."
        )
    if pseudo_labels not in get_args(PseudoLabels):
        raise OptionError(
            f"Expected pseudo_labels to be one of {', '.join(get_args(PseudoLabels))}, but got "
            f"'{pseudo_labels}'."
        )
    if mode == "flat":
        raise OptionError("Expected a mode with several levels, but got 'flat'. Train it by BHCCMTask.")


def _target_config(
    source: Checkpoint | None,
    architecture: str | None,
    encoder: str | None,
    mode: str,
    dropout: float,
    options: dict[str, Any] | None,
) -> ModelConfig:
    """Fill in what the source's configuration says where nothing else is asked for."""
    own = ModelConfig() if source is None else source.record.model
    same = architecture in (None, own.architecture) and encoder in (None, own.encoder)
    options = dict(own.options if same else {}) if options is None else dict(options)
    temporal = options.pop("temporal", own.temporal)
    return ModelConfig(
        architecture or own.architecture, encoder or own.encoder, mode, dropout, options, temporal
    )
