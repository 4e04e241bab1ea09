"""The class tree that everything else is given: levels, legal paths, lifting, values, colours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import yaml
from numpy.typing import NDArray

from ..errors import TaxonomyError
from ..types import IGNORE_INDEX
from .links import (
    Anchor,
    Parents,
    check_levels,
    complete_levels,
    enumerate_paths,
    link_parents,
    parse_anchors,
)
from .remap import IndexTable, ValueMap
from .schema import RGB, LevelSpec, TaxonomySpec, parse_taxonomy_spec, read_taxonomy_spec
from .yaml_reader import resolve_catalog_file


@dataclass(frozen=True, eq=False)
class Taxonomy:
    """A class tree with N levels (Ai et al. 2026, section III-A); level 1 is the coarsest.

    Build one by :meth:`from_yaml` or :meth:`from_dict`. Two trees are equal when they have the same name,
    levels, classes (names, values, colours, parents), values without a class, and anchors; title and source
    do not count.

    Attributes:
        name: Short name, for example ``"mm5b"``.
        title: One line for people.
        source: Citation of the class scheme.
        nodata_value: Raster value of a pixel without a class, the same at every level.
        levels: Classes per level, completed so that every path has length N.
        parents: Per level and class the indices of its parents at the level above.
        paths: (T, N) int64, every legal path; row t holds the class index at each level. Read-only.
        anchors: Classes that mean the same as a class of another tree (method of TransLU, CDSA).
        ignore_values: Further raster values that are read as "no class" (clouds, say) and never written.

    Examples:
        >>> tree = Taxonomy.from_yaml("mm5b")
        >>> tree.num_classes, tree.num_paths
        ((4, 9, 18), 18)
        >>> road = tree.class_index("Road", level=3)
        >>> tree.class_names(1)[tree.lift(road, level=1)]
        'Artificial surface'
    """

    name: str
    title: str
    source: str
    nodata_value: int
    levels: tuple[LevelSpec, ...]
    parents: tuple[Parents, ...]
    paths: NDArray[np.int64]
    anchors: tuple[Anchor, ...] = ()
    ignore_values: tuple[int, ...] = ()

    @classmethod
    def of(cls, given: "Taxonomy | str | Path") -> "Taxonomy":
        """Return a tree as it is, or read it as :meth:`from_yaml`."""
        return given if isinstance(given, Taxonomy) else cls.from_yaml(given)

    @classmethod
    def from_yaml(cls, path_or_catalog_name: str | Path) -> "Taxonomy":
        """Read a tree from a YAML file or from the catalog.

        Args:
            path_or_catalog_name: ``"mm5b"``, ``"corine"``, ... or the path of a ``.yaml`` file.

        Raises:
            MissingFileError: No such file or catalog entry.
            TaxonomyError: The file is no valid tree; file and key are named.
        """
        path = resolve_catalog_file("taxonomies", path_or_catalog_name)
        return cls._from_spec(read_taxonomy_spec(path), str(path))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], origin: str = "the given mapping") -> "Taxonomy":
        """Build a tree from plain values, as :meth:`to_dict` returns them.

        Raises:
            TaxonomyError: The content is no valid tree; origin and key are named.
        """
        return cls._from_spec(parse_taxonomy_spec(content, origin), origin)

    @classmethod
    def _from_spec(cls, spec: TaxonomySpec, origin: str) -> "Taxonomy":
        check_levels(spec.levels, spec, origin)
        link_parents(spec.levels, origin)  # what was named is checked before anything is repeated
        levels = complete_levels(spec, origin)
        check_levels(levels, spec, origin)
        parents = link_parents(levels, origin)
        paths = enumerate_paths(parents, origin)
        paths.setflags(write=False)
        return cls(
            name=spec.name,
            title=spec.title,
            source=spec.source,
            nodata_value=spec.nodata,
            levels=levels,
            parents=parents,
            paths=paths,
            anchors=parse_anchors(spec.anchors, levels, origin),
            ignore_values=spec.ignore_values,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as plain values (str, int, list, dict), fit for YAML, JSON and checkpoints."""
        content: dict[str, Any] = {"name": self.name}
        content |= {key: text for key, text in (("title", self.title), ("source", self.source)) if text}
        content["nodata"] = self.nodata_value
        if self.ignore_values:
            content["ignore_values"] = list(self.ignore_values)
        content["levels"] = [_level_to_dict(level) for level in self.levels]
        if self.anchors:
            content["anchors"] = {anchor.key(self.levels): anchor.target for anchor in self.anchors}
        return content

    def to_yaml(self) -> str:
        """Return the tree as YAML text that :meth:`from_yaml` reads back equal."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)

    def __reduce__(self) -> tuple[Callable[..., "Taxonomy"], tuple[dict[str, Any], str]]:
        # Rebuilding keeps ``paths`` read-only in copies and worker processes, and leaves the tables behind.
        return Taxonomy.from_dict, (self.to_dict(), self.name)

    def __eq__(self, other: object) -> bool:
        return self._identity == other._identity if isinstance(other, Taxonomy) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.num_classes, self.nodata_value))

    @cached_property
    def _identity(self) -> tuple[object, ...]:
        classes = tuple(
            (
                level.name,
                *((spec.name, spec.value, spec.color, frozenset(spec.parent)) for spec in level.classes),
            )
            for level in self.levels
        )
        return (self.name, self.nodata_value, frozenset(self.ignore_values), classes, self.anchors)

    @property
    def num_levels(self) -> int:
        """N."""
        return len(self.levels)

    @property
    def num_paths(self) -> int:
        """T, the number of legal paths."""
        return len(self.paths)

    @property
    def level_names(self) -> tuple[str, ...]:
        """Name of every level, coarsest first."""
        return tuple(level.name for level in self.levels)

    @property
    def level_labels(self) -> tuple[str, ...]:
        """What people are shown: ``L3`` as in file names, with the level's own name where it has another."""
        names = enumerate(self.level_names, start=1)
        return tuple(f"L{n}" if name == f"L{n}" else f"L{n} ({name})" for n, name in names)

    @property
    def num_classes(self) -> tuple[int, ...]:
        """(C_1, ..., C_N)."""
        return tuple(len(level.classes) for level in self.levels)

    def class_names(self, level: int) -> tuple[str, ...]:
        """Class names of a level in index order; ``level`` counts from 1."""
        return tuple(spec.name for spec in self._level(level).classes)

    def class_values(self, level: int) -> tuple[int, ...]:
        """Raster values of a level in index order; ``level`` counts from 1."""
        return tuple(spec.value for spec in self._level(level).classes)

    def colors(self, level: int) -> tuple[RGB, ...]:
        """(red, green, blue) 0..255 of a level's classes in index order; ``level`` counts from 1."""
        return tuple(spec.color for spec in self._level(level).classes)

    def class_index(self, name: str, level: int) -> int:
        """Index of a class by name.

        Raises:
            TaxonomyError: There is no such class at that level; near names are listed.
        """
        names = self.class_names(level)
        if name not in names:
            near = ", ".join(get_close_matches(name, names, n=3, cutoff=0.4) or names[:8])
            raise TaxonomyError(
                f"Expected a class of level {self.level_names[level - 1]} of taxonomy {self.name}, "
                f"but got '{name}'. Did you mean: {near}?"
            )
        return names.index(name)

    def level_number(self, name: str) -> int:
        """Number of a level by name, from 1.

        Raises:
            TaxonomyError: There is no such level; the names are listed.
        """
        if name not in self.level_names:
            raise TaxonomyError(
                f"Expected a level of taxonomy {self.name} ({', '.join(self.level_names)}), but got '{name}'."
            )
        return self.level_names.index(name) + 1

    def locate(self, anchor: Anchor) -> tuple[int, int]:
        """Level (from 1) and index of the class of this tree that another tree is anchored to.

        Raises:
            TaxonomyError: The anchor is of another source tree, or names no class of this one.
        """
        if anchor.source_taxonomy != self.name:
            raise TaxonomyError(f"Expected an anchor to a class of {self.name}, but got '{anchor.target}'.")
        level = self.level_number(anchor.source_level)
        return level, self.class_index(anchor.source_class, level)

    def lift_table(self, level: int) -> NDArray[np.int64]:
        """Ancestor at ``level`` (1..N) of every leaf.

        Returns:
            (C_N,) int64, read-only; ``IGNORE_INDEX`` for a leaf whose legal paths disagree at that level.
        """
        return self._lift_tables[self._position(level)]

    @overload
    def lift(self, leaf_index: int, level: int) -> int: ...
    @overload
    def lift(self, leaf_index: NDArray[np.integer], level: int) -> NDArray[np.int64]: ...
    def lift(self, leaf_index: int | NDArray[np.integer], level: int) -> int | NDArray[np.int64]:
        """Lift leaf indices to a coarser level.

        Args:
            leaf_index: One index or an array of any shape; ``IGNORE_INDEX`` stays what it is.
            level: 1..N.

        Returns:
            Class indices at ``level``; ``IGNORE_INDEX`` where the leaf has several ancestors there.

        Raises:
            TaxonomyError: An index or the level is out of range.
        """
        return _like(leaf_index, self._lifters[self._position(level)].take(np.asarray(leaf_index)))

    def known_levels(self, level: int) -> NDArray[np.int64]:
        """What a class of one level tells about all levels, coarser and finer.

        A class that stops early is known down to the leaf, and one with several parents leaves them open.

        Args:
            level: 1..N, level of the classes.

        Returns:
            (C_level, N): per class the index that all legal paths through it share at each level,
            ``IGNORE_INDEX`` where they differ.
        """
        here = self.paths[:, self._position(level)]
        return np.array([self.shared_levels(here == index) for index in range(self.num_classes[level - 1])])

    def shared_levels(self, among: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Index per level that a choice of paths shares.

        Args:
            among: (T,) bool, at least one True.

        Returns:
            (N,): the common class index, ``IGNORE_INDEX`` where the paths differ.
        """
        chosen = self.paths[among]
        shared: NDArray[np.int64] = np.where((chosen == chosen[0]).all(axis=0), chosen[0], IGNORE_INDEX)
        return shared

    @overload
    def index_to_value(self, index: int, level: int) -> int: ...
    @overload
    def index_to_value(self, index: NDArray[np.integer], level: int) -> NDArray[np.int64]: ...
    def index_to_value(self, index: int | NDArray[np.integer], level: int) -> int | NDArray[np.int64]:
        """Class indices at ``level`` (1..N) to raster values; ``IGNORE_INDEX`` to nodata.

        Raises:
            TaxonomyError: An index or the level is out of range.
        """
        return _like(index, self._value_maps[self._position(level)].to_value(np.asarray(index)))

    @overload
    def value_to_index(self, values: int, level: int | None = None, origin: str = "") -> int: ...
    @overload
    def value_to_index(
        self, values: NDArray[np.generic], level: int | None = None, origin: str = ""
    ) -> NDArray[np.int64]: ...
    def value_to_index(
        self, values: int | NDArray[np.generic], level: int | None = None, origin: str = ""
    ) -> int | NDArray[np.int64]:
        """Raster values to class indices at ``level`` (default: leaves).

        Args:
            values: Whole numbers of any shape.
            level: 1..N, default N.
            origin: Name of the file, for the message.

        Returns:
            Class indices, ``IGNORE_INDEX`` for nodata and ``ignore_values``.

        Raises:
            TaxonomyError: A value is neither a class nor without one; the values and the file are named.
        """
        position = self._position(self.num_levels if level is None else level)
        return _like(values, self._value_maps[position].to_index(np.asarray(values), origin))

    def value_map(self, level: int) -> ValueMap:
        """Return the table between raster values and class indices of a level, 1..N."""
        return self._value_maps[self._position(level)]

    @cached_property
    def _lift_tables(self) -> tuple[NDArray[np.int64], ...]:
        leaves = self.paths[:, -1]
        tables = []
        for ancestors in self.paths.T:
            table = np.empty(self.num_classes[-1], dtype=np.int64)
            table[leaves] = ancestors  # the last of a leaf's paths wins ...
            table[leaves[table[leaves] != ancestors]] = IGNORE_INDEX  # ... unless another disagrees
            table.setflags(write=False)
            tables.append(table)
        return tuple(tables)

    @cached_property
    def _lifters(self) -> tuple[IndexTable, ...]:
        return tuple(IndexTable(table, IGNORE_INDEX) for table in self._lift_tables)

    @cached_property
    def _value_maps(self) -> tuple[ValueMap, ...]:
        return tuple(
            ValueMap(self.class_values(level), self.nodata_value, self.ignore_values)
            for level in range(1, self.num_levels + 1)
        )

    def _position(self, level: int) -> int:
        if not 1 <= level <= self.num_levels:
            raise TaxonomyError(
                f"Expected a level of {self.name} to be 1..{self.num_levels}, but got {level}."
            )
        return level - 1

    def _level(self, level: int) -> LevelSpec:
        return self.levels[self._position(level)]


def _level_to_dict(level: LevelSpec) -> dict[str, Any]:
    classes = []
    for spec in level.classes:
        entry: dict[str, Any] = {"name": spec.name, "value": spec.value, "color": list(spec.color)}
        if spec.parent:
            entry["parent"] = list(spec.parent) if len(spec.parent) > 1 else spec.parent[0]
        classes.append(entry)
    return {"name": level.name, "classes": classes}


def _like(given: object, result: NDArray[np.int64]) -> int | NDArray[np.int64]:
    """Return an int for a scalar, an array for an array."""
    return int(result) if np.ndim(given) == 0 else result  # type: ignore[arg-type]
