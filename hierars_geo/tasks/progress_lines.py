"""ProgressLines: what a progress bar shows, as a line now and then where there is no terminal."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ..types import Batch


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
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Batch,
        batch_idx: int,
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


__all__ = ("ProgressLines",)
