"""PixelForest: what single pixels' values tell of the classes, the least that a network has to beat."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import DataError
from ..types import IGNORE_INDEX, Batch

_TREES: Final = 50
#: Pixels, drawn from all that are shown, that trees grow on: seconds, however large the ground.
_MOST_KEPT: Final = 20_000
#: Fewer pixels are not told apart further.
_LEAST_SPLIT: Final = 5

_Floats = npt.NDArray[np.float32]
_Integers = npt.NDArray[np.int64]


class _Tree(NamedTuple):
    """Nodes in the order they were made: ``band`` -1 at the tips; the children are ``child`` and the next."""

    band: _Integers
    threshold: _Floats
    child: _Integers
    share: _Floats


class PixelForest:
    """Extremely randomised trees over the bands of a pixel (Geurts, Ernst and Wehenkel 2006).

    Every node draws the square root of the number of bands (further ones where none of these differs), for
    each a threshold at random within its pixels' range, and splits where Gini's impurity falls most, until a
    node is pure or has less than five pixels.

    Pixels may be shown in any number of batches: of all a random 20 000 are kept. Trees grow when they are
    asked, and again when twice as many pixels have been shown.

    Args:
        num_classes: K, leaves.
        seed: Of the draws.
    """

    def __init__(self, num_classes: int, seed: int = 0) -> None:
        self.num_classes = num_classes
        self._generator = np.random.default_rng(seed)
        self._kept: tuple[_Floats, _Integers, npt.NDArray[np.float64]] | None = None
        self._shown, self._grown_at = 0, 0
        self._trees: list[_Tree] = []

    @classmethod
    def learn(cls, batches: Iterable[Batch], num_classes: int) -> "PixelForest":
        """Show a forest every labelled pixel of some batches with ``image`` and ``mask``."""
        forest = cls(num_classes)
        for batch in batches:
            known = (batch["mask"] != IGNORE_INDEX) & batch["valid"]
            forest.add(batch["image"].movedim(1, -1)[known], batch["mask"][known])
        return forest

    @property
    def knows(self) -> bool:
        """Whether any pixel has been shown."""
        return self._shown > 0

    def add(self, values: Tensor, classes: Tensor) -> None:
        """Show pixels.

        Args:
            values: (n, C) stored values.
            classes: (n,) int64, 0..K-1.
        """
        own = (
            values.float().cpu().numpy(),
            classes.cpu().numpy().astype(np.int64),
            self._generator.random(len(values)),
        )
        parts = [own] if self._kept is None else [self._kept, own]
        pixels, labels, ticket = (np.concatenate(each) for each in zip(*parts, strict=True))
        if len(ticket) > _MOST_KEPT:  # the lowest tickets of all that were ever drawn: each pixel as likely
            lowest = np.argpartition(ticket, _MOST_KEPT)[:_MOST_KEPT]
            pixels, labels, ticket = pixels[lowest], labels[lowest], ticket[lowest]
        self._kept = pixels, labels, ticket
        self._shown += len(values)

    def __call__(self, image: Tensor) -> Tensor:
        """Compute mean shares of the classes in the tips that pixels come to.

        Args:
            image: (B, C, H, W) stored values.

        Returns:
            (B, K, H, W) float32, on the CPU.

        Raises:
            DataError: No pixel has been shown.
        """
        values = image.movedim(1, -1).float().cpu()
        votes = self._votes(values.flatten(0, -2).numpy())
        return torch.from_numpy(votes).view(*values.shape[:-1], -1).movedim(-1, 1)

    def _votes(self, pixels: _Floats) -> _Floats:
        """Mean shares (n, K) for pixels (n, C)."""
        if self._kept is None or not self.knows:
            raise DataError("Expected labelled pixels to learn a forest from, but got none.")
        if self._shown >= 2 * self._grown_at:
            order = self._kept[2].argsort()  # whatever the batches were
            self._trees = [self._grow(self._kept[0][order], self._kept[1][order]) for _ in range(_TREES)]
            self._grown_at = self._shown
        total = np.zeros((len(pixels), self.num_classes), dtype=np.float32)
        for tree in self._trees:
            node = np.zeros(len(pixels), dtype=np.int64)
            rows = np.arange(len(pixels))
            while len(rows):
                at = node[rows]
                inner = tree.band[at] >= 0
                rows, at = rows[inner], at[inner]
                node[rows] = tree.child[at] + (pixels[rows, tree.band[at]] > tree.threshold[at])
            total += tree.share[node]
        return total / np.float32(len(self._trees))

    def _grow(self, pixels: _Floats, classes: _Integers) -> _Tree:
        """Grow a tree level by level, all nodes of a level at once."""
        nodes: list[_Tree] = []
        rows, node = np.arange(len(pixels)), np.zeros(len(pixels), dtype=np.int64)
        made, width = 0, 1
        while width:
            order = node.argsort(kind="stable")
            rows, node = rows[order], node[order]
            counts = self._counts(node, classes[rows], width)
            number = counts.sum(axis=1)
            mixed = (counts.max(axis=1) < number) & (number >= _LEAST_SPLIT)
            band, threshold, split = self._draw(pixels, classes, rows, node, mixed)
            place = split.cumsum() - 1
            made += width
            nodes.append(
                _Tree(
                    np.where(split, band, -1),
                    threshold,
                    np.where(split, made + 2 * place, -1),
                    (counts / number[:, None]).astype(np.float32),
                )
            )
            inner = split[node]
            rows, node = rows[inner], node[inner]
            node = 2 * place[node] + (pixels[rows, band[node]] > threshold[node])
            width = 2 * int(split.sum())
        return _Tree(*(np.concatenate(each) for each in zip(*nodes, strict=True)))

    def _counts(self, node: _Integers, classes: _Integers, width: int) -> npt.NDArray[np.float64]:
        """Pixels (nodes, K) per class."""
        cell = node * self.num_classes + classes
        return np.bincount(cell, minlength=width * self.num_classes).reshape(width, -1).astype(np.float64)

    def _draw(
        self,
        pixels: _Floats,
        classes: _Integers,
        rows: _Integers,
        node: _Integers,
        mixed: npt.NDArray[np.bool_],
    ) -> tuple[_Integers, _Floats, npt.NDArray[np.bool_]]:
        """Band and threshold of every mixed node's best drawn split, and whether any divides it."""
        width, bands = len(mixed), pixels.shape[1]
        best = np.full(width, -np.inf)
        chosen, threshold = np.zeros(width, dtype=np.int64), np.zeros(width, dtype=np.float32)
        order = self._generator.random((width, bands)).argsort(axis=1)
        low, high = np.zeros(width, dtype=np.float32), np.zeros(width, dtype=np.float32)
        enough = max(1, round(bands**0.5))
        for number, band in enumerate(order.T):
            if number == 0 or number >= enough:  # further bands only where none divides the pixels
                mixed = mixed & np.isneginf(best)
                inside = mixed[node]
                rows, node = rows[inside], node[inside]
                first = np.flatnonzero(np.diff(node, prepend=-1))
            if len(rows) == 0:
                break
            value = pixels[rows, band[node]]
            low[node[first]] = np.minimum.reduceat(value, first)
            high[node[first]] = np.maximum.reduceat(value, first)
            drawn = (low + (high - low) * self._generator.random(width)).astype(np.float32)
            drawn = np.where(drawn < high, drawn, low)
            left = value <= drawn[node]
            below = self._counts(node[left], classes[rows[left]], width)
            above = self._counts(node[~left], classes[rows[~left]], width)
            sizes = below.sum(axis=1), above.sum(axis=1)
            gain = sum(
                np.square(part).sum(axis=1) / np.maximum(size, 1)
                for part, size in zip((below, above), sizes, strict=True)
            )
            better = (np.minimum(*sizes) > 0) & (gain > best)
            best, chosen = np.where(better, gain, best), np.where(better, band, chosen)
            threshold = np.where(better, drawn, threshold)
        return chosen, threshold, np.isfinite(best)
