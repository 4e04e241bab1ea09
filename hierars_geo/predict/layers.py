"""From blocks of path logits to blocks of rasters: class values per level, confidence, depth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import permutations
from operator import add
from typing import Any, Generic, Literal

import numpy as np
from numpy.typing import NDArray

from ..maps.cog import CONFIDENCE_NODATA, class_dtype
from ..maps.outside import AOA_NODATA, INSIDE, OUTSIDE
from ..models.calibration import Curve
from ..models.namespace import Array, first_of_largest, namespace_of, on_host
from ..models.siblings import Climb, Ladder
from ..taxonomy import Taxonomy
from ..taxonomy.depth import DEPTH_NODATA, adaptive_classes, adaptive_nodata, most_siblings
from .accumulator import Block
from .options import OutputOptions
from .rows import Rows

LayerKind = Literal[
    "class",
    "confidence",
    "depth",
    "adaptive",
    "sets",
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
#: The adaptive map with sets of siblings: another kind under the same name.
SETS_LAYER = Layer("adaptive", "sets", None)
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
        layers += [SETS_LAYER if options.sets else ADAPTIVE_LAYER, DEPTH_LAYER]
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
        curves: Of a calibrated model, by level.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        layers: tuple[Layer, ...],
        depth_threshold: float | None = None,
        curves: Sequence[Curve] = (),
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
        self._ladder = Ladder(taxonomy.paths, curves=curves)
        self._sets = SetValues(taxonomy, curves) if SETS_LAYER in layers else None
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
            soft = _Soft.of(path_logits, best, self._ladder)
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
        if layer.kind == "sets" and self._sets is not None:
            values = self._sets.of(soft, self._threshold)
            return np.where(valid, values, values.dtype.type(self._sets.nodata))
        depth = on_host(_reached(soft.confidence, self._threshold))
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
    """Probabilities P(t) (T, h, w) of some pixels, what was decoded (h, w), and what follows for each level.

    ``confidence`` (h, w) of what was decoded, by level, is the sum of P(t) over the paths that begin like it.
    """

    probability: Array
    best: Array
    confidence: tuple[Array, ...]

    @classmethod
    def of(cls, path_logits: Array, best: Array, ladder: Ladder) -> "_Soft[Array]":
        xp = namespace_of(path_logits)
        probability: Array = path_logits - xp.amax(path_logits, axis=0)
        xp.exp(probability, out=probability)
        probability /= reduce(add, probability)
        return cls(probability, best, ladder.climb(probability, best).alone)

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


def _reached(confidence: Sequence[Array], threshold: float) -> Any:  # noqa: ANN401  # as confidence
    """Count the steps (h, w) that reach a confidence, of steps that never rise: 0 where none does."""
    return reduce(add, (1 * (step >= threshold) for step in confidence))


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


class SetValues:
    """Raster values of an adaptive layer with sets of siblings: those of the classes, then the sets in order.

    Args:
        taxonomy: The class tree.
        curves: Of a calibrated model, by level.
    """

    def __init__(self, taxonomy: Taxonomy, curves: Sequence[Curve] = ()) -> None:
        self._ladder = ladder = Ladder(taxonomy.paths, most_siblings(taxonomy), curves)
        self.nodata = adaptive_nodata(taxonomy, sets=True)
        dtype = np.dtype(np.uint8 if self.nodata < 256 else np.uint16)
        self._alone = adaptive_values(taxonomy).astype(dtype)
        said = list(enumerate(adaptive_classes(taxonomy, sets=True), start=1))
        self._tables: list[NDArray[np.unsignedinteger]] = []  # by M numbers of beginnings, -1 for none
        for level, group in enumerate(ladder.groups):
            index = np.zeros(int(group.max()) + 1, np.int64)
            index[group] = taxonomy.paths[:, level]
            shape = (len(index), *[len(index) + 1] * (ladder.most - 1))
            table: NDArray[Any] = np.zeros(shape, dtype)
            for value, (at, members) in said:
                if at == level + 1:
                    rows = [np.flatnonzero(index == member) for member in members]
                    for ids in permutations(rows):
                        table[np.ix_(*ids, *[[-1]] * (ladder.most - len(ids)))] = value
            self._tables.append(table)

    def of(self, soft: _Soft[Any], threshold: float) -> NDArray[np.unsignedinteger]:
        """Values (h, w) of the finest class or set that reaches a confidence, 0 where none does.

        Sets are looked for only where the finest class does not, which costs what there is of such ground.
        """
        depth = _reached(soft.confidence, threshold)
        values: NDArray[np.unsignedinteger] = self._alone[on_host(depth), on_host(soft.best)]
        unsure = depth < len(soft.confidence)
        climb = self._ladder.climb(soft.probability[:, unsure], soft.best[unsure])
        values[on_host(unsure)] = self._of_steps(climb, threshold)
        return values

    def _of_steps(self, climb: Climb[Any], threshold: float) -> NDArray[np.unsignedinteger]:
        """Values (n,) of the finest step that reaches a confidence."""
        reached = on_host(_reached(climb.confidence, threshold))
        values: NDArray[np.unsignedinteger] = np.zeros(reached.shape, self._tables[0].dtype)
        for level, table in enumerate(self._tables):
            members = [on_host(number) for number in climb.members[level]]
            for size in range(climb.most, 0, -1):
                here = reached == (level + 1) * climb.most - size + 1
                ids = [number[here] for number in members[:size]]
                values[here] = table[(*ids, *[-1] * (climb.most - size))]
        return values
