"""ClassRasters: rasters whose values are classes, read on any grid."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import RasterError
from ..grid import GeoGrid, Window
from ..grid.reprojection import outline
from ..taxonomy import LabelSets, Legend, Taxonomy
from ..types import IGNORE_INDEX
from .bad_files import map_all
from .dataset import HandlePool
from .outlines import Outlines
from .patch import Patch, Pixels, first_valid
from .raster_file import RasterFile, probe_all
from .raster_paths import Paths, find_rasters
from .reader import Layer, LayerReader
from .scene import Scene

#: Marks a raster value that the legend lacks.
UNKNOWN: Final = IGNORE_INDEX - 1


class ValueDecoder:
    """Turns raster values into the numbers of their sets of paths; of leaves these are their indices."""

    def __init__(self, legend: Legend) -> None:
        self.legend = legend
        self._tables: dict[tuple[str, float | None], NDArray[np.int32]] = {}

    def accept(self, file: RasterFile) -> RasterFile:
        """Check that a file is a class raster.

        Raises:
            RasterError: It has several bands.
            TaxonomyError: Its nodata value is a class.
        """
        if len(file.indexes) != 1:
            raise RasterError(
                f"Expected a label raster with one band, but got {len(file.indexes)} (in {file.path}). "
                "Name the label files, or put them into a folder of their own; set rgb where labels are "
                "pictures in the colours of the tree."
            )
        self.legend.refuse_nodata(file.nodata[0], file.path)
        return file

    def decode(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> NDArray[np.int32]:
        """Look up the numbers of sets.

        Args:
            data: (1, H, W) values as stored.
            valid: (H, W), False where the value has no meaning.
            file: Where they come from.

        Returns:
            (1, H, W) int32, -100 where there is no label.

        Raises:
            TaxonomyError: A value that the legend lacks; file and value are named.
        """
        tree = self.legend.origin
        if not isinstance(tree, Taxonomy) or data.dtype.name not in {"uint8", "uint16"}:
            nothing = tree.nodata_value if isinstance(tree, Taxonomy) else 0
            dtype = np.result_type(data.dtype, np.min_scalar_type(nothing))  # a signed byte holds no 255
            known = np.where(valid, data, dtype.type(nothing))
            return self.legend.numbers(known, file.path).astype(np.int32)
        numbers = self._table(tree, data.dtype.name, file.nodata[0]).take(data)
        if numbers.min(initial=0) == UNKNOWN and bool(((numbers == UNKNOWN) & valid).any()):
            self.legend.numbers(data[:, valid], file.path)  # raises, naming values and file
        return numbers

    def _table(self, tree: Taxonomy, dtype: str, nodata: float | None) -> NDArray[np.int32]:
        """Lookup table from every value of a data type to the number of its set."""
        if (dtype, nodata) not in self._tables:
            values, numbers = tree.value_map(self.legend.level), self.legend.class_numbers
            table = values.tabulate(numbers, IGNORE_INDEX, UNKNOWN)[: np.iinfo(dtype).max + 1].astype(
                np.int32
            )
            if nodata is not None and math.isfinite(nodata) and 0 <= nodata < len(table):
                table[int(nodata)] = IGNORE_INDEX
            self._tables[(dtype, nodata)] = table
        return self._tables[(dtype, nodata)]


def class_scene(file: RasterFile) -> Scene:
    """Return a file of classes, or a picture of them, as a scene of its own."""
    return Scene((Layer(file, file.indexes),))


class ClassRasters:
    """Class rasters as labels; where they overlap, the first valid pixel counts.

    On another grid they are reduced by vote where they are finer, else read at the nearest pixel. This is
    what :class:`hierars_geo.datasets.HierarchicalLabels` reads, without TorchGeo around it.

    Raises:
        HieraRSError: Files cannot be read, have no CRS, several bands, or a class as nodata value.
    """

    def __init__(self, paths: Paths, legend: Legend) -> None:
        self._decoder = ValueDecoder(legend)
        self.label_sets = None if legend.leaves_alone else legend.sets
        files = probe_all(find_rasters(paths)[0])
        self._scenes = map_all(lambda file: class_scene(self._decoder.accept(file)), files)
        self._pool = HandlePool()
        self._reader = LayerReader(self._pool, "labels", self._decode)
        self._outlines: dict[str, Outlines] = {}

    def read_on(self, grid: GeoGrid, window: Window) -> Patch | None:
        """Read a window of any grid, turned and south-up ones too; None where no raster lies.

        Raises:
            HieraRSError: A file is damaged, or holds a value that the legend lacks.
        """
        key = grid.crs.to_wkt()
        if key not in self._outlines:
            places = [outline(scene.grid, grid.crs) for scene in self._scenes]
            self._outlines[key] = Outlines.of(places, [scene.interval for scene in self._scenes])
        hits = self._outlines[key].hits(grid.crop(window).bounds, None).tolist()
        return first_valid(self._scenes[number].read_by(self._reader, grid, window) for number in hits)

    def close(self) -> None:
        """Close the files; reading opens them again."""
        self._pool.close()

    def _decode(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> Patch:
        numbers = self._decoder.decode(data, valid, file)
        return Patch(numbers, valid & (numbers[0] != IGNORE_INDEX))


def label_classes(patch: Patch, sets: LabelSets | None) -> NDArray[np.int64]:
    """Return what was read of labels as leaf indices (H, W), or where some are no leaves as classes.

    Args:
        patch: Numbers of sets; of leaves these are their indices.
        sets: The sets of legal paths; None for labels of leaves alone.

    Returns:
        (H, W) int64 leaf indices, or (N, H, W) the class at each level that a label decides; -100 elsewhere.
    """
    number: NDArray[np.int64] = patch.filled(IGNORE_INDEX)[0].astype(np.int64)
    if sets is None:
        return number
    table: NDArray[np.int64] = np.vstack([sets.levels, np.full(sets.levels.shape[1], IGNORE_INDEX)])
    classes: NDArray[np.int64] = table.T[:, np.where(number < 0, -1, number % len(sets))]
    return classes
