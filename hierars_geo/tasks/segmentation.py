"""BHCCMTask: train and score a flat or hierarchical segmentation model."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import torch
from lightning.pytorch import Callback
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig

from ..errors import CheckpointError, OptionError, list_some, unknown_name
from ..models.backbones import PRESTO, find_backbone
from ..models.band_adaptation import BandAdaptation
from ..models.build import build_scene_model
from ..models.checkpoint import Checkpoint
from ..models.class_sums import SOLVERS
from ..models.factory import HYPERCOLUMN, check_config
from ..models.init_report import InitReport, log_report
from ..models.record import RECORD_KEY, ModelConfig, ModelRecord
from ..models.scene_model import SceneModel
from ..models.temporal.presto import presto_normalisation
from ..models.transplanting import Parts, transplant
from ..models.tuning import add_low_rank, freeze, learn_to_talk, without_additions
from ..models.weight_statistics import check_scale, weight_statistics
from ..scenes.sensors import GENERIC, find_sensor, spectral_bands
from ..types import Batch, as_group
from .base import SegmentationTask
from .batches import labels_of
from .callbacks import SolvedFirst, count_as_step
from .checkpoints import plain_options
from .linear_head import Head, LinearHead, listed, measure_units
from .loss import LossOptions, check_class_weights, class_weights
from .optimizer import OptimizerOptions, ScheduleOptions
from .training_data import TrainingData

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class StartOptions:
    """Which weights a training starts from; random ones where nothing is said.

    Attributes:
        encoder_weights: Pretrained weights of the encoder by name, or a file; fetched only when training
            starts from them. See :func:`hierars_geo.models.load_encoder_weights`.
        checkpoint: Trained model to start from, of this tree or another, these bands or others; read when
            training starts, not when it is resumed.
        parts: What of it: ``backbone``, ``decoder`` (and backbone) or ``all``, class by class by name, see
            :func:`hierars_geo.models.transplant`.
        band_adaptation: How the first layer of the weights meets the bands: ``auto``, ``by_name``,
            ``repeat`` or ``average``, see :func:`hierars_geo.models.adapt_bands`.
        freeze_backbone: Train the decoder and the head alone, the encoder staying in eval mode.
        lora_rank: Train of the encoder, beside decoder and head, additions of this rank to the linear layers
            of its attention alone (LoRA); None for all of it.

    Raises:
        OptionError: Both kinds of weights are given, or options contradict each other.
    """

    encoder_weights: str | None = None
    checkpoint: str | None = None
    parts: Parts = "all"
    band_adaptation: BandAdaptation = "auto"
    freeze_backbone: bool = False
    lora_rank: int | None = None

    def __post_init__(self) -> None:
        if self.lora_rank is not None:
            self._check_low_rank(self.lora_rank)
        if self.checkpoint is not None and self.encoder_weights is not None:
            raise OptionError(
                f"Expected start.checkpoint or start.encoder_weights, but got both ({self.checkpoint}, "
                f"{self.encoder_weights}). Set one of them to null."
            )

    def _check_low_rank(self, rank: int) -> None:
        if rank < 1:
            raise OptionError(f"Expected start.lora_rank to be >= 1, but got {rank}. Set null for none.")
        if self.freeze_backbone:
            raise OptionError("Expected start.freeze_backbone or start.lora_rank, but got both. Set one.")
        if self.checkpoint is None and self.encoder_weights is None:
            raise OptionError(
                "Expected weights to start from with start.lora_rank, but got none: the encoder would stay "
                "random. Give start.encoder_weights or start.checkpoint."
            )


class BHCCMTask(SegmentationTask):
    """Semantic segmentation with a class tree (Ai et al. 2026).

    Bands, statistics and tree follow from the data module. The checkpoint carries the taxonomy, the read
    recipe, the normalisation and the model's configuration: predicting needs nothing else.

    Args:
        architecture: Decoder, see :func:`hierars_geo.models.architectures`.
        encoder: Backbone, see :func:`hierars_geo.models.encoders`.
        mode: ``flat`` (leaves alone, coarser levels by lifting) or how the levels talk, see
            :class:`hierars_geo.models.BHCCM`.
        dropout: Before the classifiers, 0..1.
        model_options: Further options of the architecture, for example ``{"decoder_channels": 128}``, and of
            a timm backbone, for example ``{"drop_path_rate": 0.3}``.
        temporal: How the dates of a series become one: ``mean``, ``max``, ``ltae`` or ``utae``; None for
            single images.
        head: ``trained`` by gradient descent; or ``ridge``, ``discriminant`` or both ``pooled``, solved for
            in closed form in one pass over the training ground: the encoder stays as it starts, hypercolumns
            take the place of the decoder, and the levels do not talk, see
            :class:`hierars_geo.tasks.LinearHead`; or ``tuned``: both pooled in the first pass, and from there
            the levels learn to talk by gradient descent, whatever was solved for staying as it is.
        loss: What is minimised.
        optimizer: How the weights move.
        schedule: How the learning rate runs.
        start: Which weights the training starts from.
        compile: Whether to compile the model for training, or with which backend of torch.compile.

    Raises:
        OptionError: An option is out of range.

    Examples:
        .. code-block:: python

            task = BHCCMTask(architecture="unet", encoder="resnet18")
            Trainer(max_steps=2000).fit(task, SceneDataModule(...))
    """

    model: SceneModel

    def __init__(
        self,
        architecture: str = "upernet",
        encoder: str = "resnet18",
        mode: str = "residual",
        dropout: float = 0.1,
        model_options: dict[str, Any] | None = None,
        temporal: str | None = None,
        head: Head = "trained",
        loss: LossOptions = LossOptions(),  # noqa: B008 - frozen
        optimizer: OptimizerOptions = OptimizerOptions(),  # noqa: B008
        schedule: ScheduleOptions = ScheduleOptions(),  # noqa: B008
        start: StartOptions = StartOptions(),
        compile: bool | str = False,  # the option's name; nothing here calls the builtin
    ) -> None:
        told = plain_options(locals())
        start = as_group(StartOptions, start)
        super().__init__(optimizer, schedule, loss, compile)
        if head not in get_args(Head):
            raise OptionError(unknown_name("head", head, get_args(Head)))
        self.head_kind: Head = head
        self._head: LinearHead | None = None
        self._unmeasured = head == "trained"  # the decoder has yet to meet its first ground
        #: How the head was solved for, and its scores on held-out ground.
        self.solved: dict[str, Any] | None = None
        self._config = ModelConfig(architecture, encoder, mode, dropout, dict(model_options or {}), temporal)
        if self.closed_form:
            own = "presto" if encoder == PRESTO else None
            for option, value in {"temporal": temporal, "start.lora_rank": start.lora_rank}.items():
                if value not in (None, own):
                    raise OptionError(
                        f"Expected no {option} with head '{head}', but got '{value}'. Leave it out."
                    )
            if head != "tuned":
                mode = "flat" if mode == "flat" else "independent"
                self.automatic_optimization, self._average = False, None
            place = self._config.options if encoder == PRESTO else {}
            self._config = ModelConfig(HYPERCOLUMN, encoder, mode, 0.0, place)
        check_config(self._config)
        self.start, self._lora_rank = start, start.lora_rank
        #: What the weights came from, once they were taken over; kept by every checkpoint that follows.
        self.started_from: dict[str, Any] | None = None
        #: Weights of the classes per level; None as long as they are not known.
        self.class_weights: list[list[float]] | None = None
        self.told = told

    @property
    def closed_form(self) -> bool:
        """Whether the next pass over the ground is solved for: every pixel counts once, and as it is."""
        return self.head_kind != "trained" and not (self.head_kind == "tuned" and self.solved is not None)

    @staticmethod
    def without_start() -> dict[str, Any]:
        """Return the options of a task whose weights come from its own checkpoint alone."""
        return {"start": StartOptions()}

    def describe(self, data: TrainingData) -> ModelRecord:
        """Compose what the checkpoint says of the model for some data.

        Raises:
            OptionError: The data are series, and the model is of single images.
        """
        if data.read.series is not None and self._config.temporal is None:
            raise OptionError(
                "Expected a model of series, as the data are, but got one of single images. Set temporal: "
                "mean, max, ltae or utae of the task."
            )
        mean, std = self._normalisation(data)
        config = self._config
        if self.head_kind != "trained":  # a channel of the decoder is the score of a class
            counts = data.taxonomy.num_classes[-1:] if config.mode == "flat" else data.taxonomy.num_classes
            config = replace(config, options={**config.options, "decoder_channels": sum(counts)})
        return ModelRecord(
            taxonomy=data.taxonomy,
            read=data.read,
            mean=tuple(float(value) for value in mean),
            std=tuple(float(value) for value in std),
            model=config,
            chip_size=data.chip_size,
            gsd_m=data.gsd_m,
        )

    def _normalisation(self, data: TrainingData) -> tuple[Sequence[float], Sequence[float]]:
        """Take mean and std from the data, or from the weights; where both are there, say which counts."""
        if self._config.encoder == PRESTO:
            return presto_normalisation(data.read, (data.mean, data.std))
        source = self.start.encoder_weights
        found = None if source is None else weight_statistics(find_backbone(self._config.encoder), source)
        if found is None and data.by_weights:
            lacking = "no start.encoder_weights" if source is None else f"'{source}', which brings none"
            raise OptionError(
                "Expected pretrained weights that bring their normalisation with normalization.method "
                f"weights, but got {lacking}. Take statistics, or set mean and std."
            )
        if found is None:
            return data.mean, data.std
        bands = data.read.bands
        scale = find_sensor(data.read.sensor or found.sensor or GENERIC.name).full_scale
        mean, std = found.of_bands(bands, data.read.sensor, scale, spectral_bands)
        if data.by_weights:
            check_scale(found, bands, (mean, std), (data.mean, data.std))
            return mean, std
        if not np.allclose((mean, std), (data.mean, data.std), rtol=0.01):
            _LOG.info(
                "weights %s were trained on values normalised by mean %s and std %s, the data bring mean %s "
                "and std %s, which count; normalization.method weights takes the others",
                source,
                *(list_some([f"{value:.4g}" for value in numbers], 4) for numbers in (mean, std)),
                *(list_some([f"{value:.4g}" for value in numbers], 4) for numbers in (data.mean, data.std)),
            )
        return data.mean, data.std

    def build_model(self, record: ModelRecord) -> SceneModel:
        """Build the model, its encoder with the pretrained weights that were asked for."""
        self.class_weights = self.loss_options.known_weights(record.taxonomy)
        model = build_scene_model(
            record, self.start.encoder_weights, self.start.band_adaptation, spectral_bands
        )
        encoder = model.segmenter.features.body.get_submodule("encoder")
        if self.start.freeze_backbone:
            self._frozen += freeze(encoder)
        if self._lora_rank is not None:
            add_low_rank(encoder, record.model.encoder, self._lora_rank)
        if self.head_kind == "tuned":
            self._frozen += learn_to_talk(model.segmenter)
        return model

    def setup(self, stage: str) -> None:
        """Build the model; a head in closed form takes one pass, whatever length the trainer was given.

        Raises:
            OptionError: Several processes shall solve for one head, or nothing says how long it is tuned.
        """
        if stage == "fit" and self.head_kind == "tuned":
            self.automatic_optimization = True  # a training that ended with its first pass left it otherwise
        super().setup(stage)
        if stage != "fit" or not self.closed_form:
            return
        if self.trainer.world_size > 1:
            raise OptionError(
                f"Expected one process for head '{self.head_kind}', but got {self.trainer.world_size}. Set "
                "trainer.devices to 1: it takes one pass over the ground."
            )
        loop = self.trainer.fit_loop
        if self.head_kind != "tuned":
            loop.max_epochs, loop.epoch_loop.max_steps = 1, -1
            self.trainer.val_check_interval, self.trainer.check_val_every_n_epoch = 1.0, 1
        elif self.trainer.max_steps < 0 or (self.trainer.max_epochs or 0) > 0:  # its first pass is no epoch
            told = f"{self.trainer.max_steps} and max_epochs {self.trainer.max_epochs}"
            raise OptionError(f"Expected trainer.max_steps alone with head 'tuned', but got {told}. Set it.")

    def on_fit_start(self) -> None:
        """Take over the weights to start from, and compute the class weights that were asked for.

        Of a training that is resumed the checkpoint brought both.

        Raises:
            HieraRSError: The checkpoint to start from cannot be used; there are no frequencies, or none of
                these leaves.
        """
        if self.start.checkpoint is not None and self.started_from is None:
            report = self._start_from(self.start.checkpoint)
            self.started_from = {"checkpoint": self.start.checkpoint, "report": report.to_dict()}
            if self.trainer.is_global_zero:
                log_report(report, self.start.checkpoint)
        if self.closed_form:
            self._head = LinearHead(self.model, self.taxonomy, self.head_kind, self.flat)
            self.automatic_optimization = False
            if self.head_kind != "tuned":
                return
        if self.class_weights is not None:
            return
        found = self._frequencies() if callable(self._frequencies) else self._frequencies
        if found is None:
            raise OptionError(
                f"Expected class_frequencies with class_weights '{self.loss_options.class_weights}', but got "
                "none. Give the pixels per leaf, or the weights themselves."
            )
        self._weigh(class_weights(self.taxonomy, found, str(self.loss_options.class_weights)))

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Let a new decoder measure its inputs on the first ground of a training from the start."""
        taken = (self.started_from or {}).get("report", {}).get("decoder", {}).get("copied", 0)
        if self._unmeasured:
            self._unmeasured = not (taken or measure_units(self.model, batch))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any] | None:  # type: ignore[override]
        """Compute the loss of a batch; of a head in closed form add it up, and solve after the last."""
        if self._head is None:
            return super().training_step(batch, batch_idx)
        self._head.add(batch, self.val_metrics.reference(labels_of(batch, self.paths)))
        if self.trainer.is_last_batch:
            self.solved = self._head.solve()
            self._tell(self.solved)
            count_as_step(self)
            self._head = None if self.head_kind == "tuned" else self._head
        return None

    def _tell(self, solved: Mapping[str, Any]) -> None:
        """Log how the head was solved for, and how it does where it was not."""
        for kind in (kind for kind in SOLVERS if kind in solved):
            told = f"{kind} on {solved[kind]['stages']} stages of {self._config.encoder}"
            _LOG.info("%s and the bands, penalty %g", told, solved[kind]["penalty"])
        for name, title in (("held_out", "this head"), ("per_pixel", "a per-pixel forest")):
            for measure, values in solved.get(name, {}).items():
                self.log_dict({f"{name}/{measure}_L{n}": value for n, value in enumerate(values, start=1)})
            if name in solved:
                _LOG.info("held-out ground, %s: %s", title, listed(solved[name]))

    def configure_callbacks(self) -> list[Callback]:
        """Return the average of the weights, and what parts a first pass from those that follow."""
        return [*super().configure_callbacks(), *([SolvedFirst()] if self.head_kind == "tuned" else [])]

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig | torch.optim.Optimizer:  # type: ignore[override]
        """Return the optimiser and its schedule; of a head in closed form one that moves nothing."""
        if not self.automatic_optimization:
            return torch.optim.SGD(self.model.segmenter.head.parameters(), lr=0.0)
        return super().configure_optimizers()

    def _start_from(self, path: str) -> InitReport:
        """Take over the weights of a trained model; of one with two branches those of the target.

        Raises:
            MissingFileError: There is no such file.
            CheckpointError: It is damaged, holds code, or is of another encoder.
        """
        old = Checkpoint.read(path)
        options = self.start
        return transplant(
            self.model,
            old.scene_weights,
            old.record,
            self.record,
            options.parts,
            options.band_adaptation,
            spectral_bands,
        )

    def _weigh(self, weights: list[list[float]]) -> None:
        """Hand class weights to the loss."""
        self.class_weights = weights
        for number, values in enumerate(weights[-1:] if self.flat else weights):
            self.loss.get_buffer(f"class_weight_{number}").copy_(torch.tensor(values))

    def training_record(self, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Add the weights of the classes and the start; see :meth:`SegmentationTask.training_record`."""
        weights = None if self.loss_options.class_weights == "none" else self.class_weights
        start = {} if self.started_from is None else {"start": self.started_from}
        solved = {} if self.solved is None else {"head": self.solved}
        return super().training_record(checkpoint) | {"class_weights": weights} | start | solved

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over computed class weights and the start; see :meth:`SegmentationTask.on_load_checkpoint`.

        Raises:
            CheckpointError: The record differs; what differs is named.
        """
        super().on_load_checkpoint(checkpoint)
        training = checkpoint[RECORD_KEY].get("training") or {}
        self.started_from, self.solved, self._unmeasured = training.get("start"), training.get("head"), False
        self.start = StartOptions()  # the checkpoint brings the weights
        rank = ((training.get("options") or {}).get("start") or {}).get("lora_rank")
        if rank != self._lora_rank and self._trainer is not None and self.trainer.state.fn == "fit":
            raise CheckpointError(
                f"Expected start.lora_rank {rank}, with which the checkpoint was trained, but got "
                f"{self._lora_rank}. Resume with its configuration, or take it as start.checkpoint."
            )
        if self._lora_rank is None and "state_dict" in checkpoint:
            checkpoint["state_dict"] = without_additions(checkpoint["state_dict"])
        saved = training.get("class_weights")
        if saved is not None and self.loss_options.counts_classes:
            self._weigh(check_class_weights(self.taxonomy, saved))
