"""StartCheckpoint: a trained model that a training starts from, with another tree or other bands."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..models.band_adaptation import BandAdaptation
from ..models.checkpoint_file import read_checkpoint, scene_weights
from ..models.init_report import InitReport
from ..models.record import RECORD_KEY, ModelRecord
from ..models.scene_model import SceneModel
from ..models.transplant import Parts, transplant

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class StartCheckpoint:
    """What to start from.

    Attributes:
        path: Checkpoint written by a task of this package.
        parts: What to take over, see :func:`hierars_geo.models.transplant`.
        band_adaptation: How its first layer meets other bands.
    """

    path: str | Path
    parts: Parts = "all"
    band_adaptation: BandAdaptation = "auto"

    def load_into(self, model: SceneModel, record: ModelRecord) -> InitReport:
        """Give a model the weights; of one with two branches those of the target.

        Args:
            model: Takes the weights, in place.
            record: What it was built from.

        Raises:
            MissingFileError: There is no such file.
            CheckpointError: It is damaged, holds code, or is of another encoder.
        """
        content = read_checkpoint(self.path)
        old = ModelRecord.from_dict(content[RECORD_KEY], str(self.path))
        weights = scene_weights(content["state_dict"])
        return transplant(model, weights, old, record, self.parts, self.band_adaptation)

    def record(self, report: InitReport) -> dict[str, Any]:
        """Return what a checkpoint says of its start, in plain values."""
        return {"checkpoint": str(self.path), "report": report.to_dict()}


def log_report(report: InitReport, path: str | Path) -> None:
    """Log which weights were copied and which are new."""
    for line in (f"weights from {path} ({report.parts}):", *(f"  {line}" for line in report.lines())):
        _LOG.info("%s", line)


__all__ = ("StartCheckpoint", "log_report")
