"""Callbacks of a training: the average of its weights, labels that must be there, lines on how it goes."""

import copy
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor

from ..errors import DataError, list_some
from ..metrics import HierarchicalMetrics
from ..models.decode import jsps, path_logits
from ..types import IGNORE_INDEX, Batch
from .batches import labels_of


class AveragedWeights(WeightAveraging):
    """Keep an exponential moving average of the weights beside the ones that are trained.

    The average validates, and stands in a checkpoint's ``state_dict``, so that whoever loads the checkpoint
    predicts with it; the trained weights stand beside it and resuming goes on with both. Early on the decay
    is ``(1 + n) / (10 + n)`` after n averages, so that the random start is soon forgotten.

    Lightning's own callback would average integer buffers in floating point and cut them off (an index 3
    can become 2); here they are copied.

    Args:
        decay: Share of the old average kept at each optimiser step, 0 < decay < 1.
        before_setup: Called before the weights are copied at the start of a training: they must be there.
    """

    def __init__(self, decay: float = 0.999, before_setup: Callable[[Trainer], None] | None = None) -> None:
        super().__init__(multi_avg_fn=self._average)
        self.decay = decay
        self._before_setup = before_setup

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Copy the weights; Lightning sets callbacks up before the module that they belong to."""
        if self._before_setup is not None:
            self._before_setup(trainer)
        super().setup(trainer, pl_module, stage)

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


class SolvedFirst(Callback):
    """Let the first pass over the ground be solved for, and train on from there by gradient descent.

    That pass reads each chip of a covering grid once and counts as one step, so that what was solved for is
    validated and may be the best checkpoint. Then the trainer draws chips, and validates as it was told.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember what the first pass does not go by."""
        self._told = trainer.val_check_interval, trainer.check_val_every_n_epoch
        self._reload = trainer.reload_dataloaders_every_n_epochs  # type: ignore[attr-defined]
        if getattr(pl_module, "closed_form", False):
            trainer.val_check_interval, trainer.check_val_every_n_epoch = 1.0, 1

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let checkpoints of the first pass be written when later ones are: they ask these numbers."""
        first = trainer.state.fn == "fit" and not trainer.sanity_checking
        if first and not pl_module.automatic_optimization:
            trainer.val_check_interval, trainer.check_val_every_n_epoch = self._told

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After the first pass load the chips of the next one anew."""
        if not pl_module.automatic_optimization:
            trainer.val_check_interval, trainer.check_val_every_n_epoch = self._told
            trainer.reload_dataloaders_every_n_epochs = 1  # type: ignore[attr-defined]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Train what was solved for."""
        if not getattr(pl_module, "closed_form", False) and not pl_module.automatic_optimization:
            pl_module.automatic_optimization = True
            trainer.reload_dataloaders_every_n_epochs = self._reload  # type: ignore[attr-defined]


def count_as_step(task: LightningModule) -> None:
    """Count what a task solved for as a step of its optimiser, by whose number checkpoints go.

    It moves nothing, as there are no gradients; those are what the scaler of float16 would look for.
    """
    precision: Any = task.trainer.precision_plugin
    scaler = getattr(precision, "scaler", None)
    if scaler is not None:
        precision.scaler = None
    try:
        task.optimizers().step()  # type: ignore[union-attr]  # there is one
    finally:
        if scaler is not None:
            precision.scaler = scaler


class RequireLabels(Callback):
    """Stop a training whose first epoch met no labelled pixel, before its checkpoint is written.

    The loss of such chips is 0, so that nothing else would tell.
    """

    def __init__(self) -> None:
        self._seen: Tensor | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: STEP_OUTPUT, batch: Batch, batch_idx: int
    ) -> None:
        """Look at the labels of a batch, on the device they are on."""
        labelled = (batch.get("label_set", batch["mask"]) != IGNORE_INDEX).any()
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


