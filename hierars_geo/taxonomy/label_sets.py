"""LabelSets: the numbered sets of legal paths that the labels of pixels may say."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..types import IGNORE_INDEX
from .class_names import PathSet, paths_through
from .tree import Taxonomy


class LabelSets:
    """A table of distinct sets of legal paths of one tree.

    A label says which paths a pixel may be on: one for a leaf, all below it for a coarser class, any set for
    a class of another legend. The first rows are the leaves in index order, so that a leaf index is the
    number of its set; then follow the coarser classes from level 1 on, then further sets.

    Args:
        taxonomy: The tree.
        further: (K, T) bool, sets beside those of the classes; those that are there already are not repeated.

    Attributes:
        taxonomy: The tree.
        table: (S, T) bool, read-only.

    Examples:
        >>> sets = LabelSets(Taxonomy.from_yaml("mm5b"))
        >>> sets.table.shape, sets.classes(3)[:3].tolist()
        ((26, 18), [0, 1, 2])
    """

    def __init__(self, taxonomy: Taxonomy, further: Iterable[PathSet] = ()) -> None:
        self.taxonomy = taxonomy
        levels = (taxonomy.num_levels, *range(1, taxonomy.num_levels))
        classes = ((at, index) for at in levels for index in range(taxonomy.num_classes[at - 1]))
        self._numbers: dict[bytes, int] = {}
        distinct: list[PathSet] = []
        own = [paths_through(taxonomy, one) for one in classes]
        for row in (*own, *(row for row in further if not row.all())):
            if row.tobytes() not in self._numbers:
                self._numbers[row.tobytes()] = len(distinct)
                distinct.append(np.asarray(row, dtype=np.bool_))
        self.table: NDArray[np.bool_] = np.array(distinct)
        self.table.setflags(write=False)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def plain(self) -> bool:
        """Whether the table holds the classes of the tree and nothing else."""
        return len(self) == len(LabelSets(self.taxonomy))

    @cached_property
    def levels(self) -> NDArray[np.int64]:
        """(S, N) class that all paths of a set share at each level, ``IGNORE_INDEX`` where they differ."""
        return np.array([self.taxonomy.shared_levels(row) for row in self.table])

    @cached_property
    def leaves(self) -> NDArray[np.int64]:
        """(S,) leaf index where the set is one leaf, else ``IGNORE_INDEX``."""
        return self.levels[:, -1]

    def number(self, chosen: PathSet) -> int:
        """Return the number of a set; ``IGNORE_INDEX`` for all paths together, which say nothing.

        Raises:
            KeyError: The set is not in the table.
        """
        return IGNORE_INDEX if chosen.all() else self._numbers[chosen.tobytes()]

    def numbers(self, rows: Iterable[PathSet]) -> NDArray[np.int64]:
        """Return the numbers (K,) of sets; see :meth:`number`."""
        return np.array([self.number(row) for row in rows], dtype=np.int64)

    def translation(self, other: "LabelSets") -> NDArray[np.int64]:
        """Return the numbers (S_other,) here of the sets of another table that are all here, too."""
        return np.array([self._numbers[row.tobytes()] for row in other.table], dtype=np.int64)

    def classes(self, level: int) -> NDArray[np.int64]:
        """Return the numbers (C_level,) of the classes of a level (1..N)."""
        count = self.taxonomy.num_classes[level - 1]
        classes = (paths_through(self.taxonomy, (level, index)) for index in range(count))
        return np.array([self._numbers[row.tobytes()] for row in classes], dtype=np.int64)

    def joined(self, further: Iterable[PathSet]) -> "LabelSets":
        """Return a table with further sets; the numbers of those that are here stay."""
        return LabelSets(self.taxonomy, (*self.table, *further))


__all__ = ("LabelSets",)
