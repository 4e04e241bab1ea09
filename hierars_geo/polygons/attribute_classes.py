"""AttributeClasses: which legal paths the columns of a vector layer stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import OptionError, TaxonomyError, list_some
from ..taxonomy import Crosswalk, Legend, Taxonomy
from ..taxonomy.class_names import PathSet, describe_paths
from ..types import IGNORE_INDEX


@dataclass(frozen=True)
class ColumnClasses:
    """What the features of one table say.

    Attributes:
        sets: (K, T) bool, the distinct sets of legal paths.
        codes: (n,) row of ``sets`` of every feature, -1 where it says nothing.
        levels: (n, N) class index per level, -100 where a feature leaves it open.
        faults: What is wrong with features, in words; these say nothing.
    """

    sets: NDArray[np.bool_]
    codes: NDArray[np.int64]
    levels: NDArray[np.int64]
    faults: tuple[str, ...]


class AttributeClasses:
    """Reads sets of legal paths out of columns.

    Args:
        taxonomy: The tree.
        attribute: One column with classes of any level.
        attributes: Instead, one column per level, coarsest first; None where a level has none.
        classes: What values stand for. With ``attribute`` a mapping from value to class: a name that occurs
            once in the tree, ``level/class``, or None for "no label". With ``attributes`` one such mapping
            per level, by its name; a level that is not named holds class names. Without it, text is a class
            name, a number a raster value (of the leaves, or of the column's level).
        crosswalk: Where columns hold classes or codes of another legend, in place of ``classes``; the levels
            of ``attributes`` are then those of that legend.
        origin: The file, for messages.

    Raises:
        OptionError: Neither or both of the columns are given, or their number is not that of the levels, or
            a mapping names no class.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        attribute: str | None = None,
        attributes: Sequence[str | None] | None = None,
        classes: Mapping[str, object] | None = None,
        crosswalk: Crosswalk | None = None,
        origin: str = "",
    ) -> None:
        self.taxonomy = taxonomy
        self.legend = Legend(taxonomy, crosswalk=crosswalk)
        if (attribute is None) == (attributes is None):
            got = ("neither" if attribute is None else "both") + (f" (of {origin})" if origin else "")
            raise OptionError(
                "Expected attribute (the column with classes) or attributes (a column per level) for "
                f"polygons, but got {got}. Set one of them."
            )
        if crosswalk is not None and classes is not None:
            raise OptionError("Expected classes or a crosswalk to say what values mean, but got both.")
        levels = self.legend.origin.level_names if isinstance(self.legend.origin, Taxonomy) else ()
        if attributes is None:
            self._columns: list[tuple[str, int | None]] = [(str(attribute), None)]
        else:
            self._columns = [(name, level) for level, name in enumerate(attributes, start=1) if name]
            if len(attributes) != len(levels) or not self._columns:
                raise OptionError(
                    f"Expected one column or null per level ({', '.join(levels) or 'codes have none'}), but "
                    f"got {list(attributes)}."
                )
        self._level_names = levels
        self._mappings = [self._mapping(level, classes) for _, level in self._columns]
        refused = set(classes or ()) - set(levels)
        if attributes is not None and refused:
            raise OptionError(
                f"Expected classes by level ({', '.join(levels)}), but got "
                f"'{min(refused)}'. Write classes: {{LEVEL: {{value: class}}}}."
            )

    @property
    def columns(self) -> list[str]:
        """Columns to read, each once."""
        return list(dict.fromkeys(name for name, _ in self._columns))

    def read(self, columns: pd.DataFrame, ids: NDArray[np.int64], kind: str = "polygons") -> ColumnClasses:
        """Find what every feature says: the paths that all of its columns allow for.

        Args:
            columns: (n) values of :attr:`columns`.
            ids: (n,) feature numbers, for the faults.
            kind: What the features are, for the faults.
        """
        count = len(columns)
        faults: list[str] = []
        faulty = np.zeros(count, dtype=np.bool_)
        among = np.zeros((count, len(self._columns)), dtype=np.int64)  # number of a meaning, 0 for none
        meanings: list[PathSet | None] = [None]
        for place, ((name, level), mapping) in enumerate(zip(self._columns, self._mappings, strict=True)):
            codes, values = pd.factorize(columns[name])
            for number, value in enumerate(values.tolist()):
                if _is_empty(value):
                    continue
                hit = codes == number
                try:
                    among[hit, place] = len(meanings)
                    meanings.append(self._meaning(value, level, mapping))
                except TaxonomyError:
                    faulty |= hit
                    faults.append(
                        f"no class '{_plain(value)}' of column {name} ({hit.sum()} {kind}, "
                        f"{features(ids[hit])})"
                    )
                    meanings.append(None)
        combinations, which = np.unique(among, axis=0, return_inverse=True)
        found = np.full(count, -1, dtype=np.int64)
        sets: list[PathSet] = []
        for number, row in enumerate(combinations):
            hit = (which.ravel() == number) & ~faulty
            chosen = [meaning for code in row if (meaning := meanings[code]) is not None]
            if not chosen or not hit.any():
                continue
            legal = np.all(chosen, axis=0)
            if legal.any():
                found[hit] = len(sets)
                sets.append(legal)
                continue
            names = " with ".join("/".join(describe_paths(self.taxonomy, one)) for one in chosen)
            faults.append(f"no path of {names} ({hit.sum()} {kind}, {features(ids[hit])})")
        table = np.array(sets, dtype=np.bool_).reshape(-1, self.taxonomy.num_paths)
        shared = [*map(self.taxonomy.shared_levels, sets), np.full(self.taxonomy.num_levels, IGNORE_INDEX)]
        return ColumnClasses(table, found, np.array(shared)[found], tuple(faults))

    def _mapping(
        self, level: int | None, classes: Mapping[str, object] | None
    ) -> dict[str, PathSet | None] | None:
        """Resolve the classes that values are mapped to; None where values say them themselves."""
        given: object = classes
        if level is not None:
            given = None if classes is None else classes.get(self._level_names[level - 1])
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise OptionError(f"Expected classes to map values to class names, but got {given!r}.")
        try:
            return {
                str(value): None if name is None else self.legend.named(str(name), level)
                for value, name in given.items()
            }
        except TaxonomyError as error:
            raise OptionError(str(error)) from error

    def _meaning(
        self, value: object, level: int | None, mapping: Mapping[str, PathSet | None] | None
    ) -> PathSet | None:
        """Say what a value stands for.

        Raises:
            TaxonomyError: It stands for nothing.
        """
        text = _plain(value)
        if mapping is None:
            return self.legend.paths_of(text, level)
        if text not in mapping:
            raise TaxonomyError(f"Expected a value of the mapping, but got '{text}'.")
        return mapping[text]


def features(ids: NDArray[np.int64], most: int = 5) -> str:
    """Name the first features."""
    return f"feature {list_some(ids.tolist(), most)}"


def _is_empty(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, str) and not value.strip())


def _plain(value: object) -> str:
    """Write a value as one writes it in a mapping: 3.0 of a column with gaps is 3."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
