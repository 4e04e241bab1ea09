"""Crosswalk: what the classes of one legend say in the words of another tree.

A crosswalk is a YAML file. ``classes`` maps each class of the legend ``from`` to a class of the tree ``to``,
to a list of them where it may be any of these, or to ``null`` where it says nothing. A class of either side
is written as its name, as ``level/name`` where several levels have the name, or as its raster value (a
number, of the leaves; ``level/value`` for another level); ``a > b`` is what lies below both. A class without
an entry has that of the nearest class above it; one with entries only below it says what they say together.

``from`` is a class tree, or, with ``digits``, the name of a legend whose codes nest by their digits: with
``[2, 2, 2, 2, 2]`` code 3301010700 lies below 3301010000, 3301000000 and 3300000000. Such codes may be longer
than any raster value of a tree; a name may follow the code.

Examples:
    .. code-block:: yaml

        from: esa_worldcover
        to: mm5b
        source: the product user manual, read against the class descriptions of MM-5B
        classes:
          Tree cover: Forest
          Shrubland: [Forest, Grassland]
          Snow and ice: null
"""

from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from ..errors import MissingFileError, TaxonomyError, list_some
from .class_names import PathSet, describe_paths, find_class, named_paths, paths_through
from .code_legend import CodeLegend
from .schema import MAX_CLASSES
from .tree import Taxonomy
from .yaml_reader import Strict, catalog_names, read_yaml, resolve_catalog_file, validated

Meaning = str | int | list[str | int] | None


def _some(meanings: dict[str | int, Meaning]) -> dict[str | int, Meaning]:
    empty = [name for name, meaning in meanings.items() if meaning == []]
    if empty:
        raise ValueError(f"class '{empty[0]}' maps to nothing; write null where it says nothing")
    return meanings


class CrosswalkSpec(Strict):
    """The whole file."""

    legend: Annotated[str, Field(alias="from", min_length=1)]
    to: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1, max_length=2000)]
    title: str = ""
    digits: tuple[Annotated[int, Field(ge=1)], ...] = ()
    classes: Annotated[dict[str | int, Meaning], Field(min_length=1), AfterValidator(_some)]


class ClassMeaning(NamedTuple):
    """What one class of a legend says of the target tree.

    Attributes:
        depth: How far down it lies in its legend, from 1.
        code: Its raster value or code.
        name: Its name, empty where the legend gives none.
        paths: (T,) bool legal paths of the target; all of them where it says nothing.
    """

    depth: int
    code: str
    name: str
    paths: PathSet


