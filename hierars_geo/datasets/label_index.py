"""LabelIndex: where each class lies, as a histogram of every block of labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torchgeo.datasets import GeoDataset

from ..errors import DataError
from ..taxonomy import Taxonomy
from .coverage import Regions, WindowWalk
from .scene_source import nanoseconds
from .statistics import label_weights, level_labels, whole_pixels

_COLUMNS = ("row", "col", "date", "column", "count", "top", "left", "bottom", "right")


@dataclass(frozen=True)
class LabelIndex:
    """Labelled pixels by block, date, level and class; only what occurs takes room.

    Blocks are squares of the data set's lattice: block (i, j) holds rows i * block_px to (i + 1) * block_px.
    The classes of all levels are numbered one after the other, level 1 first (``column``).

    Attributes:
        block_px: Side of a block.
        num_classes: Classes per level, coarsest first.
        dates: (D, 2) int64, first and last nanosecond of every date.
        entries: (E, 9) float64, sorted by column: row and column of the block, date, column, pixels, and the
            window of these pixels in pixels of the lattice (top, left, and one past bottom and right). All
            are whole numbers but the pixels, each of which counts by the weight of its label, > 0.
    """

    block_px: int
    num_classes: tuple[int, ...]
    dates: NDArray[np.int64]
    entries: NDArray[np.float64]

    @classmethod
    def build(
        cls,
        dataset: GeoDataset,
        taxonomy: Taxonomy,
        block_px: int,
        regions: Regions | None = None,
        window_px: int = 512,
        description: str | None = None,
    ) -> "LabelIndex":
        """Read all labels of the ground once.

        Args:
            dataset: Samples with ``mask``; labels count where the images hold data.
            taxonomy: Tree of the labels.
            block_px: Side of a block, at most that of a chip.
            regions: Ground to be confined to; default: all of it.
            window_px: Side of the windows that are read at a time.
            description: Shows a progress bar of that name on a terminal; None for no bar.

        Raises:
            DataError: There is no ground.
        """
        dates: dict[tuple[int, int], int] = {}
        found = []
        # whole blocks per window, so that few blocks are met twice
        walk = WindowWalk(dataset, regions, max(1, window_px // block_px) * block_px)
        for window, time, sample in walk.windows(description):
            moment = (nanoseconds(time.start), nanoseconds(time.stop))
            date = dates.setdefault(moment, len(dates))
            labels = level_labels(sample, taxonomy)
            weights = label_weights(sample)
            if weights is None:
                weights = np.ones(labels[-1].shape)
            first = (window.row, window.col)
            offset = 0
            for level, classes in zip(labels, taxonomy.num_classes, strict=True):
                entries = _histograms(level, weights, classes, first, block_px)
                entries[:, 2:4] += (date, offset)
                found.append(entries)
                offset += classes
        entries = _merged(np.concatenate(found))
        when = np.array(list(dates), dtype=np.int64).reshape(-1, 2)
        return cls(block_px, taxonomy.num_classes, when, entries)

    @property
    def totals(self) -> list[list[int]]:
        """Pixels per level and class by the weight of their labels, coarsest level first."""
        columns = self.entries[:, 3].astype(np.int64)
        counts = np.bincount(columns, self.entries[:, 4], minlength=sum(self.num_classes)).astype(np.float64)
        edges = np.cumsum((0, *self.num_classes))
        return [whole_pixels(counts[a:b]) for a, b in pairwise(edges)]

    def column(self, level: int, index: int) -> int:
        """Return the number of a class among those of all levels; ``level`` counts from 1."""
        return sum(self.num_classes[: level - 1]) + index

    def blocks_of(self, column: int) -> NDArray[np.float64]:
        """Return the entries (E_c, 9) of one class."""
        start, stop = np.searchsorted(self.entries[:, 3], [column, column + 1])
        return self.entries[start:stop]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays, fit for an .npz file."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "LabelIndex":
        """Read what :meth:`to_arrays` gave.

        Raises:
            DataError: It is no label index.
        """
        entries = arrays["entries"]
        if entries.ndim != 2 or entries.shape[1] != len(_COLUMNS):
            raise DataError(f"Expected a label index with columns {_COLUMNS}, but got {entries.shape}.")
        counts = tuple(int(count) for count in arrays["num_classes"])
        return cls(int(arrays["block_px"]), counts, arrays["dates"], entries)


def _histograms(
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    classes: int,
    first: tuple[int, int],
    block_px: int,
) -> NDArray[np.float64]:
    """Add up weights (h, w) of labels (h, w), whose upper-left pixel is ``first``, by block and class.

    Returns:
        (E, 9) entries of date 0, with the class in place of the column.
    """
    rows, cols = (start + np.arange(length) for start, length in zip(first, labels.shape, strict=True))
    low, high = (rows[0] // block_px, cols[0] // block_px), (rows[-1] // block_px, cols[-1] // block_px)
    width = high[1] - low[1] + 1
    cells = (high[0] - low[0] + 1) * width * classes
    at_row, at_col = np.nonzero((labels >= 0) & (weights > 0))
    row, col = rows[at_row], cols[at_col]
    block = (row // block_px - low[0]) * width + (col // block_px - low[1])
    cell = block * classes + labels[at_row, at_col]
    counts = np.bincount(cell, weights[at_row, at_col], minlength=cells)
    met = np.flatnonzero(counts)
    entries = np.zeros((len(met), len(_COLUMNS)))
    entries[:, 0] = low[0] + met // classes // width
    entries[:, 1] = low[1] + met // classes % width
    entries[:, 3], entries[:, 4] = met % classes, counts[met]
    for axis, place in enumerate((row, col)):
        # which of the block's rows (columns) hold the class
        held = np.bincount(cell * block_px + place % block_px, minlength=cells * block_px) > 0
        held = held.reshape(cells, block_px)[met]
        start = entries[:, axis] * block_px
        entries[:, 5 + axis] = start + held.argmax(axis=1)
        entries[:, 7 + axis] = start + block_px - held[:, ::-1].argmax(axis=1)
    return entries


def _merged(entries: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up entries of one block, date and class; sort by class."""
    order = np.lexsort((entries[:, 2], entries[:, 1], entries[:, 0], entries[:, 3]))
    entries = entries[order]
    fresh = np.ones(len(entries), dtype=np.bool_)
    fresh[1:] = (entries[1:, :4] != entries[:-1, :4]).any(axis=1)
    starts = np.flatnonzero(fresh)
    merged = entries[starts]
    if len(starts):
        merged[:, 4] = np.add.reduceat(entries[:, 4], starts)
        merged[:, 5:7] = np.minimum.reduceat(entries[:, 5:7], starts)
        merged[:, 7:] = np.maximum.reduceat(entries[:, 7:], starts)
    return merged
