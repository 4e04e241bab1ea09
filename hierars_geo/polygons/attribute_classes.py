"""AttributeClasses: which classes the columns of a vector layer stand for, level by level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import OptionError, TaxonomyError
from ..taxonomy import Taxonomy
from ..taxonomy.class_names import classes_named, find_class, paths_through
from ..types import IGNORE_INDEX

#: What a column value stands for: level (from 1) and class index; None for "no label".
Meaning = tuple[int, int] | None


@dataclass(frozen=True)
class ColumnClasses:
    """Classes of the features of one table.

    Attributes:
        levels: (n, N) class index per level, -100 where not known.
        faults: What is wrong with features, in words; these have no class.
    """

    levels: NDArray[np.int64]
    faults: tuple[str, ...]


class AttributeClasses:
    """Reads classes out of columns.

    Args:
        taxonomy: The tree.
        attribute: One column with classes of any level.
        attributes: Instead, one column per level, coarsest first; None where a level has none.
        classes: What values stand for. With ``attribute`` a mapping from value to class: a name that occurs
            once in the tree, ``level/class``, or None for "no label". With ``attributes`` one such mapping
            per level, by its name; a level that is not named holds class names. Without it, text is a class
            name, a number a raster value (of the leaves, or of the column's level).

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
    ) -> None:
        self.taxonomy = taxonomy
        if (attribute is None) == (attributes is None):
            raise OptionError(
                "Expected attribute (the column with classes) or attributes (a column per level) for "
                f"polygons, but got {'neither' if attribute is None else 'both'}. Set one of them."
            )
        if attributes is None:
            self._columns: list[tuple[str, int | None]] = [(str(attribute), None)]
        else:
            self._columns = [(name, level) for level, name in enumerate(attributes, start=1) if name]
            if len(attributes) != taxonomy.num_levels or not self._columns:
                raise OptionError(
                    f"Expected one column or null per level ({', '.join(taxonomy.level_names)}), but got "
                    f"{list(attributes)}."
                )
        self._mappings = [self._mapping(level, classes) for _, level in self._columns]
        refused = set(classes or ()) - set(taxonomy.level_names)
        if attributes is not None and refused:
            raise OptionError(
                f"Expected classes by level ({', '.join(taxonomy.level_names)}), but got "
                f"'{min(refused)}'. Write classes: {{LEVEL: {{value: class}}}}."
            )

    @property
    def columns(self) -> list[str]:
        """Columns to read, each once."""
        return list(dict.fromkeys(name for name, _ in self._columns))

    def read(self, columns: pd.DataFrame, ids: NDArray[np.int64], kind: str = "polygons") -> ColumnClasses:
        """Find the classes of every feature.

        A class also tells those above it, and those below it where it has but one leaf.

        Args:
            columns: (n) values of :attr:`columns`.
            ids: (n,) feature numbers, for the faults.
            kind: What the features are, for the faults.
        """
        count = len(columns)
        faults: list[str] = []
        faulty = np.zeros(count, dtype=np.bool_)
        among = np.zeros((count, len(self._columns)), dtype=np.int64)  # number of a meaning, 0 for none
        meanings: list[Meaning] = [None]
        for place, ((name, level), mapping) in enumerate(zip(self._columns, self._mappings, strict=True)):
            codes, values = pd.factorize(columns[name])
            for number, value in enumerate(values.tolist()):
                if _is_empty(value):
                    continue
                hit = codes == number
                try:
                    among[hit, place] = len(meanings)
                    meanings.append(self._meaning(value, level, mapping))
                except OptionError:
                    faulty |= hit
                    faults.append(
                        f"no class '{_plain(value)}' of column {name} ({hit.sum()} {kind}, "
                        f"{features(ids[hit])})"
                    )
                    meanings.append(None)
        combinations, which = np.unique(among, axis=0, return_inverse=True)
        levels = np.full((count, self.taxonomy.num_levels), IGNORE_INDEX, dtype=np.int64)
        for number, row in enumerate(combinations):
            hit = (which.ravel() == number) & ~faulty
            chosen = [meaning for code in row if (meaning := meanings[code]) is not None]
            legal = paths_through(self.taxonomy, *chosen)
            if not chosen or not hit.any():
                continue
            if legal.any():
                levels[hit] = self.taxonomy.shared_levels(legal)
                continue
            names = " with ".join(self.taxonomy.class_names(at)[index] for at, index in chosen)
            faults.append(f"no path of {names} ({hit.sum()} {kind}, {features(ids[hit])})")
        return ColumnClasses(levels, tuple(faults))

    def _mapping(self, level: int | None, classes: Mapping[str, object] | None) -> dict[str, Meaning] | None:
        """Resolve the classes that values are mapped to; None where values say them themselves."""
        given: object = classes
        if level is not None:
            given = None if classes is None else classes.get(self.taxonomy.level_names[level - 1])
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise OptionError(f"Expected classes to map values to class names, but got {given!r}.")
        return {
            str(value): None if name is None else self._named(str(name), level)
            for value, name in given.items()
        }

    def _meaning(self, value: object, level: int | None, mapping: Mapping[str, Meaning] | None) -> Meaning:
        """Say what a value stands for.

        Raises:
            OptionError: It stands for nothing.
        """
        text = _plain(value)
        if mapping is not None:
            if text not in mapping:
                raise OptionError(f"Expected a value of the mapping, but got '{text}'.")
            return mapping[text]
        at = level or self.taxonomy.num_levels
        if text.lstrip("-").isdecimal() and not classes_named(self.taxonomy, text, level):
            values = (*self.taxonomy.class_values(at), None)
            number = int(text)
            if number in (self.taxonomy.nodata_value, *self.taxonomy.ignore_values):
                return None
            if number in values:
                return at, values.index(number)
        return self._named(text, level)

    def _named(self, name: str, level: int | None) -> tuple[int, int]:
        """Find a class; an unknown one is a wrong option here.

        Raises:
            OptionError: There is none, or several that mean different ground.
        """
        try:
            return find_class(self.taxonomy, name, level)
        except TaxonomyError as error:
            raise OptionError(str(error)) from error


def features(ids: NDArray[np.int64], most: int = 5) -> str:
    """Name the first features."""
    return f"feature {', '.join(map(str, ids[:most].tolist()))}{', ...' if len(ids) > most else ''}"


def _is_empty(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, str) and not value.strip())


def _plain(value: object) -> str:
    """Write a value as one writes it in a mapping: 3.0 of a column with gaps is 3."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


__all__ = ("AttributeClasses", "ColumnClasses", "features")
