"""StepBar: one bar over the steps of a whole training, with its loss and its last scores."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.utilities.types import STEP_OUTPUT
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from ..types import Batch


class StepBar(ProgressBar):
    """Show how far a training is in optimiser steps, what a resumed one has done before included.

    Lightning's own bars count the batches of an epoch, which says nothing of a training that is measured in
    steps ("Epoch 0/-2") and goes beyond its end after a resume ("97/39").
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._enabled = True
        self._scores = ""

    def disable(self) -> None:
        """Draw nothing: of several processes one is enough."""
        self._enabled = False

    def enable(self) -> None:
        """Draw again."""
        self._enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin where the training is."""
        self._start("fit", trainer.estimated_stepping_batches, trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: STEP_OUTPUT, batch: Batch, batch_idx: int
    ) -> None:
        """Move on, and say the loss."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        told = f"loss {loss.item():.3f}" if isinstance(loss, Tensor) and self._bar is not None else ""
        self._show(completed=trainer.global_step, told=f"{told} {self._scores}".rstrip())

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say that the training waits for its scores, or how far a validation by itself is."""
        if trainer.state.fn == "fit":
            self._show(description="fit, validating")
        else:
            self._start("validate", sum(trainer.num_val_batches), 0)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: STEP_OUTPUT,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Move on in a validation by itself."""
        if trainer.state.fn != "fit":
            self._show(advance=1)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say the scores."""
        scores = {key: value for key, value in trainer.callback_metrics.items() if key.startswith("val/mIoU")}
        self._scores = " ".join(f"{key} {value.item():.3f}" for key, value in scores.items())
        if trainer.state.fn == "fit":
            self._show(description="fit")
        else:
            self._stop()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a test."""
        self._start("test", sum(trainer.num_test_batches), 0)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: STEP_OUTPUT,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Move on in a test."""
        self._show(advance=1)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the bar down, also where something failed."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar down before the error is told."""
        self._stop()

    def _start(self, description: str, total: float, completed: int) -> None:
        self._stop()
        if not self._enabled or not self._console.is_terminal:
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[told]}"),
        )
        self._bar = Progress(*columns, console=self._console)
        self._bar.start()
        self._bar.add_task(description, total=total, completed=completed, told="")

    def _show(self, **changes: Any) -> None:  # noqa: ANN401
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], **changes)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = None
