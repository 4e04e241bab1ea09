"""LabelStack: several sources of labels as one, each with a weight, a priority and dates."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..grid import Window
from ..grid.lattice import Lattice
from ..scenes.patch import Patch
from ..taxonomy import LabelSets
from ..taxonomy.class_names import PathSet, describe_paths
from ..types import IGNORE_INDEX
from .geo_raster import SceneUnion
from .scene_source import SceneSource

#: Sets that sources of one priority may agree on; more of them want priorities.
_MOST_SETS = 4096


@dataclass(frozen=True)
class StackedLabels:
    """One source of a stack.

    Attributes:
        source: Labels of the stack's tree.
        name: What it is called in messages.
        weight: Of its labels in the loss, >= 0.
        priority: Where sources overlap, the highest counts; those of one priority are to agree.
        interval: (first, last) nanosecond of the scenes that it labels; None for all.
    """

    source: SceneSource
    name: str
    weight: float = 1.0
    priority: int = 0
    interval: tuple[int, int] | None = None


class LabelStack(SceneUnion):
    """Labels of several sources as one.

    Where they overlap, the source of the highest priority counts. Of one priority all count: a pixel may be
    on the paths that each of them allows for, so that a coarse label and a fine one below it say the fine.

    Raises:
        DataError: Sources of one priority may agree on too many sets. When read: they contradict each other.
    """

    def __init__(self, entries: Sequence[StackedLabels]) -> None:
        self.entries = tuple(sorted(entries, key=lambda entry: -entry.priority))
        self.sources = tuple(entry.source for entry in self.entries)
        self.datasets = list(self.sources)
        first = self.sources[0]
        self.is_image, self.bands, self.transforms, self.name = False, (), None, first.name
        self.has_dates = any(entry.interval is not None for entry in self.entries)
        self.label_weights = tuple(dict.fromkeys(entry.weight for entry in self.entries))
        self._join_labels()
        self._move_to(first.lattice)

    def _join_labels(self) -> None:
        super()._join_labels()
        if self.taxonomy is None:
            raise DataError("Expected labels to stack, but got images.")
        self._tree = self.taxonomy
        shared = self._intersections()
        if self.label_sets is None and (shared or self.label_weights != (1.0,)):
            self.label_sets = LabelSets(self._tree)
            self._numbers = [None] * len(self.sources)
        if self.label_sets is not None:
            self.label_sets = self.label_sets.joined(shared)

    def _intersections(self) -> list[PathSet]:
        """List what sources of one priority may say together."""
        if self.label_sets is None:
            return []
        found: list[PathSet] = []
        for _, group in groupby(self.entries, key=lambda entry: entry.priority):
            tables = [entry.source.label_sets or LabelSets(self._tree) for entry in group]
            sets = tables[0].table
            for table in tables[1:]:
                both = (sets[:, None] & table.table[None]).reshape(-1, self._tree.num_paths)
                sets = np.unique(np.concatenate([sets, table.table, both[both.any(axis=1)]]), axis=0)
                if len(sets) > _MOST_SETS:
                    raise DataError(
                        f"Expected sources of one priority to agree on at most {_MOST_SETS} sets of classes, "
                        f"but got {len(sets)}. Give them a priority each."
                    )
            found += list(sets) if len(tables) > 1 else []
        return found

    def read(self, lattice: Lattice, window: Window, interval: tuple[int, int] | None) -> Patch | None:
        """Read a window of any lattice.

        Raises:
            DataError: Sources of one priority contradict each other; names, classes and pixels are told.
        """
        codes: NDArray[np.int32] | None = None
        files: tuple[str, ...] = ()
        for _, numbered in groupby(enumerate(self.entries), key=lambda item: item[1].priority):
            group: NDArray[np.int32] | None = None
            met: list[str] = []
            for number, entry in numbered:
                patch = self._read_entry(number, entry, lattice, window, interval)
                if patch is None:
                    continue
                files += patch.files
                own: NDArray[np.int32] = patch.filled(IGNORE_INDEX)[0]
                group = own if group is None else self._agreed(group, own, (met, entry.name))
                met.append(entry.name)
            if group is not None:
                codes = group if codes is None else np.where(codes < 0, group, codes)
                if (codes >= 0).all():
                    break
        return None if codes is None else Patch(codes[None], codes >= 0, files)

    def _read_entry(
        self,
        number: int,
        entry: StackedLabels,
        lattice: Lattice,
        window: Window,
        interval: tuple[int, int] | None,
    ) -> Patch | None:
        """Read one source in the numbers of the stack; None where it has nothing there and then."""
        dates = entry.interval
        if dates and interval and not (dates[0] <= interval[1] and interval[0] <= dates[1]):
            return None
        patch = self._read_labels(number, entry.source.read(lattice, window, None))
        if patch is not None and self.label_sets is not None:
            shift = len(self.label_sets) * self.label_weights.index(entry.weight)
            patch.data = np.where(patch.valid, patch.data + np.int32(shift), np.int32(IGNORE_INDEX))
        return patch

    def _agreed(
        self, one: NDArray[np.int32], other: NDArray[np.int32], names: tuple[list[str], str]
    ) -> NDArray[np.int32]:
        """Say what two layers of one priority say together.

        Raises:
            DataError: No path satisfies both.
        """
        merged = np.where(one < 0, other, one)
        differ = (one >= 0) & (other >= 0) & (one != other)
        if not differ.any():
            return merged
        pairs, which = np.unique(np.stack([one[differ], other[differ]]), axis=1, return_inverse=True)
        together = np.empty(pairs.shape[1], dtype=np.int32)
        for at, pair in enumerate(pairs.T.tolist()):
            together[at] = self._both(pair[0], pair[1], int((which.ravel() == at).sum()), names)
        merged[differ] = together[which.ravel()]
        return merged

    def _both(self, one: int, other: int, pixels: int, names: tuple[list[str], str]) -> int:
        """Number of the paths that two labels share, with the larger weight of the two."""
        sets = self.label_sets
        if sets is None:  # leaves alone that differ
            sets = LabelSets(self._tree)
        count = len(sets)
        both = sets.table[one % count] & sets.table[other % count]
        if not both.any():
            said = [
                " or ".join(describe_paths(self._tree, sets.table[code % count])) for code in (one, other)
            ]
            raise DataError(
                f"Expected sources of labels of one priority to agree, but got {pixels} pixels that are "
                f"{said[0]} in {' and '.join(names[0])} and {said[1]} in {names[1]}. Give the sources a "
                "priority; 'hierars-geo labels check' shows where they differ."
            )
        weights = self.label_weights
        heavier = max(one // count, other // count, key=lambda at: weights[at])
        return sets.number(both) + heavier * count
