"""The whole way from stored image values to decoded maps as one graph, JSPS inside."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ...models.calibration import curved_steps
from ...models.decode import path_logits
from ...models.features import padded_size
from ...models.map_model import MapModel
from ...models.record import ModelRecord
from ..exported import DISSIMILARITY, PATH_LOGITS


class AnySizeAveragePool(nn.Module):
    """Do what ``nn.AdaptiveAvgPool2d`` does, for sizes that are not known when the graph is made.

    Exporters unroll the library's own into as many slices as the example's size happens to need. Here cell i
    of n takes pixels floor(i L / n) .. ceil((i + 1) L / n) - 1 of a side of length L with equal weights, by
    an (n, L) matrix per side that the graph computes from the size it meets.

    Args:
        cells: (rows, columns) of the result.
    """

    def __init__(self, cells: tuple[int, int]) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, D, h, w) to (B, D, rows, columns)."""
        rows = _weights(self.cells[0], x.shape[-2], x)
        columns = _weights(self.cells[1], x.shape[-1], x)
        return rows @ x @ columns.T


def _weights(cells: int, length: int, like: Tensor) -> Tensor:
    """Average of every cell over a side: (cells, length)."""
    cell = torch.arange(cells, device=like.device)[:, None]
    pixel = torch.arange(length, device=like.device)[None, :]
    first = cell * length // cells
    last = ((cell + 1) * length + cells - 1) // cells
    inside = ((pixel >= first) & (pixel < last)).to(like.dtype)
    return inside / inside.sum(dim=1, keepdim=True)


