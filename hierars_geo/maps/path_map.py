"""The rasters of a scene, read strip by strip as one map of legal paths."""

from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..grid import GeoGrid, Window
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX
from .classmap import ClassMapReader
from .cog import CONFIDENCE_NODATA
from .outside import AOA_NODATA, OUTSIDE


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

    def _tabulate_candidates(self) -> list[NDArray[np.integer]]:
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


#: Rows that are read at once: those of a block of a COG.
STRIP_ROWS = 512
_VALUES = 1 << 16


class PathMap:
    """Open rasters of a scene; made by :meth:`.scene_maps.SceneMaps.open`.

    Attributes:
        grid: Where the pixels lie.
        decoder: From raster values to paths.
        confidence_levels: Levels that there is a confidence raster of.
        applicability: The raster of the area of applicability, None where there is none.
    """

    def __init__(
        self,
        scene: str,
        taxonomy: Taxonomy,
        classes: Mapping[int, ClassMapReader],
        confidence: Mapping[int, ClassMapReader],
        settle: bool = False,
        applicability: ClassMapReader | None = None,
    ) -> None:
        self.decoder = PathDecoder(taxonomy, tuple(classes), settle)
        self.applicability = applicability
        self.grid: GeoGrid = classes[self.decoder.levels[-1]].grid
        self.confidence_levels = tuple(sorted(confidence))
        self._scene = scene
        self._taxonomy = taxonomy
        self._classes = classes
        self._confidence = confidence

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels that the maps tell: from 1 to the finest."""
        return tuple(range(1, self.decoder.paths.shape[1] + 1))

    @property
    def chains(self) -> NDArray[np.int64]:
        """(P + 1, D) class index of every path at every level; ``IGNORE_INDEX`` of the last, no class."""
        paths = self.decoder.paths
        return np.concatenate([paths, np.full((1, paths.shape[1]), IGNORE_INDEX)])

    def strips(self) -> Iterator[tuple[Window, NDArray[np.unsignedinteger]]]:
        """Read from top to bottom.

        Yields:
            The strip's window, and the path index of its pixels (h, W).

        Raises:
            TaxonomyError: A value is neither a class nor nodata.
            RasterError: A raster is damaged.
            DataError: After the last strip: levels contradict each other.
        """
        conflicts, first = 0, ""
        for window in Window(0, 0, *self.grid.shape).tiles(STRIP_ROWS):
            path, wrong, where = self._decode(window)
            first = first or where
            conflicts += wrong
            yield window, path
        if conflicts:
            raise self._contradiction(conflicts, first)

    def read(self, window: Window) -> NDArray[np.unsignedinteger]:
        """Read the path index of the pixels of a window (h, w); ``decoder.nodata`` where there is no class.

        Raises:
            TaxonomyError: A value is neither a class nor nodata.
            RasterError: The window reaches beyond the rasters, or one is damaged there.
            DataError: Levels contradict each other.
        """
        path, wrong, where = self._decode(window)
        if wrong:
            raise self._contradiction(wrong, where)
        return path

    def read_confidence(self, level: int, window: Window) -> NDArray[np.integer]:
        """Read the confidence of a level in per cent (h, w), 255 where there is none.

        Raises:
            RasterError: The window reaches beyond the raster, or it is damaged there.
        """
        return self._confidence[level].read(CONFIDENCE_NODATA, window)

    def read_outside(self, window: Window) -> NDArray[np.bool_] | None:
        """Tell which pixels (h, w) lie outside the area of applicability; None where nobody knows.

        Raises:
            RasterError: The window reaches beyond the raster, or it is damaged there.
        """
        if self.applicability is None:
            return None
        outside: NDArray[np.bool_] = self.applicability.read(AOA_NODATA, window) == OUTSIDE
        return outside

    def _decode(self, window: Window) -> tuple[NDArray[np.unsignedinteger], int, str]:
        """Return path indices, the number of pixels whose levels contradict each other, and the first."""
        values = {level: self._read_values(level, window) for level in self._classes}
        origins = {level: reader.path for level, reader in self._classes.items()}
        path, wrong = self.decoder.decode(values, origins)
        if wrong is None:
            return path, 0, ""
        return path, int(np.count_nonzero(wrong)), _describe(values, wrong, window)

    def _contradiction(self, pixels: int, first: str) -> DataError:
        return DataError(
            f"Expected the levels of {self._scene} to make legal paths of taxonomy "
            f"{self._taxonomy.name}, but {pixels} pixels do not, first {first}. "
            "Predict the scene again, or give the finest level alone."
        )

    def _read_values(self, level: int, window: Window) -> NDArray[np.unsignedinteger]:
        """Read a level with the taxonomy's nodata in place of the raster's own."""
        reader = self._classes[level]
        values = reader.read(self._taxonomy.nodata_value, window)
        if self._taxonomy.ignore_values:
            ignored = np.isin(values, self._taxonomy.ignore_values)
            nodata = self._taxonomy.nodata_value
            dtype = np.result_type(values.dtype, np.min_scalar_type(nodata))
            values = np.where(ignored, dtype.type(nodata), values)
        if values.dtype not in (np.uint8, np.uint16):
            if ((values < 0) | (values >= _VALUES)).any():
                self._taxonomy.value_to_index(values, level, reader.path)
            values = values.astype(np.uint16)
        return cast("NDArray[np.unsignedinteger]", values)


def _describe(
    values: Mapping[int, NDArray[np.unsignedinteger]], wrong: NDArray[np.bool_], window: Window
) -> str:
    """Name the first pixel whose levels make no path."""
    row, col = (int(axis[0]) for axis in np.nonzero(wrong))
    found = ", ".join(f"L{level} = {int(values[level][row, col])}" for level in sorted(values))
    return f"at row {window.row + row}, column {window.col + col} ({found})"
