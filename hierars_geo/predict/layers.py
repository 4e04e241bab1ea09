"""From blocks of path logits to blocks of rasters: class values per level, confidence, depth."""

import math
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Generic, Literal

import numpy as np
from numpy.typing import NDArray

from ..maps.cog import CONFIDENCE_NODATA, class_dtype
from ..maps.outside import AOA_NODATA, INSIDE, OUTSIDE
from ..models.path_search import first_of_largest
from ..taxonomy import Taxonomy
from ..taxonomy.depth import DEPTH_NODATA, adaptive_nodata
from .accumulator import Block
from .namespace import Array, namespace_of, on_host
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
    """List what is computed, in order."""
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
        self._paths = taxonomy.paths
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

    def decode(self, block: Block[Any]) -> Rows:
        """Compute the layers of a block: values as stored, each layer's nodata where not valid.

        Args:
            block: Path logits and validity; a channel below the path logits holds dissimilarities.
        """
        valid = on_host(block.valid)
        path_logits, others = block.path_logits[: len(self._paths)], block.path_logits[len(self._paths) :]
        best = _best_path(path_logits)
        soft: _Soft[Any] | None = None
        if self._wants_probability:
            soft = _Soft.of(path_logits, best, self._paths)
        path = on_host(best)
        layers = {
            layer.name: _applicable(layer, on_host(others[0]), valid)
            if layer in (DISSIMILARITY_LAYER, APPLICABILITY_LAYER)
            else self._layer(layer, path, soft, valid)
            for layer in self._layers
        }
        return Rows(block.window, layers, bool(valid.any()))

    def _layer(
        self, layer: Layer, best: NDArray[np.integer], soft: "_Soft[Any] | None", valid: NDArray[np.bool_]
    ) -> NDArray[np.generic]:
        if layer.kind == "class" and layer.level is not None:
            values: NDArray[np.generic] = self._values[layer.level - 1][best]
            return np.where(valid, values, self._dtype.type(self._nodata))
        if soft is None:
            raise ValueError(f"{layer.name} needs probabilities")  # what is wanted is known when it is made
        if layer.kind == "confidence" and layer.level is not None:
            return np.where(valid, _per_cent(soft.confidence[layer.level - 1]), np.uint8(CONFIDENCE_NODATA))
        if layer.kind == "entropy":
            return np.where(valid, _per_cent(soft.entropy()), np.uint8(CONFIDENCE_NODATA))
        if layer.kind == "probabilities":
            return np.where(valid, _per_cent(soft.probability), np.uint8(CONFIDENCE_NODATA))
        depth = soft.depth(self._threshold)
        if layer.kind == "depth":
            return np.where(valid, depth.astype(np.uint8), np.uint8(DEPTH_NODATA))
        return np.where(valid, self._adaptive[depth, best], self._adaptive.dtype.type(self._adaptive_nodata))


def _best_path(path_logits: Array) -> Array:
    """Index of the most probable path of every pixel, the first of equals: (T, h, w) to (h, w)."""
    if isinstance(path_logits, np.ndarray):
        return first_of_largest(path_logits)
    return path_logits.max(dim=0).indices


@dataclass(frozen=True)
class _Soft(Generic[Array]):
    """Probabilities of some pixels: P(t) (T, h, w), and per level confidence (h, w) of what was decoded.

    The confidence of a level is the sum of P(t) over the paths that begin like the decoded one. Sums run path
    by path, so that a pixel's bits do not depend on its place among others.
    """

    probability: Array
    confidence: tuple[Array, ...]

    @classmethod
    def of(cls, path_logits: Array, best: Array, paths: NDArray[np.int64]) -> "_Soft[Array]":
        xp = namespace_of(path_logits)
        probability: Array = path_logits - xp.amax(path_logits, axis=0)
        xp.exp(probability, out=probability)
        probability /= reduce(add, probability)
        confidence: list[Array] = []
        for level in range(1, paths.shape[1] + 1):
            here = _summed_over_beginnings(probability, best, paths[:, :level]).clip(max=1.0)
            # rounding may not raise it
            confidence.append(xp.minimum(here, confidence[-1]) if confidence else here)
        return cls(probability, tuple(confidence))

    def depth(self, threshold: float) -> NDArray[np.integer]:
        """Finest level that reaches a confidence (h, w), 0 where none does."""
        return on_host(reduce(add, (1 * (level >= threshold) for level in self.confidence)))

    def entropy(self) -> Array:
        """Entropy of the paths (h, w), 0 where one is certain, 1 where all are alike."""
        xp = namespace_of(self.probability)
        share = xp.asarray(self.probability, dtype=xp.float64)
        terms = -share * xp.log(xp.where(share > 0, share, 1.0))
        entropy: Array = reduce(add, terms) / max(math.log(len(terms)), 1e-12)
        return entropy


def _applicable(
    layer: Layer, dissimilarity: NDArray[np.float32], valid: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Dissimilarities (h, w) in per cent of the threshold, or which of them lie within it."""
    if layer == APPLICABILITY_LAYER:
        stored = np.where(dissimilarity > 1, OUTSIDE, INSIDE)
    else:
        stored = np.rint(np.minimum(100 * dissimilarity, _MOST_UNLIKE))
    return np.where(valid, stored, AOA_NODATA).astype(np.uint8)


def _summed_over_beginnings(probability: Array, best: Array, beginnings: NDArray[np.int64]) -> Array:
    """Sum P(t) over the paths that share their first levels (T, l) with the best one: (h, w)."""
    xp = namespace_of(probability)
    group = np.unique(beginnings, axis=0, return_inverse=True)[1].ravel()
    count = int(group.max()) + 1
    if count == len(group):  # each path has a beginning of its own: the best is the most probable
        largest: Array = xp.amax(probability, axis=0)
        return largest
    own = xp.asarray(group, device=probability.device)[best]
    found: Array = xp.zeros_like(probability[0])
    for number in range(count):
        total = reduce(add, (probability[path] for path in np.flatnonzero(group == number).tolist()))
        found = xp.where(own == number, total, found)
    return found


def _per_cent(share: Array) -> NDArray[np.uint8]:
    xp = namespace_of(share)
    return on_host(xp.clip(xp.round(share * 100), 0, 100)).astype(np.uint8)


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
