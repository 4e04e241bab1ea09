"""From blocks of path logits to blocks of rasters: class values per level, confidence, depth."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..maps.cog import CONFIDENCE_NODATA, class_dtype
from ..maps.outside import AOA_NODATA, INSIDE, OUTSIDE
from ..models.decode import adaptive_depth, best_path, confidence_of
from ..taxonomy import Taxonomy
from ..taxonomy.depth import DEPTH_NODATA, adaptive_nodata
from .accumulator import Block
from .options import OutputOptions
from .rows import Rows

LayerKind = Literal[
    "class",
    "confidence",
    "depth",
    "adaptive",
    "entropy",
    "probabilities",
    "dissimilarity",
    "applicability",
    "stack",
]


@dataclass(frozen=True)
class Layer:
    """One raster that a prediction writes.

    Attributes:
        name: Suffix of the file, for example ``L1`` or ``conf_L2``.
        kind: What it holds.
        level: 1..N, or None where it is not of one level.
    """

    name: str
    kind: LayerKind
    level: int | None


def class_layer(level: int) -> Layer:
    """Class map of a level."""
    return Layer(f"L{level}", "class", level)


def confidence_layer(level: int) -> Layer:
    """Confidence of a level, byte, per cent."""
    return Layer(f"conf_L{level}", "confidence", level)


DEPTH_LAYER = Layer("depth", "depth", None)
ADAPTIVE_LAYER = Layer("adaptive", "adaptive", None)
ENTROPY_LAYER = Layer("entropy", "entropy", None)
PROBABILITIES_LAYER = Layer("probabilities", "probabilities", None)
DISSIMILARITY_LAYER = Layer("di", "dissimilarity", None)
APPLICABILITY_LAYER = Layer("aoa", "applicability", None)

#: Largest dissimilarity that is told apart, in per cent of the threshold.
_MOST_UNLIKE = 254

#: File with the class maps of all levels as bands, in place of one file each.
STACK_NAME = "levels"
STACK_LAYER = Layer(STACK_NAME, "stack", None)


def wanted_layers(options: OutputOptions, levels: tuple[int, ...]) -> tuple[Layer, ...]:
    """List what is computed, in order.

    Args:
        options: What is asked for.
        levels: Levels that are written.
    """
    layers = [class_layer(level) for level in levels]
    if options.confidence:
        layers += [confidence_layer(level) for level in levels]
    if options.depth_threshold is not None:
        layers += [ADAPTIVE_LAYER, DEPTH_LAYER]
    if options.entropy:
        layers.append(ENTROPY_LAYER)
    if options.probabilities:
        layers.append(PROBABILITIES_LAYER)
    if options.applicability:
        layers += [DISSIMILARITY_LAYER, APPLICABILITY_LAYER]
    return tuple(layers)


class LayerDecoder:
    """Decode blocks by joint semantic path search into the layers asked for.

    A pixel gets the same bytes whichever other pixels it is decoded with.

    Args:
        taxonomy: The tree.
        layers: What to compute.
        depth_threshold: Of the depth and the adaptive layer.
    """

    def __init__(
        self, taxonomy: Taxonomy, layers: tuple[Layer, ...], depth_threshold: float | None = None
    ) -> None:
        self._layers = layers
        self._threshold = depth_threshold or 0.0
        self._paths = torch.from_numpy(taxonomy.paths.copy())
        self._nodata = taxonomy.nodata_value
        self._dtype = np.dtype(class_dtype(taxonomy))
        # raster value by level and path: one look-up turns a path index into what is stored
        self._values = [
            taxonomy.index_to_value(taxonomy.paths[:, level], level + 1).astype(self._dtype)
            for level in range(taxonomy.num_levels)
        ]
        self._adaptive = adaptive_values(taxonomy)
        self._adaptive_nodata = adaptive_nodata(taxonomy)
        plain = ("class", "dissimilarity", "applicability")
        self._wants_probability = any(layer.kind not in plain for layer in layers)

    def decode(self, block: Block) -> Rows:
        """Compute the layers of a block: values as stored, each layer's nodata where not valid.

        Args:
            block: Path logits and validity; a channel below the path logits holds dissimilarities.
        """
        valid = block.valid.cpu().numpy()
        path_logits, others = block.path_logits.split_with_sizes(
            [len(self._paths), len(block.path_logits) - len(self._paths)]
        )
        best = best_path(path_logits[None])[0]
        soft = _Soft.of(path_logits, best, self._paths) if self._wants_probability else None
        path = best.cpu().numpy()
        layers = {
            layer.name: _applicable(layer, others[0].cpu().numpy(), valid)
            if layer in (DISSIMILARITY_LAYER, APPLICABILITY_LAYER)
            else self._layer(layer, path, soft, valid)
            for layer in self._layers
        }
        return Rows(block.window, layers, bool(valid.any()))

    def _layer(
        self, layer: Layer, best: NDArray[np.int64], soft: "_Soft | None", valid: NDArray[np.bool_]
    ) -> NDArray[np.generic]:
        if layer.kind == "class" and layer.level is not None:
            return np.where(valid, self._values[layer.level - 1][best], self._dtype.type(self._nodata))
        if soft is None:
            raise ValueError(f"{layer.name} needs probabilities")  # what is wanted is known when it is made
        if layer.kind == "confidence" and layer.level is not None:
            return np.where(
                valid, _per_cent(soft.confidence[0, layer.level - 1]), np.uint8(CONFIDENCE_NODATA)
            )
        if layer.kind == "entropy":
            return np.where(valid, _per_cent(soft.entropy()), np.uint8(CONFIDENCE_NODATA))
        if layer.kind == "probabilities":
            return np.where(valid, _per_cent(soft.probability), np.uint8(CONFIDENCE_NODATA))
        depth = adaptive_depth(soft.confidence, self._threshold)[0].cpu().numpy()
        if layer.kind == "depth":
            return np.where(valid, depth.astype(np.uint8), np.uint8(DEPTH_NODATA))
        return np.where(valid, self._adaptive[depth, best], self._adaptive.dtype.type(self._adaptive_nodata))


@dataclass(frozen=True)
class _Soft:
    """Probabilities of some rows: P(t) (T, h, w), and confidence (1, N, h, w) of what was decoded."""

    probability: Tensor
    confidence: Tensor

    @classmethod
    def of(cls, path_logits: Tensor, best: Tensor, paths: Tensor) -> "_Soft":
        # paths last in memory: a pixel's softmax is then computed on its own. Along the first axis it would
        # depend on the pixel's place in a vector register, and so on how a scene is cut.
        last = path_logits.permute(1, 2, 0).contiguous().softmax(dim=-1)
        probability = last.permute(2, 0, 1)
        confidence = confidence_of(probability[None], best[None, None], paths)
        return cls(probability, confidence)

    def entropy(self) -> Tensor:
        """Entropy of the paths (h, w), 0 where one is certain, 1 where all are alike."""
        last = self.probability.permute(1, 2, 0).cpu().double()
        terms: Tensor = -torch.special.xlogy(last, last).sum(dim=-1)
        return terms / max(math.log(last.shape[-1]), 1e-12)


def _applicable(
    layer: Layer, dissimilarity: NDArray[np.float32], valid: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Dissimilarities (h, w) in per cent of the threshold, or which of them lie within it."""
    if layer == APPLICABILITY_LAYER:
        stored = np.where(dissimilarity > 1, OUTSIDE, INSIDE)
    else:
        stored = np.rint(np.minimum(100 * dissimilarity, _MOST_UNLIKE))
    return np.where(valid, stored, AOA_NODATA).astype(np.uint8)


