"""Which classes are shown: all of them, or one with its parents and children."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX


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
        """Read ``LEVEL.INDEX``, for example ``2.5``.

        Args:
            text: As in the address; None or empty for no selection.
            taxonomy: The class tree.
            levels: Levels that have a map.

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


__all__ = ("Selection",)
