"""The classes of a scene at some pixels, of one level or the finest one that is sure enough."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..maps import SceneMaps
from ..maps.outside import AOA_NODATA, OUTSIDE
from ..taxonomy import RGB, Taxonomy
from ..taxonomy.depth import adaptive_classes
from ..types import IGNORE_INDEX
from .reading import Pixels


@dataclass(frozen=True)
class Selection:
    """One class, clicked in the legend.

    Attributes:
        level: Its level, from 1.
        index: Its index there.
    """

    level: int
    index: int

    @classmethod
    def parse(cls, text: str | None, taxonomy: Taxonomy, levels: tuple[int, ...]) -> "Selection | None":
        """Read ``LEVEL.INDEX`` (``2.5``) of a level that has a map; None for no text.

        Raises:
            OptionError: It is not of that form, or there is no such class.
        """
        if not text:
            return None
        level, _, index = text.partition(".")
        if level.isdecimal() and index.isdecimal() and len(text) < 12 and int(level) in levels:
            selection = cls(int(level), int(index))
            if selection.index < taxonomy.num_classes[selection.level - 1]:
                return selection
        raise OptionError(f"Expected a class as LEVEL.INDEX of {taxonomy.name}, but got '{text[:40]}'.")

    def related(self, taxonomy: Taxonomy, level: int) -> NDArray[np.bool_]:
        """Tell which classes of a level share a legal path with the selected one; (C_level,) bool."""
        through = taxonomy.paths[taxonomy.paths[:, self.level - 1] == self.index]
        related = np.zeros(taxonomy.num_classes[level - 1], dtype=np.bool_)
        related[through[:, level - 1]] = True
        return related

    def keep(
        self, taxonomy: Taxonomy, level: int, classes: NDArray[np.int64], selected: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Blank the pixels that have nothing to do with the selected class.

        Below its level only its own pixels stay: in a tree where a class has several parents, being one of
        its children is not enough.

        Args:
            taxonomy: The class tree.
            level: Level of the classes.
            classes: (h, w) class index, ``IGNORE_INDEX`` where there is none.
            selected: (h, w) class index at the selected class's level.

        Returns:
            (h, w), ``IGNORE_INDEX`` where a pixel does not stay.
        """
        if level > self.level:
            stays = selected == self.index
        else:
            stays = np.isin(classes, np.flatnonzero(self.related(taxonomy, level)))
        return np.where(stays, classes, IGNORE_INDEX)


#: Raster and 1-based band -> (h, w) values, masked where there is no data; None where there is no pixel.
ReadPixels = Callable[[Path, int], Pixels | None]
#: Code of a pixel of which not even the coarsest level is sure enough.
UNSURE = -1
#: Its colour; no tree uses a pure grey.
UNSURE_COLOR: RGB = (128, 128, 128)
_NO_CONFIDENCE = 255


