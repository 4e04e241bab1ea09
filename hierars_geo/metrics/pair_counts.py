"""PairCounts: scores of every level from counts of pairs (what the map shows, what is there)."""

import math

import numpy as np
from numpy.typing import NDArray

from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX
from .scores import HierarchicalScores, level_scores

#: Up to this many combinations of classes of all levels are found by a table, more by sorting.
_TABLE_SIZE = 1 << 22


class PairCounts:
    """Count pixels by the symbol of the map and the reference; everything else follows from few pairs.

    Args:
        taxonomy: The tree.
        chains: (S, D) class index of every symbol of the map at levels 1..D; ``IGNORE_INDEX`` where a symbol
            has no class.
    """

    def __init__(self, taxonomy: Taxonomy, chains: NDArray[np.int64]) -> None:
        self._sizes = taxonomy.num_classes
        self._chains = chains
        levels = range(1, taxonomy.num_levels + 1)
        leaves = np.stack([taxonomy.lift_table(level) for level in levels], axis=1)
        #: (C_N + 1, N), the last without a label
        self._leaf_chains = np.concatenate([leaves, np.full((1, len(levels)), IGNORE_INDEX)])
        self._by_leaf = np.zeros((len(self._leaf_chains), len(chains)), dtype=np.int64)
        self._by_code: dict[int, NDArray[np.int64]] = {}

    def add(self, symbol: NDArray[np.integer], reference: NDArray[np.int64]) -> None:
        """Count pixels.

        Args:
            symbol: (...) symbols of the map, 0..S-1.
            reference: (...) leaf indices, or (N, ...) class indices per level; negative without a label.
        """
        symbols = len(self._chains)
        if reference.ndim == symbol.ndim:
            code = np.where(reference < 0, len(self._by_leaf) - 1, reference) * symbols + symbol
            self._by_leaf += np.bincount(code.ravel(), minlength=self._by_leaf.size).reshape(
                self._by_leaf.shape
            )
            return
        sizes = tuple(size + 1 for size in self._sizes)
        shifted = np.where(reference < 0, 0, reference + 1)
        codes = np.ravel_multi_index(tuple(shifted), sizes).ravel()
        if math.prod(sizes) <= _TABLE_SIZE:
            present = np.flatnonzero(np.bincount(codes))
            place = np.zeros(math.prod(sizes), dtype=np.int64)
            place[present] = np.arange(len(present))
            nth = place[codes]
        else:
            present, nth = np.unique(codes, return_inverse=True)
        counts = np.bincount(nth * symbols + symbol.ravel(), minlength=len(present) * symbols)
        for code_, row in zip(present.tolist(), counts.reshape(len(present), symbols), strict=True):
            self._by_code[code_] = self._by_code.get(code_, 0) + row

    def compute(self) -> HierarchicalScores:
        """Return the scores of everything counted so far.

        Levels below the finest of the map have no pixels. A pixel that the map has no class for counts as not
        labelled.
        """
        reference, counts = self._pairs()
        depth, levels = self._chains.shape[1], len(self._sizes)
        mapped = (self._chains >= 0).all(axis=1)
        confusions = [
            _confusion(reference[:, level], self._chains[:, level], counts * mapped, size)
            if level < depth
            else np.zeros((size, size), dtype=np.int64)
            for level, size in enumerate(self._sizes)
        ]
        agreement = np.zeros(levels + 1, dtype=np.int64)
        if depth == levels:
            same = reference[:, None, :] == self._chains[None, :, :]
            right = same.cumprod(axis=2).sum(axis=2)
            complete = np.outer((reference >= 0).all(axis=1), mapped)
            np.add.at(agreement, right[complete], counts[complete])
        labelled = np.outer(reference[:, -1] >= 0, mapped)
        return HierarchicalScores(
            levels=tuple(level_scores(confusion) for confusion in confusions),
            agreement=agreement,
            consistency=None,
            ignored=int(counts[~labelled].sum()),
        )

    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Reference chains (R, N) and counts (R, S)."""
        if not self._by_code:
            return self._leaf_chains, self._by_leaf
        sizes = tuple(size + 1 for size in self._sizes)
        codes = np.array(list(self._by_code), dtype=np.int64)
        chains = np.stack(np.unravel_index(codes, sizes), axis=1) - 1
        counts = np.stack(list(self._by_code.values()))
        return np.concatenate([self._leaf_chains, chains]), np.concatenate([self._by_leaf, counts])


def _confusion(
    reference: NDArray[np.int64], mapped: NDArray[np.int64], counts: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """(C, C) from counts (R, S) of pairs; rows reference, columns map."""
    there, shown = np.flatnonzero(reference >= 0), np.flatnonzero(mapped >= 0)
    confusion = np.zeros((size, size), dtype=np.int64)
    at = np.ix_(there, shown)
    np.add.at(confusion, (reference[there][:, None], mapped[shown][None, :]), counts[at])
    return confusion


__all__ = ("PairCounts",)