def replace_adaptive_pools(model: nn.Module) -> None:
    """Put :class:`AnySizeAveragePool` in place of every adaptive pooling to more than one cell."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.AdaptiveAvgPool2d):
                size = child.output_size
                rows, columns = size if isinstance(size, tuple) else (size, size)
                if isinstance(rows, int) and isinstance(columns, int) and (rows, columns) != (1, 1):
                    setattr(parent, name, AnySizeAveragePool((rows, columns)))


#: Axes of the inputs, of models of images and of series; all but the bands stay open.
_IMAGE = {"image": ("batch", "bands", "height", "width")}
_SERIES = {"image": ("batch", "dates", "bands", "height", "width"), "doy": ("batch", "dates")}


class MapGraph(nn.Module):
    """Stored values in; path logits, and classes and confidences of every level out.

    Of a model that knows its training ground the last output is how unlike that a pixel is.

    A pixel that is NaN or infinite in any band has no data: the model sees the mean there, its classes are
    the tree's nodata value and its confidences 0. Of a series it has none at that date, and no class where it
    has none at all dates.
    """

    paths: Tensor
    values: Tensor

    def __init__(self, model: MapModel, record: ModelRecord) -> None:
        super().__init__()
        taxonomy = record.taxonomy
        self.levels = taxonomy.num_levels
        self.nodata = taxonomy.nodata_value
        self.inputs = _SERIES if model.of_series else _IMAGE
        # a copy without channels last: the layout would become part of the graph's conditions
        self.model = copy.deepcopy(model).eval()
        self.model.contiguous_layout()
        replace_adaptive_pools(self.model)
        paths = taxonomy.paths
        values = [taxonomy.index_to_value(paths[:, level], level + 1) for level in range(self.levels)]
        self.register_buffer("paths", torch.from_numpy(paths.copy()))
        self.register_buffer("values", torch.from_numpy(np.stack(values).astype(np.int32)))  # (N, T)
        for level in range(1, self.levels + 1):
            self.register_buffer(f"groups_{level}", torch.from_numpy(_groups(paths, level)))
        self.cell, self.full_size = _measured(self.model, len(record.bands))

    @property
    def output_names(self) -> tuple[str, ...]:
        """Of the outputs, in order."""
        levels = range(1, self.levels + 1)
        layers = *(f"class_L{level}" for level in levels), *(f"confidence_L{level}" for level in levels)
        return (PATH_LOGITS, *layers, *((DISSIMILARITY,) if self.cell else ()))

    def forward(self, image: Tensor, doy: Tensor | None = None) -> tuple[Tensor, ...]:
        """Compute all outputs.

        Args:
            image: (B, C, H, W) float32 values as stored; of a series (B, D, C, H, W).
            doy: (B, D) int64, day of the year 1..366, of a series.

        Returns:
            Path logits (B, T, H, W) float32, then per level raster values (B, H, W) int32, then per level
            confidences (B, H, W) float32 in 0..1, never rising from one level to the next; dissimilarities
            (B, 1, H, W) where the model knows its training ground.
        """
        seen = image.isfinite().all(dim=-3)
        valid = seen if doy is None else seen.any(dim=1)
        logits, *unlike = self.channels(image, seen, doy)
        best = logits.argmax(dim=1)
        classes = [torch.where(valid, self.values[level][best], self.nodata) for level in range(self.levels)]
        return (logits, *classes, *self.confidences(logits, best, valid), *unlike)

    def channels(self, image: Tensor, valid: Tensor, doy: Tensor | None = None) -> list[Tensor]:
        """Path logits (B, T, H, W) of stored values and their validity; see :class:`~.models.MapModel`.

        Behind them dissimilarities (B, 1, H, W), where the model knows its training ground.
        """
        features, logits = self.model.features_and_logits(image, valid, doy)
        found = [self.model.calibrated(path_logits(logits, self.paths))]
        if self.cell:
            found.append(self.model.unlike(features, self.cell, (found[0].shape[-2], found[0].shape[-1])))
        height, width = image.shape[-2:]
        if not self.full_size:
            padded = padded_size((height, width), self.model.multiple)
            found = [F.interpolate(each, size=padded, mode="bilinear", align_corners=False) for each in found]
        # a slice would make the graph ask whether there is anything to cut off, and refuse the other case
        return [F.pad(each, (0, width - each.shape[-1], 0, height - each.shape[-2])) for each in found]

    def confidences(self, logits: Tensor, best: Tensor, valid: Tensor) -> list[Tensor]:
        """Sum P(t) over the paths that agree with the best one, level by level: N of (B, H, W).

        The same as :func:`~hierars_geo.models.level_confidence`, in operations that every exporter knows.
        """
        probability = logits.softmax(dim=1)
        found: list[Tensor] = []
        for level in range(1, self.levels + 1):
            groups: Tensor = self.get_buffer(f"groups_{level}")  # (G, T)
            marginal = torch.einsum("gt,bthw->bghw", groups, probability)
            own = groups.argmax(dim=0)[best]
            here = marginal.gather(1, own.unsqueeze(1)).squeeze(1).clamp(max=1.0)
            found.append(torch.minimum(here, found[-1]) if found else here)
        return [torch.where(valid, here, 0.0) for here in curved_steps(found, self.model.curves)]


class PathGraph(MapGraph):
    """The same way as far as the path logits, and the dissimilarities: what a predictor goes on from."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Of the outputs, in order."""
        return (PATH_LOGITS, *((DISSIMILARITY,) if self.cell else ()))

    def forward(self, image: Tensor, doy: Tensor | None = None) -> tuple[Tensor, ...]:
        """Compute what :meth:`MapGraph.forward` returns first and last."""
        return tuple(self.channels(image, image.isfinite().all(dim=-3), doy))


def _measured(model: MapModel, bands: int) -> tuple[int, bool]:
    """Side of the cells that dissimilarities are found for, see :meth:`.MapModel.cell`, 0 where none are.

    Also whether logits come in the resolution of the image.
    """
    side = 4 * model.multiple
    image, doy = torch.zeros(1, bands, side, side), None
    if model.of_series:
        image, doy = image[:, None], torch.ones(1, 1, dtype=torch.int64)
    with torch.no_grad():
        features, logits = model.features_and_logits(image, torch.ones_like(image[..., 0, :, :]) > 0, doy)
    cell = 0 if model.dissimilarity is None else model.cell(image, features)
    return cell, logits[0].shape[-2:] == (side, side)


def _groups(paths: NDArray[np.int64], level: int) -> NDArray[np.float32]:
    """(G, T) 0/1: which paths share each of the distinct beginnings of a length."""
    _, group = np.unique(paths[:, :level], axis=0, return_inverse=True)
    group = group.ravel()
    table: NDArray[np.float32] = (group == np.arange(group.max() + 1)[:, None]).astype(np.float32)
    return table
