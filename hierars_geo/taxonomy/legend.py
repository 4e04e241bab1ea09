"""Legend: what the values and names of one label source say of the paths of the model's tree."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError, TaxonomyError, list_some
from ..types import IGNORE_INDEX
from .class_names import PathSet, classes_named, find_class, named_paths, paths_through
from .code_legend import CodeLegend
from .crosswalk import Crosswalk
from .remap import class_as_nodata
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


#: Whole numbers from here on fall together in float32.
_FLOAT32_WHOLE = 2**24


class Legend:
    """Reads values as sets of legal paths: of the tree's own classes, or of another legend by a crosswalk.

    Args:
        taxonomy: The tree of the model.
        level: Level that raster values are classes of, from 1, in the tree that is read (default: its
            leaves).
        crosswalk: From the legend that is read to ``taxonomy``; None where it is the tree itself.

    Attributes:
        sets: The sets that may occur.

    Raises:
        OptionError: A level of a legend that has none.
        TaxonomyError: The tree has no such level, or the crosswalk leads elsewhere.
    """

    def __init__(
        self, taxonomy: Taxonomy, level: int | None = None, crosswalk: Crosswalk | None = None
    ) -> None:
        if crosswalk is not None and crosswalk.target != taxonomy:
            raise TaxonomyError(
                f"Expected a crosswalk to {taxonomy.name}, but got one to {crosswalk.target.name} (in "
                f"{crosswalk.file}). Choose one that leads to the model's tree."
            )
        self.taxonomy = taxonomy
        self.crosswalk = crosswalk
        self.origin = taxonomy if crosswalk is None else crosswalk.origin
        if isinstance(self.origin, Taxonomy):
            self.level = self.origin.num_levels if level is None else level
            self.origin.known_levels(self.level)  # refuses a level that there is not
        elif level is not None:
            raise OptionError(
                f"Expected no level for the codes of {self.origin.name}, which nest by digits, but got "
                f"{level}. Leave level out."
            )
        else:
            self.level = 0

    @cached_property
    def sets(self) -> LabelSets:
        """The sets that labels of this source may say."""
        if self.crosswalk is None:
            return LabelSets(self.taxonomy)
        return LabelSets(self.taxonomy, [one.paths for one in self.crosswalk.meanings()])

    @property
    def leaves_alone(self) -> bool:
        """Whether values are leaves of the tree, so that a number is a leaf index."""
        return self.crosswalk is None and self.level == self.taxonomy.num_levels

    @property
    def values(self) -> tuple[int, ...]:
        """The raster values that are classes; of codes those that have an entry of their own."""
        if isinstance(self.origin, Taxonomy):
            return self.origin.class_values(self.level)
        codes = [one.code for one in self.crosswalk.meanings()] if self.crosswalk else []
        return tuple(int(code) for code in codes if code.isdecimal())

    def name_of(self, value: int) -> str:
        """Name a raster value of :attr:`values`."""
        if isinstance(self.origin, Taxonomy):
            return self.origin.class_names(self.level)[self.values.index(value)]
        return self.origin.label(self.origin.code(value))

    def refuse_nodata(self, nodata: float | None, origin: str) -> None:
        """Refuse a raster whose nodata value is a class: its pixels would be left out in silence.

        Raises:
            TaxonomyError: It is a class.
        """
        if nodata is not None and nodata in self.values:
            raise class_as_nodata(nodata, self.name_of(int(nodata)), origin)

    @cached_property
    def class_numbers(self) -> NDArray[np.int64]:
        """(C_level,) number of the set of every class of the level that is read."""
        if self.crosswalk is None:
            return self.sets.classes(self.level)
        return self.sets.numbers(self.crosswalk.level_paths(self.level))

    def numbers(self, values: NDArray[np.generic], origin: str = "") -> NDArray[np.int64]:
        """Turn raster values into the numbers of their sets.

        Args:
            values: Whole numbers of any shape and size.
            origin: Name of the file, for the message.

        Returns:
            int64 of the same shape, ``IGNORE_INDEX`` where a value says nothing: nodata of the tree, what is
            mapped to null, and 0 among codes unless it has an entry.

        Raises:
            TaxonomyError: A value that the legend lacks, or codes in a data type that cannot hold them;
                value, count and file are named.
        """
        if isinstance(self.origin, Taxonomy):
            index = self.origin.value_to_index(values, self.level, origin)
            if self.leaves_alone:
                return index
            return np.where(index < 0, IGNORE_INDEX, self.class_numbers[np.maximum(index, 0)])
        codes, where = np.unique(_whole(values, origin), return_inverse=True)
        found = np.empty(len(codes), dtype=np.int64)
        lost = []
        for place, code in enumerate(codes.tolist()):
            paths = self.crosswalk.code_paths(code) if self.crosswalk and code >= 0 else None
            found[place] = IGNORE_INDEX if paths is None else self.sets.number(paths)
            if paths is None and code != 0:
                count = int((where == place).sum())
                lost.append(f"{code} on {count} pixel{'s' * (count != 1)}")
        if lost:
            raise TaxonomyError(
                f"Expected codes of {self.origin.name} that the crosswalk has an entry for, but got "
                f"{list_some(lost, 5)}{f' (in {origin})' if origin else ''}. Add them; null says nothing."
            )
        return found[where].reshape(values.shape)

    def paths_of(self, text: str, level: int | None = None) -> PathSet | None:
        """Return what one value of a table says: a class name, a raster value or a code.

        Args:
            text: The value, as text.
            level: Level of the tree that is read, where the column holds classes of that level.

        Returns:
            (T,) bool; None where it says nothing (nodata of the tree, or mapped to null).

        Raises:
            TaxonomyError: It stands for nothing that the legend knows.
        """
        if isinstance(self.origin, CodeLegend):
            found = self.crosswalk.code_paths(text) if self.crosswalk else None
            if found is None:
                raise TaxonomyError(f"Expected a code of {self.origin.name}, but got '{text}'.")
            return None if found.all() else found
        tree = self.origin
        one: tuple[int, int] | None = None
        if text.lstrip("-").isdecimal() and not classes_named(tree, text, level):
            at, number = level or tree.num_levels, int(text)
            if number in (tree.nodata_value, *tree.ignore_values):
                return None
            if number in tree.class_values(at):
                one = at, tree.class_values(at).index(number)
        at, index = one or find_class(tree, text, level)
        if self.crosswalk is None:
            return paths_through(tree, (at, index))
        says = self.crosswalk.class_paths(at, index)
        return None if says.all() else says

    def named(self, name: str | int, level: int | None = None) -> PathSet:
        """Return the paths of the model's tree that a mapping names, at one level or any.

        Raises:
            TaxonomyError: It names no class.
        """
        if level is None:
            return named_paths(self.taxonomy, str(name))
        return paths_through(self.taxonomy, find_class(self.taxonomy, str(name), level))


def _whole(values: NDArray[np.generic], origin: str) -> NDArray[np.int64]:
    """Read codes as int64, exactly."""
    place = f" (in {origin})" if origin else ""
    if values.dtype.kind in "iub":
        return values.astype(np.int64)
    if values.dtype.kind != "f":
        raise TaxonomyError(f"Expected codes to be integers, but got dtype {values.dtype}{place}.")
    whole = values[np.isfinite(values)]
    if len(whole) < values.size or (whole != np.floor(whole)).any():
        raise TaxonomyError(f"Expected codes to be whole numbers, but got fractions or NaN{place}.")
    if values.dtype != np.float64 and len(whole) and np.abs(whole).max() >= _FLOAT32_WHOLE:
        raise TaxonomyError(
            f"Expected codes above {_FLOAT32_WHOLE} to be stored as integers, but got {values.dtype}, where "
            f"neighbouring codes are one{place}. Write the raster as uint32 or int64."
        )
    return values.astype(np.int64)
