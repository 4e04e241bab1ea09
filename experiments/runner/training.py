"""Train and score one job through the machinery of ``hierars-geo fit`` and ``test``."""

import json
import platform
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from hierars_geo import __version__
from hierars_geo.cli.training_cli import TrainingCLI
from hierars_geo.errors import DataError

from .decodings import ScoreDecodings
from .jobs import Job

#: Share of the seconds that the learning rate takes to rise.
_WARMUP = 0.05


class CpuSeconds(Callback):
    """Ends a training after some CPU seconds of its steps, the learning rate having run its whole course.

    Variants whose steps cost more take fewer of them; the rate rises for a twentieth of the seconds and falls
    to 0 in a line, whatever the number of steps. A head in closed form takes its one pass.

    Args:
        seconds: Of this process on all threads, > 0.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.spent = seconds, 0.0
        self._began = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the clock."""
        self._began = time.process_time() - self.spent

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Set the learning rate by the share of the seconds that is spent."""
        done = self.spent / self.seconds
        factor = min(1.0, done / _WARMUP) * max(0.0, 1.0 - done)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = factor * group.get("initial_lr", 0.0)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Stop when they are spent."""
        self.spent = time.process_time() - self._began
        trainer.should_stop |= self.spent >= self.seconds and pl_module.automatic_optimization

    def state_dict(self) -> dict[str, float]:
        """Say what a checkpoint has to know."""
        return {"spent": self.spent}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on counting."""
        self.spent = state_dict["spent"]


def run_job(
    job: Job, folder: Path, overrides: Sequence[str] = (), keep_checkpoints: bool = False
) -> dict[str, Any]:
    """Train a variant under a seed and score it on its test ground.

    The weights that are scored are the best ones by the configuration's monitor, or the last ones where it
    monitors nothing. A training that was interrupted goes on from its last checkpoint.

    Args:
        job: What to train.
        folder: Where checkpoints and logs go.
        overrides: Further options of ``fit``, as on the command line.
        keep_checkpoints: Whether the checkpoints stay; a result needs them no more.

    Returns:
        The content of the job's result file.

    Raises:
        HieraRSError: The configuration is wrong, or the work failed.
    """
    checkpoints = folder / "checkpoints"
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(folder)}}
    cli = TrainingCLI(
        [
            *(word for path in job.configs for word in ("--config", str(path))),
            *job.options,
            *("--seed_everything", str(job.seed)),
            *("--data.init_args.seed", str(job.seed)),
            *("--checkpoint.dirpath", str(checkpoints)),
            *("--trainer.logger", json.dumps(logger)),
            *("--trainer.enable_progress_bar", "false"),
            *("--trainer.enable_model_summary", "false"),
            *overrides,
        ],
        run=False,
    )
    last = checkpoints / "last.ckpt"
    interrupted = last.is_file()
    wall, cpu = time.perf_counter(), time.process_time()
    cli.trainer.fit(
        cli.model, datamodule=cli.datamodule, ckpt_path=last if interrupted else None, weights_only=True
    )
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    scores = _score(cli)
    if not keep_checkpoints:
        shutil.rmtree(checkpoints, ignore_errors=True)
    return {
        "job": job.name,
        "configs": [path.as_posix() for path in job.configs],
        "group": job.group,
        "variant": job.variant,
        "digest": job.digest,
        "seed": job.seed,
        "overrides": list(overrides),
        "steps": cli.trainer.global_step,
        "resumed": interrupted,
        "train_seconds": seconds,
        "parameters": sum(p.numel() for p in cli.model.parameters()),
        "hardware": _hardware(),
        "versions": {"hierars_geo": __version__, "torch": torch.__version__},
        **scores,
    }


def _score(cli: TrainingCLI) -> dict[str, Any]:
    """Test the weights and return both scores as plain values."""
    both = ScoreDecodings()
    cli.trainer.callbacks.append(both)  # type: ignore[attr-defined]
    monitored = next((c for c in cli.trainer.checkpoint_callbacks if getattr(c, "monitor", None)), None)
    best = getattr(monitored, "best_model_path", "") or None
    cli.trainer.test(cli.model, datamodule=cli.datamodule, ckpt_path=best, weights_only=True, verbose=False)
    if both.decoded is None or both.argmax is None:
        raise DataError("Expected test chips to score, but got none. Give the configuration test ground.")
    taxonomy = cli.model.taxonomy
    return {"decoded": both.decoded.to_dict(taxonomy), "argmax": both.argmax.to_dict(taxonomy)}


def _hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' * (threads > 1)}, {platform.machine()}"