class Crosswalk:
    """Turns every class of a legend, of any level, into a set of legal paths of a tree.

    Args:
        origin: Class tree, or codes that nest by digits, that is read.
        target: Tree that it is turned into.
        meanings: What the file says: class to class, list of classes, or None.
        source: Where it was taken from.
        file: Its name, for messages.

    Raises:
        TaxonomyError: A class is not in its tree, has no entry, or says what the class above it excludes.
    """

    def __init__(
        self,
        origin: "Taxonomy | CodeLegend",
        target: Taxonomy,
        meanings: Mapping[Any, Meaning],
        source: str = "",
        file: str = "the given mapping",
    ) -> None:
        self.origin = origin
        self.target = target
        self.source = source
        self.file = file
        said = {key: self._paths_of(key, meaning) for key, meaning in meanings.items()}
        if all(meaning is None for meaning in meanings.values()):
            raise TaxonomyError(
                f"Expected a crosswalk to say something, but got null for all (in {file}, classes). "
                "Say which classes of the tree they may be."
            )
        if isinstance(origin, Taxonomy):
            self._entries = self._classes_of(origin, said)
            self._own = self._leaves_of(origin)
        else:
            self._codes = origin.entries(said, file)
            self._check_codes(origin)

    @classmethod
    def from_yaml(cls, path_or_catalog_name: str | Path, target: Taxonomy | None = None) -> "Crosswalk":
        """Read a crosswalk from a file or from the catalog.

        Args:
            path_or_catalog_name: ``"corine_to_mm5b"`` or the path of a ``.yaml`` file; trees that it names
                as files lie beside it.
            target: The tree to turn classes into, where it is at hand; its name is to be that of ``to``.

        Raises:
            MissingFileError: There is no such file, crosswalk or tree.
            TaxonomyError: It is no valid crosswalk, or leads to another tree.
        """
        path = resolve_catalog_file("crosswalks", path_or_catalog_name)
        content = read_yaml(path, MAX_CLASSES)
        spec = validated(CrosswalkSpec, content, f"{path} to be a crosswalk", TaxonomyError)
        goal = _tree(spec.to, path) if target is None or not _same_name(spec.to, target) else target
        if target is not None and goal != target:
            raise TaxonomyError(
                f"Expected a crosswalk to the tree {target.name}, but got one to {goal.name} (in {path}). "
                f"Write one from {spec.legend} to {target.name}."
            )
        origin = CodeLegend(spec.legend, spec.digits) if spec.digits else _tree(spec.legend, path)
        return cls(origin, goal, spec.classes, spec.source, str(path))

    @classmethod
    def between(cls, origin: str, target: str | Taxonomy) -> "Crosswalk":
        """Read the crosswalk of the catalog from one legend to another.

        Raises:
            MissingFileError: The catalog has none; those that start or end there are named.
        """
        goal = target if isinstance(target, str) else target.name
        name, known = f"{origin}_to_{goal}", catalog_names("crosswalks")
        if name not in known:
            near = [one for one in known if one.startswith(f"{origin}_to_") or one.endswith(f"_to_{goal}")]
            raise MissingFileError(
                f"Expected a crosswalk from {origin} to {goal} in the catalog, but there is none. "
                f"There are: {list_some(near or known, 12)}. Or give the path of a .yaml file."
            )
        return cls.from_yaml(name, None if isinstance(target, str) else target)

    @property
    def name(self) -> str:
        """``origin -> target``."""
        return f"{self.origin.name} -> {self.target.name}"

    def class_paths(self, level: int, index: int) -> PathSet:
        """Return what a class of a level (from 1) of the origin says: (T,) bool, all True for nothing.

        Raises:
            TaxonomyError: The origin is no tree.
        """
        if not isinstance(self.origin, Taxonomy):
            raise TaxonomyError(f"Expected a legend with levels, but {self.origin.name} has codes.")
        own = self._entries.get((level, index))
        if own is not None:
            return own
        below = paths_through(self.origin, (level, index))
        return np.asarray(self._own[below].any(axis=0))

    def level_paths(self, level: int) -> NDArray[np.bool_]:
        """Return what the classes of a level of the origin tree say: (C_level, T) bool."""
        count = self.origin.num_classes[level - 1] if isinstance(self.origin, Taxonomy) else 0
        return np.array([self.class_paths(level, index) for index in range(count)])

    def code_paths(self, code: str | int) -> PathSet | None:
        """Return what a code, or a name, of a legend of codes says; None for one that it does not know.

        A code without an entry says what the nearest one above it says.
        """
        if not isinstance(self.origin, CodeLegend):
            raise TaxonomyError(f"Expected a legend of codes, but {self.origin.name} is a class tree.")
        for above in self.origin.lineage(code):
            if above in self._codes:
                return self._codes[above]
        return None

    def meanings(self) -> list[ClassMeaning]:
        """List what every class says: a tree's level by level below each other, codes in their order."""
        if isinstance(self.origin, CodeLegend):
            return [
                ClassMeaning(self.origin.depth(code), code, self.origin.names.get(code, ""), paths)
                for code, paths in sorted(self._codes.items())
            ]
        tree, seen, found = self.origin, set(), []
        for path in sorted(map(tuple, tree.paths.tolist())):
            for level, index in enumerate(path, start=1):
                if path[:level] not in seen:
                    seen.add(path[:level])
                    spec = tree.levels[level - 1].classes[index]
                    found.append(
                        ClassMeaning(level, str(spec.value), spec.name, self.class_paths(level, index))
                    )
        return found

    @cached_property
    def finest(self) -> list[ClassMeaning]:
        """The classes with none below them."""
        if isinstance(self.origin, CodeLegend):
            above = {up for code in self._codes for up in self.origin.lineage(code)[1:]}
            return [one for one in self.meanings() if one.code not in above]
        return [one for one in self.meanings() if one.depth == self.origin.num_levels]

    def silent(self) -> list[ClassMeaning]:
        """List the finest classes that say nothing of the target."""
        return [one for one in self.finest if one.paths.all()]

    def undecided(self, level: int) -> list[str]:
        """Name the classes of a level (1..N) of the target that no class of the origin decides."""
        decided = {
            int(shared)
            for one in self.meanings()
            if (shared := self.target.shared_levels(one.paths)[level - 1]) >= 0
        }
        names = self.target.class_names(level)
        return [name for index, name in enumerate(names) if index not in decided]

    def common_classes(self) -> tuple[NDArray[np.int64], list[str]]:
        """Find the finest classes of the target that the origin can tell apart.

        A class of the target is divided where the origin decides one of its children, that is where some
        class of the origin lies inside it; the children that it never decides stay together.

        Returns:
            (T,) number of the common class of every path of the target, and the name of each.
        """
        sets = np.array([one.paths for one in self.meanings()])
        group = np.zeros(self.target.num_paths, dtype=np.int64)
        open_nodes = [(np.ones(self.target.num_paths, dtype=np.bool_), 1)]
        while open_nodes:
            node, level = open_nodes.pop()
            if level > self.target.num_levels:
                continue
            column = self.target.paths[:, level - 1]
            for index in np.unique(column[node]):
                child = node & (column == index)
                if child.all():
                    open_nodes.append((child, level + 1))
                elif (~(sets & ~child).any(axis=1)).any():
                    group[child] = group.max() + 1
                    open_nodes.append((child, level + 1))
        numbers = np.empty_like(group)
        first = list(dict.fromkeys(group.tolist()))
        for number, old in enumerate(first):
            numbers[group == old] = number
        return numbers, [
            " + ".join(describe_paths(self.target, numbers == number)) for number in range(len(first))
        ]

    def onto_common(self, tree: Taxonomy, of_target: bool = False) -> "Crosswalk":
        """Return the crosswalk to the common classes, from the same legend or from the target.

        Args:
            tree: A tree of one level whose first classes are those of :meth:`common_classes`, in their order,
                with values from 1.
            of_target: True to start at the target.
        """
        numbers, _ = self.common_classes()
        origin = self.target if of_target else self.origin
        meanings: dict[str | int, Meaning] = {}
        if of_target:
            for leaf, value in enumerate(self.target.class_values(self.target.num_levels)):
                met = np.unique(numbers[self.target.paths[:, -1] == leaf])
                meanings[value] = [int(number) + 1 for number in met]
            return Crosswalk(origin, tree, meanings, self.source, self.file)
        levels = origin.level_names if isinstance(origin, Taxonomy) else ()
        for one in self.finest if levels else self.meanings():
            met = np.unique(numbers[one.paths])
            key = f"{levels[one.depth - 1]}/{one.code}" if levels else f"{one.code} {one.name}"
            meanings[key] = int(met[0]) + 1 if len(met) == 1 else None
        return Crosswalk(origin, tree, meanings, self.source, self.file)

    def _paths_of(self, key: object, meaning: Meaning) -> PathSet:
        if meaning is None:
            return np.ones(self.target.num_paths, dtype=np.bool_)
        parts = meaning if isinstance(meaning, list) else [meaning]
        try:
            chosen = [named_paths(self.target, part) for part in parts]
        except TaxonomyError as error:
            raise TaxonomyError(f"{error} (in {self.file}, classes.{key})") from error
        return np.asarray(np.any(chosen, axis=0))

    def _classes_of(self, tree: Taxonomy, said: Mapping[Any, PathSet]) -> dict[tuple[int, int], PathSet]:
        entries: dict[tuple[int, int], PathSet] = {}
        for key, paths in said.items():
            try:
                found = find_class(tree, key)
            except TaxonomyError as error:
                raise TaxonomyError(f"{error} (in {self.file}, classes)") from error
            if found in entries:
                raise TaxonomyError(
                    f"Expected one entry per class, but '{key}' has two (in {self.file}, classes)."
                )
            entries[found] = paths
        return entries

    def _leaves_of(self, tree: Taxonomy) -> NDArray[np.bool_]:
        """(T_origin, T) what every path of the origin says: the finest entry on it, held to those above."""
        rows = np.zeros((tree.num_paths, self.target.num_paths), dtype=np.bool_)
        missing = []
        for number, path in enumerate(tree.paths.tolist()):
            on_path = [(at, index) for at, index in enumerate(path, start=1) if (at, index) in self._entries]
            if not on_path:
                missing.append(_value_and_name(tree, tree.num_levels, path[-1]))
                continue
            rows[number] = self._entries[on_path[-1]]
            for above, below in pairwise(on_path):
                self._refuse_wider(
                    _value_and_name(tree, *below),
                    _value_and_name(tree, *above),
                    self._entries[below],
                    self._entries[above],
                )
        if missing:
            raise TaxonomyError(
                f"Expected an entry for every class of {tree.name}, but got none for {len(missing)} "
                f"({list_some(missing, 4)}) (in {self.file}, classes). Add them; null says nothing."
            )
        return rows

    def _check_codes(self, legend: CodeLegend) -> None:
        for code, paths in self._codes.items():
            above = next((up for up in legend.lineage(code)[1:] if up in self._codes), None)
            if above is not None:
                self._refuse_wider(legend.label(code), legend.label(above), paths, self._codes[above])

    def _refuse_wider(self, name: str, above: str, paths: PathSet, limit: PathSet) -> None:
        if (paths & ~limit).any():
            beyond = list_some(describe_paths(self.target, paths & ~limit), 4)
            raise TaxonomyError(
                f"Expected '{name}' to say no more than '{above}' above it, but it may also be {beyond} "
                f"(in {self.file}, classes). Widen the class above, or leave it out: those below say it all."
            )


def is_crosswalk(path_or_catalog_name: str | Path) -> bool:
    """Say whether a file, or a name of the catalog, is a crosswalk and no tree: it has the key ``from``."""
    if str(path_or_catalog_name) in catalog_names("crosswalks"):
        return True
    path = Path(path_or_catalog_name)
    if path.suffix not in {".yaml", ".yml"} or not path.is_file():
        return False
    content = read_yaml(path, MAX_CLASSES)
    return isinstance(content, dict) and "from" in content and "levels" not in content


def _value_and_name(tree: Taxonomy, level: int, index: int) -> str:
    spec = tree.levels[level - 1].classes[index]
    return f"{spec.value} {spec.name}"


def _same_name(name: str, tree: Taxonomy) -> bool:
    return name == tree.name or Path(name).stem == tree.name


def _tree(name: str, beside: Path) -> Taxonomy:
    """Read a tree that a crosswalk names: a file beside it, or an entry of the catalog."""
    file = beside.parent / name
    return Taxonomy.from_yaml(file if Path(name).suffix in {".yaml", ".yml"} else name)