class ProgressLines(Callback):
    """Write a line to stderr at intervals, in logs and pipes, where a bar would be silent.

    It says nothing on a terminal, and nothing where the trainer's progress bar is turned off.

    Args:
        interval_s: Seconds between two lines, at least.
        clock: Seconds, rising.
    """

    def __init__(self, interval_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval_s = interval_s
        self._clock = clock
        self._start = (0.0, 0)
        self._written = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._written = self._clock()
        self._start = (self._written, trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: STEP_OUTPUT, batch: Batch, batch_idx: int
    ) -> None:
        """Say how far the training is where it is time to."""
        if self._silent(trainer) or self._clock() - self._written < self.interval_s:
            return
        self._written = self._clock()
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        shown = f", loss {loss.item():.4g}" if isinstance(loss, Tensor) else ""
        sys.stderr.write(f"{self._progress(trainer)}{shown}\n")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say the scores."""
        if self._silent(trainer) or trainer.sanity_checking:
            return
        scores = {key: value for key, value in trainer.callback_metrics.items() if key.startswith("val/")}
        listed = ", ".join(f"{key} {value.item():.4g}" for key, value in scores.items())
        sys.stderr.write(f"step {trainer.global_step}: {listed}\n")

    def _progress(self, trainer: Trainer) -> str:
        """Step, speed and the time that is left."""
        done = trainer.global_step
        start, first = self._start
        rate = (done - first) / max(self._clock() - start, 1e-9)
        total = trainer.estimated_stepping_batches
        left = f", {(total - done) / rate / 60:.0f} min left" if rate > 0 else ""
        return f"step {done} of {total:.0f}, {rate:.2g} steps/s{left}"

    @staticmethod
    def _silent(trainer: Trainer) -> bool:
        off = trainer.progress_bar_callback is None or not trainer.is_global_zero
        return off or sys.stderr.isatty() or sys.stdout.isatty()


_LOG = logging.getLogger(__name__)

#: Share of the steps, at the end, whose batches are looked at; and their least number.
_LAST_SHARE, _LEAST_STEPS = 0.1, 20


class NeverPredicted(Callback):
    """Compare what the model answers on its training chips with their labels, over the last tenth of steps.

    A class that is rare is often never answered: scores over all pixels hardly notice, and a report lists
    the classes that are there.
    """

    def __init__(self) -> None:
        self._counts: HierarchicalMetrics | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: STEP_OUTPUT, batch: Batch, batch_idx: int
    ) -> None:
        """Count the pixels of a batch where the end is near."""
        total = trainer.estimated_stepping_batches
        last = max(_LEAST_STEPS, int(_LAST_SHARE * total))
        logits = outputs.get("logits") if isinstance(outputs, Mapping) else None
        module: Any = pl_module
        if logits is None or not hasattr(module, "val_metrics") or trainer.global_step <= total - last:
            return
        if self._counts is None:
            self._counts = copy.deepcopy(module.val_metrics)
            self._counts.reset()
        with torch.no_grad(), torch.autocast(pl_module.device.type, enabled=False):
            scores = path_logits([level.float() for level in logits], module.paths)
            self._counts.update(jsps(scores, module.paths), labels_of(batch, module.paths))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Name the classes, and what may help."""
        if self._counts is None:
            return
        level = self._counts.compute().levels[-1]
        self._counts = None
        missed = [i for i, n in enumerate(level.support) if n > 0 and level.predicted[i] == 0]
        if not missed or not trainer.is_global_zero:
            return
        module: Any = pl_module
        names = module.taxonomy.class_names(module.taxonomy.num_levels)
        share = 100 * level.support[missed].sum() / level.support.sum()
        _LOG.info(
            "%s: never predicted on the last training chips, though %.2g %% of their labels say so.%s",
            list_some([names[i] for i in missed], 6),
            share,
            _advice(trainer, module),
        )


def _advice(trainer: Trainer, module: Any) -> str:  # noqa: ANN401 (a task)
    """Name what was not tried."""
    datamodule: Any = getattr(trainer, "datamodule", None)
    chips = getattr(getattr(datamodule, "options", None), "chips", None)
    ways = []
    if module.loss_options.class_weights == "none":
        ways.append("loss.class_weights: sqrt_inverse")
    if chips is not None and chips.sampler != "balanced":
        ways.append("chips.sampler: balanced")
    return (
        f" Try {' or '.join(ways)}, or more steps." if ways else " Try more steps, or more of their labels."
    )
