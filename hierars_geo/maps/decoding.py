"""From the raster values of several levels to the index of the legal path that they make."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..taxonomy import Taxonomy


class PathDecoder:
    """Look up paths by raster values.

    Args:
        taxonomy: The class tree.
        levels: Levels that there are rasters of; levels between that are missing follow from the finer ones.
        settle: Where the levels do not settle the path, take the first.

    Attributes:
        levels: The levels, ascending.
        paths: (P, D) class index at levels 1..D of each legal path, D the finest of the levels.
        nodata: Path index of pixels without a class: P.

    Raises:
        DataError: The levels do not settle the path (a class with several parents).
    """

    def __init__(self, taxonomy: Taxonomy, levels: tuple[int, ...], settle: bool = False) -> None:
        self.levels = tuple(sorted(levels))
        self._taxonomy = taxonomy
        deepest = self.levels[-1]
        self.paths = np.unique(taxonomy.paths[:, :deepest], axis=0)
        self.nodata = len(self.paths)
        if not settle:
            self._refuse_ambiguous()
        #: Path index of a value that is no class.
        self._unknown = self.nodata + 1
        self._candidates = self._tabulate_candidates()
        self._expected = {level: self._tabulate_values(level) for level in self.levels[:-1]}

    def decode(
        self, values: Mapping[int, NDArray[np.unsignedinteger]], origins: Mapping[int, str]
    ) -> tuple[NDArray[np.unsignedinteger], NDArray[np.bool_] | None]:
        """Turn raster values into path indices.

        Args:
            values: By level (h, W) uint8 or uint16; the taxonomy's nodata where there is no class.
            origins: By level the name of the file, for messages.

        Returns:
            (h, W) path index, ``nodata`` where no level has a class; and (h, W) True where the levels make no
            legal path, None where all do.

        Raises:
            TaxonomyError: A value is neither a class nor nodata.
        """
        deepest = self.levels[-1]
        path = np.take(self._candidates[0], values[deepest], mode="clip")
        if (path == self._unknown).any():
            self._taxonomy.value_to_index(values[deepest], deepest, origins[deepest])
        if not self._expected:
            return path, None
        fits = self._fits(path, values)
        for candidates in self._candidates[1:]:
            other = np.take(candidates, values[deepest], mode="clip")
            better = ~fits & self._fits(other, values)
            path = np.where(better, other, path)
            fits |= better
        if fits.all():
            return path, None
        for level in self._expected:
            self._taxonomy.value_to_index(values[level][~fits], level, origins[level])
        return path, ~fits

    def _fits(
        self, path: NDArray[np.unsignedinteger], values: Mapping[int, NDArray[np.unsignedinteger]]
    ) -> NDArray[np.bool_]:
        fits = np.ones(path.shape, dtype=np.bool_)
        for level, expected in self._expected.items():
            fits &= np.take(expected, path, mode="clip") == values[level]
        return fits

    def _refuse_ambiguous(self) -> None:
        columns = self.paths[:, [level - 1 for level in self.levels]]
        tuples, counts = np.unique(columns, axis=0, return_counts=True)
        if len(tuples) < len(self.paths):
            deepest = self.levels[-1]
            name = self._taxonomy.class_names(deepest)[int(tuples[counts > 1][0, -1])]
            missing = sorted(set(range(1, deepest + 1)) - set(self.levels))
            raise DataError(
                f"Expected maps of all levels, as class '{name}' of taxonomy {self._taxonomy.name} has "
                f"several legal paths, but got none of {', '.join(f'L{level}' for level in missing)}. "
                "Put the missing maps beside the others."
            )

    def _tabulate_candidates(self) -> list[NDArray[np.unsignedinteger]]:
        """(65536,) path of each value of the finest level; several tables where a class has several paths."""
        finest = self.paths[:, -1]
        order = np.argsort(finest, kind="stable")
        first = np.searchsorted(finest[order], np.arange(finest.max() + 1))
        counts = np.bincount(finest)
        return [
            self._taxonomy.value_map(self.levels[-1]).tabulate(
                order[first + np.minimum(nth, counts - 1)], self.nodata, self._unknown
            )
            for nth in range(int(counts.max()))
        ]

    def _tabulate_values(self, level: int) -> NDArray[np.uint16]:
        """(P + 1,) raster value that a level has on each path, and on nodata."""
        values = self._taxonomy.index_to_value(self.paths[:, level - 1], level)
        return np.append(values, self._taxonomy.nodata_value).astype(np.uint16)


__all__ = ("PathDecoder",)
