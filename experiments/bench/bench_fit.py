"""What `fit` costs on a CPU beyond a bare Lightning loop with the same network, batches in memory.

Run: make bench-fit (or python experiments/bench/bench_fit.py), about a minute of one quiet core.

* Ours: BHCCMTask with the callbacks and loggers that the command line gives a training.
* Bare: a LightningModule that holds the same network, HSC and AdamW, and a trainer that does nothing else.
* U-Net ResNet-18, residual heads, 18 leaves, 4 bands, two chips of 128 px, one thread, no validation. Both
  start from the same weights and see the same batches: the losses of all steps are compared first.
* A step lasts from the start of a batch to the start of the next one, in CPU time of the process: its other
  threads count, and the rest of the machine hardly does. Trainings take turns; the first steps of each do
  not count. In the last tenth of a training `fit` also counts which classes are predicted, so such steps
  are measured by themselves and make up a tenth of the figure.
"""

import logging
import platform
import statistics
import tempfile
import time
import warnings
from importlib import import_module
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from measuring import Row, print_table, time_row
from torch import Tensor
from torch.utils.data import DataLoader

from hierars_geo.cli.run_folder import default_loggers
from hierars_geo.tasks import (
    BHCCMTask,
    NeverPredicted,
    PixelBaseline,
    ProgressLines,
    RequireLabels,
    ScheduleOptions,
    StepBar,
    TrainingData,
)
from hierars_geo.tasks.optimizer import parameter_groups
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

BANDS = ("B02", "B03", "B04", "B08")
SIZE_PX, BATCH, TURNS = 128, 2, 2
#: Steps that warm up, ordinary ones, and those that count as the last tenth (never fewer than 20).
WARM_UP, ORDINARY, LAST = 2, 6, 20
STEPS = WARM_UP + ORDINARY + LAST
TREE = Taxonomy.from_yaml("mm5b")


class Clock(Callback):
    """CPU seconds of the process at the start of every batch, and every loss."""

    def __init__(self) -> None:
        self.starts: list[float] = []
        self.losses: list[float] = []

    def on_train_batch_start(self, *_: object) -> None:
        """Look at the clock."""
        self.starts.append(time.process_time())

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        *_: object,
    ) -> None:
        """Keep the loss."""
        self.losses.append(float(outputs["loss"]))

    @property
    def steps(self) -> list[float]:
        """Seconds of every step but the last, whose end is not seen."""
        return [after - before for before, after in zip(self.starts, self.starts[1:], strict=False)]


class Bare(LightningModule):
    """The network, the loss and the optimiser of a task, and nothing else."""

    def __init__(self, task: BHCCMTask) -> None:
        super().__init__()
        self.model, self.loss = task.model, task.loss
        self._groups = parameter_groups([task.model], task.optimizer_options.weight_decay)
        self._lr = task.optimizer_options.lr

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss."""
        loss: Tensor = self.loss(self.model(batch["image"], batch["valid"]), batch["mask"])["loss"]
        return loss

    def configure_optimizers(self) -> Any:
        """AdamW and the task's schedule."""
        optimizer = torch.optim.AdamW(self._groups, lr=self._lr)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 - step / STEPS)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def built_task() -> BHCCMTask:
    """Return the task, from the same weights every time."""
    torch.manual_seed(0)
    task = BHCCMTask(
        architecture="unet", encoder="resnet18", dropout=0.0, schedule=ScheduleOptions(warmup_steps=0)
    )
    return task.build(TrainingData(TREE, ReadRecipe(BANDS), (1000.0,) * 4, (500.0,) * 4, SIZE_PX))


def batches() -> DataLoader[Any]:
    """Return the batches of a training, made at once."""
    rng = torch.Generator().manual_seed(1)
    shape = SIZE_PX, SIZE_PX
    made: Any = [
        {
            "image": torch.rand(BATCH, len(BANDS), *shape, generator=rng) * 2000,
            "mask": torch.randint(TREE.num_classes[-1], (BATCH, *shape), generator=rng),
            "valid": torch.ones(BATCH, *shape, dtype=torch.bool),
        }
        for _ in range(STEPS)
    ]
    return DataLoader(made, batch_size=None)


def fit(module: LightningModule, data: DataLoader[Any], folder: str, callbacks: list[Callback]) -> Clock:
    """Train, with what the command line adds where there are callbacks."""
    clock, loggers = Clock(), []
    if callbacks:
        for logger in default_loggers():
            room, _, name = logger["class_path"].rpartition(".")
            loggers.append(getattr(import_module(room), name)(save_dir=folder))
    trainer = Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        max_steps=STEPS,
        logger=loggers,
        callbacks=[*callbacks, clock],
        enable_progress_bar=bool(callbacks),
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(module, data)
    return clock


def bench() -> list[Row]:
    """Train both in turns."""
    data = batches()
    ours: list[list[float]] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench_fit_") as folder:
        for turn in range(TURNS):
            told = [RequireLabels(), ProgressLines(), NeverPredicted(), PixelBaseline(), StepBar()]
            runs = [(built_task(), told), (Bare(built_task()), [])]
            clocks = [fit(module, data, folder, added) for module, added in runs[:: 1 - 2 * (turn % 2)]]
            clocks = clocks[:: 1 - 2 * (turn % 2)]
            torch.testing.assert_close(*(torch.tensor(clock.losses) for clock in clocks), rtol=1e-3, atol=0)
            ours.append(clocks[0].steps)
            bare += clocks[1].steps[WARM_UP:]
    ordinary = statistics.median(s for steps in ours for s in steps[WARM_UP : WARM_UP + ORDINARY])
    last = statistics.median(s for steps in ours for s in steps[WARM_UP + ORDINARY :])
    other = statistics.median(bare)
    return [
        time_row("step of a training", (0.9 * ordinary + 0.1 * last, other), 1.05),
        time_row("the first nine tenths", (ordinary, other)),
        time_row("the last tenth", (last, other)),
    ]


def main() -> None:
    """Measure and print the table."""
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")  # its advice on workers: batches lie in memory
    print(f"1 CPU thread, {platform.machine()}, torch {torch.__version__}, batch {BATCH}, {SIZE_PX} px\n")
    print_table(bench())


if __name__ == "__main__":
    main()
