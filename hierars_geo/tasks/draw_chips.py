"""DrawChips: pictures of a few validation chips, the same ones each time, while a model learns."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..errors import OptionError
from ..types import Batch
from .base import SegmentationTask
from .drawing import draw_levels


class DrawChips(Callback):
    """Draw image, label and every level of the first validation chips.

    The pictures go to ``chips/step_<step>_<chip>.png`` in the folder of the run, and to TensorBoard where it
    logs.

    Args:
        chips: Number of chips, >= 1.
        every_n_validations: Draw at the first validation and at each n-th after it, >= 1.

    Raises:
        OptionError: A number is out of range.
    """

    def __init__(self, chips: int = 4, every_n_validations: int = 1) -> None:
        for name, value in (("chips", chips), ("every_n_validations", every_n_validations)):
            if value < 1:
                raise OptionError(f"Expected {name} to be >= 1, but got {value}.")
        self.chips, self.every_n_validations = chips, every_n_validations
        self._validations = 0
        self._drawn = 0

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start with the first chip."""
        self._drawn = 0

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw the chips of a batch as long as there are too few."""
        due = self._validations % self.every_n_validations == 0
        if trainer.sanity_checking or not trainer.is_global_zero or not due or not trainer.log_dir:
            return
        if not isinstance(pl_module, SegmentationTask) or not isinstance(outputs, Mapping):
            return
        for index in range(min(len(batch["image"]), self.chips - self._drawn)):
            figure = draw_levels(
                _array(batch["image"][index]),
                _array(batch["valid"][index]),
                _labels(batch, index, pl_module),
                _array(outputs["levels"][index]),
                pl_module.taxonomy,
                pl_module.record.bands,
            )
            self._write(trainer, Path(trainer.log_dir), figure)
            self._drawn += 1

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the validation."""
        self._validations += not trainer.sanity_checking

    def _write(self, trainer: Trainer, folder: Path, figure: Figure) -> None:
        path = folder / "chips" / f"step_{trainer.global_step:06d}_{self._drawn}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png")
        with Image.open(path) as written:
            picture = np.asarray(written.convert("RGB"))
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(
                    f"chips/{self._drawn}", picture, trainer.global_step, dataformats="HWC"
                )


def _labels(batch: Batch, index: int, task: SegmentationTask) -> NDArray[np.int64]:
    """Labels of a chip at every level, (N, H, W)."""
    if "level_masks" in batch:
        return _array(batch["level_masks"][index])
    leaf = _array(batch["mask"][index])
    levels = range(1, task.taxonomy.num_levels + 1)
    return np.stack([task.taxonomy.lift(leaf, level) for level in levels])


def _array(values: Tensor) -> NDArray[Any]:
    plain = values.detach().cpu()
    array: NDArray[Any] = (plain.float() if plain.is_floating_point() else plain).numpy()
    return array


__all__ = ("DrawChips",)
