"""SegmentationTask: what every training task shares, from the loss of a batch to the checkpoint's record."""

import abc
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Self

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from .. import __version__
from ..errors import OptionError
from ..losses.hierarchical import HCCLoss, HSCLoss
from ..metrics import HierarchicalMetrics
from ..models.build import check_backend, compiles
from ..models.checkpoint import Checkpoint, load_weights
from ..models.decode import is_legal, jsps, level_confidence, path_logits
from ..models.map_model import MapModel
from ..models.record import RECORD_KEY, ModelRecord
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX, Batch, as_group
from .batches import ground_valid, labels_of, require_finite, short_group, unlabel_repeated
from .callbacks import AveragedWeights
from .checkpoints import (
    RANDOM_KEY,
    WholeCheckpoints,
    random_state,
    require_same_model,
    restore_random_state,
)
from .loss import Frequencies, LossOptions
from .optimizer import OptimizerOptions, ScheduleOptions, configure
from .reliability import ReliabilityOfTest
from .training_data import TrainingData, require_same_data, try_size


class SegmentationTask(LightningModule):
    """Base of the tasks: a model with logits per level, scored with a class tree.

    Bands, statistics and tree are those of the trainer's data module: the model is built when the trainer
    sets the task up. With loaders of one's own :meth:`build` says what they hold.

    A subclass says what its model is (:meth:`describe`, :meth:`build_model`).

    Args:
        optimizer: How the weights move.
        schedule: How the learning rate runs.
        loss: What is minimised.
        compile: Whether to compile the model for training, or the backend to do it with.

    Raises:
        OptionError: An option is out of range.
    """

    model: MapModel
    loss: HSCLoss | HCCLoss
    paths: Tensor

    def __init__(
        self,
        optimizer: OptimizerOptions | Mapping[str, Any],
        schedule: ScheduleOptions | Mapping[str, Any],
        loss: LossOptions | Mapping[str, Any],
        compile: bool | str = False,  # the option's name; nothing here calls the builtin
    ) -> None:
        super().__init__()
        self.optimizer_options = as_group(OptimizerOptions, optimizer)
        self.schedule_options = as_group(ScheduleOptions, schedule)
        self.loss_options = as_group(LossOptions, loss)
        decay = self.optimizer_options.ema_decay
        self._average = None if decay is None else AveragedWeights(decay, self.follow)
        self._backend = "inductor" if compile is True else compile or None
        if self._backend is not None:
            check_backend(self._backend)
        self._frozen: list[nn.Module] = []
        self._random: Mapping[str, Tensor] | None = None
        self._record: ModelRecord | None = None
        self._frequencies: Frequencies | None = None
        #: Options as plain values, for the checkpoint. Not Lightning's hparams: its command line would take
        #: those of a checkpoint in place of the ones that are given.
        self.told: dict[str, Any] = {}

    @abc.abstractmethod
    def describe(self, data: TrainingData) -> ModelRecord:
        """Compose what the checkpoint says of the model for some data."""

    @abc.abstractmethod
    def build_model(self, record: ModelRecord) -> MapModel:
        """Build the model, with the weights that it starts from where they are at hand."""

    def build(self, data: TrainingData) -> Self:
        """Build the model for some data; a trainer with a data module does so by itself.

        Raises:
            HieraRSError: No model can be built from the options for these data.
        """
        self._frequencies = data.class_frequencies
        self._adopt(self.describe(data))
        if data.chip_size is not None:
            try_size(self.model, self.record, data.chip_size)
        return self

    def _adopt(self, record: ModelRecord) -> None:
        """Become the task of a record."""
        tree = record.taxonomy
        self._record = record
        self.register_buffer("paths", torch.from_numpy(tree.paths.copy()), persistent=False)
        self.val_metrics = HierarchicalMetrics(tree)
        self.test_metrics = HierarchicalMetrics(tree)
        self.test_reliability = ReliabilityOfTest(tree.num_levels)
        self.loss = self.loss_options.build(tree, self.flat)
        self.model = self.build_model(record)

    def follow(self, trainer: Trainer) -> None:
        """Build the model for the data module of a trainer, once; later ones must hold the same.

        Raises:
            OptionError: There is no data module, or it has other bands or classes.
        """
        datamodule = getattr(trainer, "datamodule", None)
        if self._record is None:
            self.build(TrainingData.of(datamodule))
        elif datamodule is not None:
            require_same_data(self._record, datamodule)

    @property
    def record(self) -> ModelRecord:
        """What the checkpoint says of the model.

        Raises:
            OptionError: The task does not know its data yet.
        """
        if self._record is None:
            raise OptionError(
                "Expected a task that knows its data, but got one that is not built. Give a data module to "
                "the trainer, or call task.build(TrainingData(...))."
            )
        return self._record

    @classmethod
    def load_from_checkpoint(
        cls,
        checkpoint_path: Any,  # noqa: ANN401 - Lightning's signature
        map_location: Any = None,  # noqa: ANN401
        hparams_file: Any = None,  # noqa: ANN401
        strict: bool | None = None,
        weights_only: bool | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Self:
        """Load a task with its model, ready to predict, to be scored or to train on.

        Args:
            checkpoint_path: Checkpoint written by a task of this class.
            map_location: Device of the model; default the CPU.
            hparams_file: Not needed, the checkpoint knows its options.
            strict: Not needed, the weights always fit their own record.
            weights_only: Always so: a checkpoint is read as data, never as code.
            **options: Options of the task to change.

        Raises:
            MissingFileError: There is no such file.
            CheckpointError: It is damaged, holds code, or was written by something else.
            OptionError: Something else than weights is asked for, or an option is out of range.
        """
        if weights_only is False or hparams_file is not None or strict is False:
            raise OptionError(
                "Expected a checkpoint to be read as data with its own options and all of its weights, but "
                "got weights_only false, strict false or hparams_file. Leave them out."
            )
        checkpoint = Checkpoint.read(checkpoint_path)
        model = checkpoint.record.model
        told = dict(checkpoint.training.get("options") or {})
        told |= {name: getattr(model, name) for name in ("architecture", "encoder", "mode", "dropout")}
        told |= {"temporal": model.temporal} if "temporal" in told else {}
        told |= {"model_options": dict(model.options), **cls.without_start(), **options}
        task = cls(**told)
        task._adopt(checkpoint.record)
        expected = f"Expected the weights in {checkpoint.path} to fit its own model record"
        load_weights(task, checkpoint.content["state_dict"], expected)
        task.on_load_checkpoint(dict(checkpoint.content))
        return task if map_location is None else task.to(map_location)

    @staticmethod
    @abc.abstractmethod
    def without_start() -> dict[str, Any]:
        """Return the options of a task whose weights come from its own checkpoint alone."""

    @property
    def taxonomy(self) -> Taxonomy:
        """The class tree."""
        return self.record.taxonomy

    @property
    def flat(self) -> bool:
        """Whether the model predicts the leaves alone."""
        return self.record.model.mode == "flat"

    def forward(self, image: Tensor, valid: Tensor | None = None, doy: Tensor | None = None) -> list[Tensor]:
        """Compute logits (B, C_l, H, W) per level from stored values; a flat model gives the leaves alone."""
        logits: list[Tensor] = self.model(image, valid, doy)
        return logits

    def train(self, mode: bool = True) -> Self:
        """Set the mode of what is trained; what is frozen stays in eval mode."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def trained_modules(self) -> Sequence[nn.Module]:
        """Return what the optimiser sees."""
        return [self.model]

    def logits_and_target(self, batch: Batch) -> tuple[list[Tensor], Tensor | Sequence[Tensor]]:
        """Compute the logits of a batch, and what the loss compares them with."""
        return self(batch["image"], batch["valid"], batch.get("doy")), self.target(batch)

    def target(self, batch: Batch) -> Tensor | Sequence[Tensor]:
        """Choose what the loss compares with: leaves, or numbers of label sets where some are no leaves."""
        return batch["mask"] if self.flat else batch.get("label_set", batch["mask"])

    def losses(
        self, logits: Sequence[Tensor], target: Tensor | Sequence[Tensor], batch: Batch
    ) -> dict[str, Tensor]:
        """Compare logits with the labels of a batch, each by its weight."""
        if "label_set" not in batch:
            losses: dict[str, Tensor] = self.loss(logits, target)
            return losses
        trust = None
        if "label_weight" in batch:
            number = batch["label_set"]
            trust = batch["label_weight"][0].take(number.clamp(min=0)) * (number != IGNORE_INDEX)
        sets = isinstance(target, Tensor) and not self.flat
        losses = self.loss(logits, target, batch["label_table"][0] if sets else None, trust)
        return losses

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Compute the loss of a batch, and return it with its ``logits`` per level.

        Raises:
            DataError: It is not finite; the chips are named.
        """
        logits, target = self.logits_and_target(batch)
        with self._full_precision():
            losses = self.losses(logits, target, batch)
        size = batch["image"].shape[0]
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()}, batch_size=size)
        loss: Tensor = losses["loss"]
        require_finite(loss, batch, self.global_step)
        return {"loss": loss * short_group(self.trainer, batch_idx), "logits": logits}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Count a validation batch, and return its decoded ``levels`` (B, N, H, W)."""
        batch = unlabel_repeated(batch, batch_idx, self.trainer.val_dataloaders)
        return {"levels": self._count(batch, self.val_metrics, "val")}

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Count a test batch, and return its decoded ``levels`` (B, N, H, W)."""
        batch = unlabel_repeated(batch, batch_idx, self.trainer.test_dataloaders)
        return {"levels": self._count(batch, self.test_metrics, "test")}

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Decode a batch as it is; ``hierars_geo.predict`` blends windows of whole scenes into maps.

        Returns:
            ``levels`` (B, N, H, W) int64 class indices, ``IGNORE_INDEX`` where not valid, ``confidence``
            (B, N, H, W) in 0..1, and ``bounds``, ``crs`` and ``files`` of the batch where it has them.
        """
        inputs = batch["image"], batch["valid"], self.paths, batch.get("doy")
        logits = self.model.path_logits(*inputs).float()
        empty = ~ground_valid(batch).unsqueeze(1)
        found: dict[str, Any] = {
            "levels": jsps(logits, self.paths).masked_fill(empty, IGNORE_INDEX),
            "confidence": level_confidence(logits, self.paths, self.model.curves).masked_fill(empty, 0.0),
        }
        return found | {key: value for key, value in batch.items() if key in ("bounds", "crs", "files")}

    def _count(self, batch: Batch, metrics: HierarchicalMetrics, stage: str) -> Tensor:
        logits, target = self.logits_and_target(batch)
        with self._full_precision():
            logits = [level.float() for level in logits]
            losses = self.losses(logits, target, batch)
            scores = path_logits(logits, self.paths)
            decoded = jsps(scores, self.paths)
        size = batch["image"].shape[0]
        self.log(f"{stage}/loss", losses["loss"], batch_size=size, on_epoch=True, sync_dist=True)
        legal = None
        if not self.flat:
            legal = is_legal(torch.stack([level.argmax(dim=1) for level in logits], dim=1), self.paths)
        reference = labels_of(batch, self.paths)
        metrics.update(decoded, reference, legal)
        if stage == "test":
            labels = metrics.reference(reference)
            self.test_reliability.update(scores, self.paths, self.model, decoded, labels)
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
        self.log_dict(self.test_reliability.summarise(self.taxonomy, self.trainer), sync_dist=True)

    def _log_scores(self, metrics: HierarchicalMetrics, stage: str) -> None:
        scores = metrics.compute()
        # the counts of all processes are in the scores already: averaging equal numbers changes nothing
        for number, level in enumerate(scores.levels, start=1):
            last = number == len(scores.levels)
            self.log(f"{stage}/mIoU_L{number}", level.miou, prog_bar=last, sync_dist=True)
            self.log(f"{stage}/OA_L{number}", level.oa, sync_dist=True)
            if stage == "test":  # how many labels decide the level
                self.log(f"test/pixels_L{number}", float(level.confusion.sum()), sync_dist=True)
        if scores.consistency is not None:
            self.log(f"{stage}/consistency", scores.consistency, sync_dist=True)
        metrics.reset()

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimiser and its schedule, stepped per optimiser step.

        Raises:
            OptionError: The training has no end that the decay could run to.
        """
        total_steps = self.trainer.estimated_stepping_batches
        if not math.isfinite(total_steps):
            raise OptionError(
                "Expected a training with an end, for the learning rate to decay to, but got none. "
                "Set the trainer's max_steps or max_epochs."
            )
        return configure(
            self.trained_modules(), int(total_steps), self.optimizer_options, self.schedule_options
        )

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the learning rate of the head."""
        self.log("train/lr", max(float(group["lr"]) for group in optimizer.param_groups))

    def configure_callbacks(self) -> list[Callback]:
        """Return the average of the weights where one is asked for."""
        return [] if self._average is None else [self._average]

    def setup(self, stage: str) -> None:
        """Build the model, compile it for training where that is asked for, and read files as data."""
        self.follow(self.trainer)
        if type(self.trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # not one that somebody chose
            self.trainer.strategy.checkpoint_io = WholeCheckpoints()
        if stage == "fit" and self._backend is not None:
            # in place: the module is not wrapped, so that a checkpoint holds no trace of it
            if compiles(self.device, "training goes on without it", self._backend):
                self.model.compile(backend=self._backend)
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
            ``weights``: whether ``state_dict`` holds the moving ``average`` or the ``current`` weights,
            ``release``, and ``options`` of the task.
        """
        averaged = "averaging_state" in checkpoint
        return {
            "weights": "average" if averaged else "current",
            "release": __version__,
            "options": self.told,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse weights of another tree, band set or model; take over the normalisation they know.

        Raises:
            CheckpointError: The record differs; what differs is named.
        """
        saved = require_same_model(checkpoint, self.record)
        # the weights bring their own mean and std (buffers of the model): the record must say the same
        self._record = replace(self.record, mean=saved.mean, std=saved.std)
        self._random = checkpoint.get(RANDOM_KEY)
        self.model.believe(saved.calibration)
