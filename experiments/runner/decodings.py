"""ScoreDecodings: score the same logits with and without joint decoding."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from hierars_geo.metrics import HierarchicalMetrics, HierarchicalScores
from hierars_geo.models import is_legal, jsps, path_logits
from hierars_geo.tasks import SegmentationTask
from hierars_geo.types import Batch


class ScoreDecodings(Callback):
    """Listen to a test, and count every pixel twice: decoded along legal paths, and by argmax per level.

    The model runs once: a hook keeps the logits that the task's own step hands to its loss.

    Attributes:
        decoded: Scores with JSPS, None before the test has ended.
        argmax: Scores of the best class of every level by itself; a flat model's coarser levels are those of
            its leaf, so that both are the same.
    """

    def __init__(self) -> None:
        self.decoded: HierarchicalScores | None = None
        self.argmax: HierarchicalScores | None = None
        self._logits: list[Tensor] = []
        self._hook: RemovableHandle | None = None
        self._metrics: tuple[HierarchicalMetrics, HierarchicalMetrics] | None = None

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to listen."""
        task = _task(pl_module)
        self._hook = task.loss.register_forward_pre_hook(self._keep)
        both = (HierarchicalMetrics(task.taxonomy), HierarchicalMetrics(task.taxonomy))
        self._metrics = (both[0].to(task.device), both[1].to(task.device))

    def _keep(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._logits = [level.float() for level in inputs[0]]  # whatever precision the trainer works in

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401  # Lightning's signature
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count a batch."""
        if self._metrics is None:
            return
        decoded, argmax = self._metrics
        paths = _task(pl_module).paths
        best = jsps(path_logits(self._logits, paths), paths)
        if len(self._logits) == 1:
            decoded.update(best, batch["mask"])
            argmax.update(best, batch["mask"])
            return
        single = torch.stack([level.argmax(dim=1) for level in self._logits], dim=1)
        legal = is_legal(single, paths)
        decoded.update(best, batch["mask"], legal)
        argmax.update(single, batch["mask"], legal)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute the scores and stop listening."""
        if self._hook is not None:
            self._hook.remove()
        if self._metrics is not None:
            self.decoded, self.argmax = (metrics.compute() for metrics in self._metrics)
        self._logits = []


def _task(module: LightningModule) -> SegmentationTask:
    if not isinstance(module, SegmentationTask):
        raise TypeError(f"Expected a SegmentationTask, but got {type(module).__name__}.")
    return module
