"""From rows of path logits to rows of rasters: class values per level, confidence, depth."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..nn import adaptive_depth, level_confidence
from ..raster import CONFIDENCE_NODATA, class_dtype
from ..taxonomy import Taxonomy
from .accumulator import Rows

#: Raster value of a pixel without data in the depth raster; 0 means not even level 1 is sure enough.
DEPTH_NODATA = 255


@dataclass(frozen=True)
class Layer:
    """One raster that a prediction writes.

    Attributes:
        name: Suffix of the file, for example ``L1`` or ``conf_L2``.
        kind: What it holds.
        level: 1..N, or None for the depth raster.
    """

    name: str
    kind: str
    level: int | None


def class_layer(level: int) -> Layer:
    """Class map of a level."""
    return Layer(f"L{level}", "class", level)


def confidence_layer(level: int) -> Layer:
    """Confidence of a level, byte, per cent."""
    return Layer(f"conf_L{level}", "confidence", level)


DEPTH_LAYER = Layer("depth", "depth", None)


class LayerDecoder:
    """Decode rows by joint semantic path search into the layers asked for.

    Args:
        taxonomy: The tree.
        layers: What to compute.
        depth_threshold: Of the depth layer.
    """

    def __init__(
        self, taxonomy: Taxonomy, layers: tuple[Layer, ...], depth_threshold: float | None = None
    ) -> None:
        self._layers = layers
        self._threshold = depth_threshold
        self._paths = torch.from_numpy(taxonomy.paths.copy())
        self._nodata = taxonomy.nodata_value
        self._dtype = np.dtype(class_dtype(taxonomy))
        # raster value by level and path: one look-up turns a path index into what is stored
        self._values = [
            taxonomy.index_to_value(taxonomy.paths[:, level], level + 1).astype(self._dtype)
            for level in range(taxonomy.num_levels)
        ]
        self._wants_confidence = any(layer.kind != "class" for layer in layers)

    def decode(self, rows: Rows) -> dict[Layer, NDArray[np.generic]]:
        """Compute the layers of some rows.

        Args:
            rows: Path logits and validity.

        Returns:
            One (h, W) array per layer: raster values, per cent or depth, and each layer's nodata where not
            valid.
        """
        valid = rows.valid.cpu().numpy()
        best = rows.path_logits.argmax(dim=0).cpu().numpy()
        confidence = self._confidence(rows) if self._wants_confidence else None
        arrays: dict[Layer, NDArray[np.generic]] = {}
        for layer in self._layers:
            if layer.kind == "class" and layer.level is not None:
                arrays[layer] = np.where(
                    valid, self._values[layer.level - 1][best], self._dtype.type(self._nodata)
                )
            elif confidence is not None:
                arrays[layer] = self._from_confidence(layer, confidence, valid)
        return arrays

    def _confidence(self, rows: Rows) -> Tensor:
        return level_confidence(rows.path_logits.unsqueeze(0), self._paths.to(rows.path_logits.device)).cpu()

    def _from_confidence(
        self, layer: Layer, confidence: Tensor, valid: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        if layer.level is None:
            depth = adaptive_depth(confidence, self._threshold or 0.0)[0].numpy().astype(np.uint8)
            return np.where(valid, depth, np.uint8(DEPTH_NODATA))
        per_cent = (confidence[0, layer.level - 1] * 100).round().numpy().astype(np.uint8)
        return np.where(valid, per_cent, np.uint8(CONFIDENCE_NODATA))


def depth_taxonomy(taxonomy: Taxonomy) -> Taxonomy:
    """Describe the values of a depth raster as a tree of one level: it then gets a legend like any map."""
    count = taxonomy.num_levels
    names = ["no level sure"] + [
        f"{number} {name}" for number, name in enumerate(taxonomy.level_names, start=1)
    ]
    classes = [
        {
            "name": name,
            "value": value,
            "color": [235 - 200 * value // count] * 2 + [235 - 100 * value // count],
        }
        for value, name in enumerate(names)
    ]
    return Taxonomy.from_dict(
        {
            "name": f"{taxonomy.name}-depth",
            "nodata": DEPTH_NODATA,
            "levels": [{"name": "depth", "classes": classes}],
        }
    )


__all__ = (
    "DEPTH_LAYER",
    "DEPTH_NODATA",
    "Layer",
    "LayerDecoder",
    "class_layer",
    "confidence_layer",
    "depth_taxonomy",
)
