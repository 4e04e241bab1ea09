"""NeverPredicted: say after a training which classes its labels hold and its model never answers."""

import copy
import logging
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ..errors import list_some
from ..metrics import HierarchicalMetrics
from ..models.decode import jsps, path_logits
from ..types import Batch
from .batches import labels_of

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
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Batch,
        batch_idx: int,
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