def _per_cent(share: Tensor) -> NDArray[np.uint8]:
    return (share * 100).round().clamp(0, 100).to(torch.uint8).cpu().numpy()


def adaptive_values(taxonomy: Taxonomy) -> NDArray[np.unsignedinteger]:
    """Raster values of the adaptive layer, (N + 1, T): by depth, 0 for no level sure, and path.

    The classes of all levels are numbered through, from 1, level 1 first: the values of several levels may be
    the same numbers.
    """
    first = np.cumsum([1, *taxonomy.num_classes[:-1]])
    dtype = np.uint8 if adaptive_nodata(taxonomy) < 256 else np.uint16
    rows = [np.zeros(len(taxonomy.paths), np.int64)]
    rows += [first[level] + taxonomy.paths[:, level] for level in range(taxonomy.num_levels)]
    return np.stack(rows).astype(dtype)


__all__ = (
    "ADAPTIVE_LAYER",
    "APPLICABILITY_LAYER",
    "DEPTH_LAYER",
    "DISSIMILARITY_LAYER",
    "ENTROPY_LAYER",
    "PROBABILITIES_LAYER",
    "STACK_LAYER",
    "STACK_NAME",
    "Layer",
    "LayerDecoder",
    "LayerKind",
    "adaptive_values",
    "class_layer",
    "confidence_layer",
    "wanted_layers",
)
