"""PixelBaseline: what a classifier of single pixels makes of the same labels, in every training's own log."""

import logging
from typing import Any, Final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor

from ..metrics import HierarchicalMetrics
from ..metrics.scores import HierarchicalScores
from ..models.forest import PixelForest, PixelSample
from ..types import IGNORE_INDEX, Batch

_LOG = logging.getLogger(__name__)

#: Labelled pixels of a batch that are learnt from: the baseline shall cost nothing beside a step.
_MOST_PER_BATCH: Final = 2048


class PixelBaseline(Callback):
    """Grow a forest on single pixels beside a model, and score it on the same validation ground.

    Its scores stand in the log as ``val/per_pixel_OA_L1``, ``val/per_pixel_mIoU_L1`` and so on; at the end of
    the training one line compares them with the model's last ones, and says where the baseline is ahead: the
    network has then learnt less from the labels than their pixels' values alone would tell. Without ground to
    validate on nothing is learnt, and nothing said.
    """

    def __init__(self) -> None:
        self._forest: PixelForest | None = None
        self._held = PixelSample()
        self._last: HierarchicalScores | None = None
        self._generator = torch.Generator()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew; the draw of the pixels is no matter of the training's own random numbers."""
        self._forest, self._last, self._held = None, None, PixelSample()
        self._generator.manual_seed(0)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: STEP_OUTPUT, batch: Batch, batch_idx: int
    ) -> None:
        """Learn from some labelled pixels of a batch."""
        if not trainer.enable_validation or not hasattr(pl_module, "taxonomy"):
            return
        found = self._drawn(batch)
        if found is None:
            return
        values, leaf = found
        if self._forest is None:
            self._forest = PixelForest(_module(pl_module).taxonomy.num_classes[-1])
        self._forest.add(values, leaf)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: STEP_OUTPUT,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep some labelled pixels of all the ground, each as likely, to score."""
        if self._forest is None or trainer.sanity_checking:
            return
        found = self._drawn(batch, most=None)
        if found is not None:
            self._held.add(*found)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the scores of all processes; each takes part, on the device by which they talk."""
        held = self._forest is not None and self._held.shown > 0
        if not trainer.strategy.reduce_boolean_decision(held, all=False):
            return
        metrics = HierarchicalMetrics(_module(pl_module).taxonomy).to(pl_module.device)
        if self._forest is not None and held:
            values, leaf = (torch.from_numpy(part) for part in self._held.kept())
            predicted = self._forest(values.T[None, :, None]).argmax(dim=1)
            metrics.update_leaf(predicted.to(metrics.device), leaf[None, None].to(metrics.device))
        self._held = PixelSample()
        self._last = metrics.compute()
        for number, level in enumerate(self._last.levels, start=1):
            pl_module.log(f"val/per_pixel_OA_L{number}", level.oa, sync_dist=True)
            pl_module.log(f"val/per_pixel_mIoU_L{number}", level.miou, sync_dist=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare the last scores."""
        if self._last is None or not trainer.is_global_zero:
            return
        own = trainer.callback_metrics
        ahead = []
        shown = []
        for number, level in enumerate(self._last.levels, start=1):
            shown.append(f"L{number} OA {100 * level.oa:.1f} mIoU {100 * level.miou:.1f}")
            pairs = ((level.oa, own.get(f"val/OA_L{number}")), (level.miou, own.get(f"val/mIoU_L{number}")))
            if any(mine is not None and theirs > float(mine) for theirs, mine in pairs):
                ahead.append(f"L{number}")
        _LOG.info("per-pixel forest on the validation ground: %s", ", ".join(shown))
        if ahead:
            _LOG.info(
                "the per-pixel forest is ahead of the model at %s: train longer, take pretrained weights, "
                "or try head: pooled",
                ", ".join(ahead),
            )

    def _drawn(self, batch: Batch, most: int | None = _MOST_PER_BATCH) -> tuple[Tensor, Tensor] | None:
        """Values (n, C) and leaves (n,) of labelled pixels, None of series and where there are none."""
        image, mask = batch["image"], batch["mask"]
        if image.ndim != 4:
            return None
        known = ((mask != IGNORE_INDEX) & batch["valid"]).flatten().nonzero().flatten()
        if len(known) == 0:
            return None
        if most is not None:
            drawn = torch.randperm(len(known), generator=self._generator)[:most]
            known = known[drawn.to(known.device)]
        return image.movedim(1, -1).flatten(0, 2)[known], mask.flatten()[known]


def _module(pl_module: LightningModule) -> Any:  # noqa: ANN401  # a task, which knows its tree
    return pl_module
