"""What the confidence of a tested model is worth, before and after its calibration."""

from pathlib import Path

from lightning.pytorch import Trainer
from torch import Tensor, nn

from ..metrics import ReliabilityMetric
from ..metrics.reliability import draw_diagrams
from ..models.decode import Paths, level_confidence
from ..models.map_model import MapModel
from ..output import atomic_path
from ..taxonomy import Taxonomy

#: Of the diagrams of every level, in the folder of the run.
DIAGRAMS = "reliability.png"


class ReliabilityOfTest(nn.Module):
    """Counts as the network says it, and as a calibrated checkpoint mends it."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.before = ReliabilityMetric(levels)
        self.after = ReliabilityMetric(levels)

    def update(self, scores: Tensor, paths: Paths, model: MapModel, decoded: Tensor, target: Tensor) -> None:
        """Count a batch.

        Args:
            scores: (B, T, H, W) path logits as the network gives them.
            paths: (T, N) int64.
            model: That gave them; it knows whether it was calibrated.
            decoded: (B, N, H, W) int64, what was decoded.
            target: (B, N, H, W) int64, negative where there is no label.
        """
        self.before.update(level_confidence(scores, paths), decoded, target)
        if model.temperature != 1 or model.curves:
            sure = level_confidence(scores / model.temperature, paths, model.curves)
            self.after.update(sure, decoded, target)

    def summarise(self, taxonomy: Taxonomy, trainer: Trainer) -> dict[str, float]:
        """Sum up what was counted, draw it into the folder of the run if there is one, and start anew.

        Returns:
            Expected calibration errors to log: ``test/ECE_L1``, and ``test/ECE_L1_before`` of a checkpoint
            that was calibrated.
        """
        before, calibrated = self.before.reliability(), self.after.update_called
        found = {"before": before, "after": self.after.reliability()} if calibrated else {"as it is": before}
        self.before.reset()
        self.after.reset()
        folder = Path(trainer.log_dir or ".")
        told = (
            trainer.loggers or folder.resolve() != Path.cwd()
        )  # else it is Lightning's default, where one stands
        if told and trainer.is_global_zero and before.pixels.any(axis=1).all():
            figure = draw_diagrams(
                {name: counts.diagrams() for name, counts in found.items()}, taxonomy.level_labels
            )
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(folder / DIAGRAMS) as unfinished:
                figure.savefig(unfinished, format="png", dpi=120)
        return {
            f"test/ECE_L{number}{'_before' if calibrated and counts is before else ''}": error
            for counts in found.values()
            for number, error in enumerate(counts.calibration_error().tolist(), start=1)
        }
