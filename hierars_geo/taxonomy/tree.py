"""The class tree that everything else is given: levels, legal paths, lifting, values, colours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import yaml
from numpy.typing import NDArray

from ..catalog_files import resolve_catalog_file
from ..errors import TaxonomyError
from ..types import IGNORE_INDEX
from .anchors import Anchor, parse_anchors
from .links import Parents, check_levels, complete_levels, enumerate_paths, link_parents
from .remap import ValueMap
from .schema import RGB, LevelSpec, TaxonomySpec, parse_taxonomy_spec, read_taxonomy_spec


@dataclass(frozen=True, eq=False)
class Taxonomy:
    """A class tree with N levels (Ai et al. 2026, section III-A); level 1 is the coarsest.

    Build one by :meth:`from_yaml` or :meth:`from_dict`. Two trees are equal when names, levels, classes with their
    values, colours and parents, nodata and anchors are.

    Attributes:
        name: Short name, for example ``"mm5b"``.
        title: One line for people.
        source: Citation of the class scheme.
        nodata_value: Raster value of a pixel without a class, the same at every level.
        levels: Classes per level, completed so that every path has length N.
        parents: Per level and class the indices of its parents at the level above.
        paths: (T, N) int64, every legal path; row t holds the class index at each level. Read-only.
        anchors: Classes that mean the same as a class of another tree (method of TransLU, CDSA).
    """

    name: str
    title: str
    source: str
    nodata_value: int
    levels: tuple[LevelSpec, ...]
    parents: tuple[Parents, ...] = field(repr=False)
    paths: NDArray[np.int64] = field(repr=False)
    anchors: tuple[Anchor, ...] = ()

    @classmethod
    def from_yaml(cls, path_or_catalog_name: str | Path) -> "Taxonomy":
        """Read a tree from a YAML file or from the catalog.

        Args:
            path_or_catalog_name: ``"mm5b"``, ``"corine"``, ... or the path of a ``.yaml`` file.

        Returns:
            The tree.

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
        check_levels(spec.levels, spec.nodata, origin)
        link_parents(spec.levels, origin)  # what was named is checked before anything is repeated
        levels = complete_levels(spec, origin)
        check_levels(levels, spec.nodata, origin)
        parents = link_parents(levels, origin)
        paths = enumerate_paths(parents)
        paths.setflags(write=False)
        anchors = parse_anchors(spec.anchors, levels, origin)
        return cls(spec.name, spec.title, spec.source, spec.nodata, levels, parents, paths, anchors)

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as plain values (str, int, list, dict), fit for YAML, JSON and checkpoints."""
        levels = []
        for level in self.levels:
            classes = []
            for spec in level.classes:
                entry: dict[str, Any] = {"name": spec.name, "value": spec.value, "color": list(spec.color)}
                if spec.parent:
                    entry["parent"] = list(spec.parent) if len(spec.parent) > 1 else spec.parent[0]
                classes.append(entry)
            levels.append({"name": level.name, "classes": classes})
        content: dict[str, Any] = {"name": self.name, "nodata": self.nodata_value, "levels": levels}
        content |= {key: value for key, value in (("title", self.title), ("source", self.source)) if value}
        if self.anchors:
            content["anchors"] = {anchor.key(self.levels): anchor.target for anchor in self.anchors}
        return content

    def to_yaml(self) -> str:
        """Return the tree as YAML text that :meth:`from_yaml` reads back equal."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, Taxonomy) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.levels, self.nodata_value))

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

    def lift_table(self, level: int) -> NDArray[np.int64]:
        """Ancestor at ``level`` of every leaf.

        Returns:
            (C_N,) int64; ``IGNORE_INDEX`` for a leaf whose legal paths disagree at that level.
        """
        self._level(level)
        table = np.full(self.num_classes[-1], IGNORE_INDEX, dtype=np.int64)
        for leaf in range(self.num_classes[-1]):
            ancestors = np.unique(self.paths[self.paths[:, -1] == leaf, level - 1])
            if len(ancestors) == 1:
                table[leaf] = ancestors[0]
        return table

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
        index = np.asarray(leaf_index)
        ignored = index == IGNORE_INDEX
        wrong = ~ignored & ((index < 0) | (index >= self.num_classes[-1]))
        if wrong.any():
            raise TaxonomyError(
                f"Expected leaf indices of {self.name} to be 0..{self.num_classes[-1] - 1} or {IGNORE_INDEX}, "
                f"but got {index[wrong].flat[0]}."
            )
        lifted = np.where(ignored, IGNORE_INDEX, self.lift_table(level)[np.where(ignored, 0, index)])
        return int(lifted) if np.isscalar(leaf_index) or index.ndim == 0 else lifted

    def membership(self) -> NDArray[np.bool_]:
        """0/1 matrix M (T, sum of C_l): M[t, k] says that path t goes through the k-th class, levels concatenated.

        Path scores are M times the concatenated logits (the linear identity that decoding rests on).
        """
        matrix = np.zeros((self.num_paths, sum(self.num_classes)), dtype=np.bool_)
        offsets = np.cumsum((0, *self.num_classes[:-1]))
        matrix[np.arange(self.num_paths)[:, None], self.paths + offsets] = True
        return matrix

    def index_to_value(self, index: NDArray[np.integer] | int, level: int) -> NDArray[np.int64]:
        """Class indices at ``level`` (1..N) to raster values; ``IGNORE_INDEX`` to nodata.

        Raises:
            TaxonomyError: An index or the level is out of range.
        """
        return self._value_maps[self._position(level)].to_value(np.asarray(index))

    def value_to_index(
        self, values: NDArray[np.generic] | int, level: int | None = None, origin: str = ""
    ) -> NDArray[np.int64]:
        """Raster values to class indices at ``level`` (default: leaves); nodata to ``IGNORE_INDEX``.

        Args:
            values: Whole numbers of any shape.
            level: 1..N, default N.
            origin: Name of the file, for the message.

        Raises:
            TaxonomyError: A value is neither a class nor nodata; the values and the file are named.
        """
        position = self._position(self.num_levels if level is None else level)
        return self._value_maps[position].to_index(np.asarray(values), origin)

    @cached_property
    def _value_maps(self) -> tuple[ValueMap, ...]:
        return tuple(ValueMap(self.class_values(n), self.nodata_value) for n in range(1, self.num_levels + 1))

    def _position(self, level: int) -> int:
        if not 1 <= level <= self.num_levels:
            raise TaxonomyError(
                f"Expected a level of {self.name} to be 1..{self.num_levels}, but got {level}."
            )
        return level - 1

    def _level(self, level: int) -> LevelSpec:
        return self.levels[self._position(level)]


__all__ = ("Taxonomy",)