class ScenePixels:
    """Classes of all levels at the pixels of one tile or part, each raster read when it is needed.

    Classes of all levels are numbered through, so that a picture may mix levels: a code is the number of
    classes at coarser levels plus the class's index. Sets of siblings come after all classes.
    What has nothing to do with the selected class is blank.
    """

    def __init__(self, scene: SceneMaps, read: ReadPixels, selection: Selection | None = None) -> None:
        self._scene = scene
        self._read = read
        self._selection = selection
        self._offsets = level_offsets(scene)
        self._indices: dict[int, NDArray[np.int64] | None] = {}

    def of_level(self, level: int) -> NDArray[np.int64] | None:
        """Codes of a level (h, w), ``IGNORE_INDEX`` where there is no class; None without any pixel.

        Raises:
            RasterError: A raster is damaged.
            TaxonomyError: A value is no class of the level.
        """
        classes = self._level(level)
        if classes is None:
            return None
        if self._selection is not None:
            selected = self._level(self._selection.level)
            if selected is None:
                return None
            classes = self._selection.keep(self._scene.taxonomy, level, classes, selected)
        return np.where(classes == IGNORE_INDEX, IGNORE_INDEX, classes + self._offsets[level])

    def of_depth(self, threshold: int) -> NDArray[np.int64] | None:
        """Codes of the finest level whose confidence reaches a threshold.

        Args:
            threshold: Per cent, 0..100.

        Returns:
            (h, w), :data:`UNSURE` where not even the coarsest level reaches it, ``IGNORE_INDEX`` where there
            is no class; None without any pixel.

        Raises:
            RasterError: A raster is damaged.
            TaxonomyError: A value is no class of the level.
        """
        codes: NDArray[np.int64] | None = None
        sure: NDArray[np.bool_] | None = None
        for level in self._scene.levels:
            values = self._read(self._scene.confidence[level], 1)
            classes = self.of_level(level)
            if values is None or classes is None:
                return None
            reaches = (np.ma.filled(values, _NO_CONFIDENCE) >= threshold) & ~np.ma.getmaskarray(values)
            if codes is None or sure is None:
                codes = np.where(classes == IGNORE_INDEX, IGNORE_INDEX, UNSURE)
                sure = np.ones(codes.shape, dtype=np.bool_)
            sure &= reaches  # confidence never rises; a level counts only if those above it do
            codes = np.where(sure, classes, codes)
        return codes

    def of_adaptive(self) -> NDArray[np.int64] | None:
        """Codes of the adaptive map as it was written, sets of siblings among them, as of :meth:`of_depth`.

        Raises:
            RasterError: A raster is damaged.
            TaxonomyError: A value is none that an adaptive map of this tree holds.
        """
        path, legend = self._scene.adaptive, self._scene.adaptive_legend
        values = None if path is None else self._read(path, 1)
        if path is None or values is None:
            return None
        filled = np.ma.filled(np.ma.asarray(values, dtype=np.int64), legend.nodata_value)
        index = legend.value_to_index(filled, 1, path.name)
        codes = np.where(index == IGNORE_INDEX, IGNORE_INDEX, index + UNSURE)
        return codes if self._selection is None else self._selected(codes, self._selection)

    def _selected(self, codes: NDArray[np.int64], selection: Selection) -> NDArray[np.int64] | None:
        """Blank the codes of an adaptive map that have nothing to do with the selected class."""
        selected, coarsest = self._level(selection.level), self.of_level(min(self._scene.levels))
        if selected is None or coarsest is None:
            return None
        tree = self._scene.taxonomy
        related = [selection.related(tree, level) for level in range(1, tree.num_levels + 1)]
        said = adaptive_classes(tree, self._scene.shows_sets)
        fine = np.array([level > selection.level for level, _ in said])
        coarse = ~fine & [bool(related[level - 1][[*members]].any()) for level, members in said]
        known = np.maximum(codes, 0)
        stays = np.where(codes == UNSURE, coarsest != IGNORE_INDEX, coarse[known])
        stays |= (codes >= 0) & fine[known] & (selected == selection.index)
        return np.where(stays & (codes != IGNORE_INDEX), codes, IGNORE_INDEX)

    def outside(self) -> NDArray[np.bool_] | None:
        """Tell which pixels (h, w) lie outside the area of applicability; None where the maps do not know.

        Raises:
            RasterError: The raster is damaged.
        """
        path = self._scene.others.get("aoa")
        values = None if path is None else self._read(path, 1)
        return None if values is None else np.ma.filled(values, AOA_NODATA) == OUTSIDE

    def _level(self, level: int) -> NDArray[np.int64] | None:
        if level not in self._indices:
            scene, taxonomy = self._scene, self._scene.taxonomy
            if level not in scene.classes:
                self._indices[level] = self._lifted(level)
                return self._indices[level]
            path = scene.classes[level]
            values = self._read(path, scene.bands.get(level, 1))
            if values is None:
                self._indices[level] = None
            else:
                filled = np.ma.filled(np.ma.asarray(values, dtype=np.int64), taxonomy.nodata_value)
                self._indices[level] = taxonomy.value_to_index(filled, level, path.name)
        return self._indices[level]

    def _lifted(self, level: int) -> NDArray[np.int64] | None:
        """Classes of a level without a raster, from the next finer one that has one."""
        finer = min(known for known in self._scene.classes if known > level)
        index = self._level(finer)
        if index is None:
            return None
        above = np.append(self._scene.taxonomy.known_levels(finer)[:, level - 1], IGNORE_INDEX)
        return above[np.where(index == IGNORE_INDEX, len(above) - 1, index)]


def level_offsets(scene: SceneMaps) -> dict[int, int]:
    """Code of the first class of every level that has a map."""
    counts = scene.taxonomy.num_classes
    return {level: sum(counts[: level - 1]) for level in scene.levels}
