"""DrawChips: pictures of a few validation chips, the same ones each time, while a model learns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..errors import OptionError
from ..scenes.true_color import true_color
from ..taxonomy import Taxonomy
from ..taxonomy.drawing import class_patches, painted
from ..types import Batch
from .base import SegmentationTask
from .batches import labels_of

_PANEL_INCHES: Final = 2.8


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
        outputs: STEP_OUTPUT,
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
                *_picture(batch, index),
                _labels(batch, index, pl_module),
                _array(outputs["levels"][index]),
                pl_module.taxonomy,
                pl_module.record.bands,
                pl_module.record.read.sensor,
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


def _picture(batch: Batch, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Image (C, H, W) of a chip and where it is valid; of a series those of the clearest date."""
    image, valid = batch["image"][index], batch["valid"][index]
    if "doy" in batch:
        clearest = int(valid.flatten(1).sum(dim=1).argmax())
        image, valid = image[clearest], valid[clearest]
    return _array(image), _array(valid)


def _labels(batch: Batch, index: int, task: SegmentationTask) -> NDArray[np.int64]:
    """Labels of a chip at every level, (N, H, W)."""
    known = _array(labels_of(batch, task.paths)[index])
    if known.ndim == 3:
        return known
    return np.stack([task.taxonomy.lift(known, level) for level in range(1, task.taxonomy.num_levels + 1)])


def _array(values: Tensor) -> NDArray[Any]:
    plain = values.detach().cpu()
    array: NDArray[Any] = (plain.float() if plain.is_floating_point() else plain).numpy()
    return array


def draw_levels(
    image: NDArray[Any],
    valid: NDArray[np.bool_],
    label: NDArray[np.int64],
    predicted: NDArray[np.int64],
    taxonomy: Taxonomy,
    bands: Sequence[str],
    sensor: str | None = None,
) -> Figure:
    """Draw a chip.

    Args:
        image: (C, H, W) values as stored.
        valid: (H, W).
        label: (N, H, W) class index per level, negative where there is no label.
        predicted: (N, H, W) class index per level.
        taxonomy: The tree.
        bands: Names of the channels; without red, green and blue the first three are shown, or one in grey.
        sensor: Entry of the sensor catalog that tells which bands these are; None where nobody knows.

    Returns:
        A figure known to no pyplot state: the labels of every level in the upper row, the predictions in
        the lower one, the image before them.
    """
    levels = taxonomy.num_levels
    figure = Figure(figsize=(_PANEL_INCHES * (levels + 1) + 1.8, 2 * _PANEL_INCHES), layout="constrained")
    rows = figure.subplots(2, levels + 1, squeeze=False)
    for axes in rows.flat:
        axes.set_axis_off()
    rows[0, 0].imshow(true_color(image, valid, bands, sensor), interpolation="nearest")
    rows[0, 0].set_title("image")
    for number, name in enumerate(taxonomy.level_names):
        for axes, maps, title in ((rows[0], label, "label"), (rows[1], predicted, "predicted")):
            picture = painted(maps[number], taxonomy, number + 1)
            axes[number + 1].imshow(picture, interpolation="nearest")
            axes[number + 1].set_title(f"{name} {title}")
    seen = np.unique(np.concatenate([label[-1].ravel(), predicted[-1].ravel()]))
    if entries := class_patches(seen.tolist(), taxonomy, levels):
        figure.legend(handles=entries, loc="outside right center", frameon=False, fontsize="small")
    return figure
