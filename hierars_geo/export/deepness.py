"""The graph of a model as the QGIS plugin Deepness reads it."""

import torch
from torch import Tensor

from ..models.map_model import MapModel
from ..models.record import ModelRecord
from ..predict.network.graph import MapGraph

#: Share of a value that it may change by on its way through float32 and back.
_ROUNDING = 1e-6


class DeepnessGraph(MapGraph):
    """The layout that the QGIS plugin Deepness reads: one output per level, a channel per class.

    The plugin takes the largest channel of every output by itself. So that what it takes is the decoded
    class, and levels never contradict each other, the channel of the decoded class holds its confidence and
    the others 0. The first channel is "no data": the plugin knows no NaN and would make a class of it, so a
    pixel whose stored values are the training's nodata value in all bands has no data (in any band where the
    training counted so), 0 where the training was told of none: that also is what lies around a raster.
    """

    def __init__(self, model: MapModel, record: ModelRecord) -> None:
        super().__init__(model, record)
        self.cell = 0  # the plugin has no use for more outputs
        self.class_counts = record.taxonomy.num_classes
        self.fill = 0.0 if record.read.nodata is None else float(record.read.nodata)
        self.fill_in_any = record.read.nodata_rule == "any"

    @property
    def output_names(self) -> tuple[str, ...]:
        """Of the outputs, in order."""
        return tuple(f"scores_L{level}" for level in range(1, self.levels + 1))

    def forward(self, image: Tensor, doy: Tensor | None = None) -> tuple[Tensor, ...]:
        """Compute N tensors (B, 1 + C_l, H, W) float32 from stored values (B, C, H, W), of no series."""
        # the plugin divides and multiplies again, which rounds
        filled = (image - self.fill).abs() <= _ROUNDING * max(1.0, abs(self.fill))
        empty = filled.any(dim=1) if self.fill_in_any else filled.all(dim=1)
        valid = image.isfinite().all(dim=1) & ~empty
        logits = self.channels(image, valid)[0]
        best = logits.argmax(dim=1)
        scores: list[Tensor] = []
        for level, confidence in enumerate(self.confidences(logits, best, valid)):
            column = self.paths[:, level]
            own = column[best].unsqueeze(1)
            channel = torch.arange(self.class_counts[level], device=image.device)[None, :, None, None]
            known = (own == channel).to(confidence.dtype) * confidence.unsqueeze(1)
            scores.append(torch.cat([(~valid).unsqueeze(1).to(confidence.dtype), known], dim=1))
        return tuple(scores)
