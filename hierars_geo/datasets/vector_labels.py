"""VectorLabels: polygons, lines and points as labels, burnt into each window at its own resolution."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import shapely
from geopandas.geodataframe import GeoDataFrame
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry
from torchgeo.datasets import GeoDataset
from torchgeo.datasets.utils import GeoSlice

from ..errors import DataError, MissingFileError, OptionError, check_choice, list_some, notice
from ..grid import GeoGrid, Window
from ..grid.lattice import Lattice
from ..grid.longitudes import every_turn, turn_of
from ..grid.reprojection import same_crs
from ..polygons.attribute_classes import AttributeClasses
from ..polygons.polygon_table import read_polygon_table
from ..polygons.vector_file import VECTOR_SUFFIXES, split_layer
from ..scenes.bad_files import OnError
from ..scenes.dates import ALWAYS
from ..scenes.outlines import Outlines
from ..scenes.patch import Patch
from ..scenes.raster_paths import Paths, find_rasters
from ..taxonomy import Crosswalk, LabelSets, Taxonomy
from ..types import IGNORE_INDEX
from .geo_raster import CombinedSource
from .label_shapes import LabelShapes, buffered, ground_pieces, move_geometries
from .sample import figure_of
from .scene_source import SceneSource, as_pair

Order = Literal["area", "file"]


class VectorLabels(CombinedSource, GeoDataset):
    """Polygons, lines and points as labels: GeoPackage, GeoParquet, Shapefile, FlatGeobuf or GeoJSON.

    They may be in any CRS, and are burnt into the window that is read, on its own pixels, so that no
    resolution is lost and memory does not follow the ground: a polygon labels the pixels whose centre it
    holds, a line those that it touches, a point the one that it falls in. Where some of them are no leaves,
    samples hold ``label_set`` and ``label_table`` besides ``mask``, as :class:`HierarchicalLabels` with
    ``level`` does. Ground without a feature has no label.

    Args:
        paths: Files, folders, patterns, or a list of them; ``FILE|LAYER`` for one layer of several.
        taxonomy: The tree, its name in the catalog, or the path of its YAML file.
        attribute: Column whose values are classes of any level.
        attributes: Instead, one column per level, coarsest first; None where a level has none. An empty value
            leaves that level to the others.
        classes: What the values stand for: ``{value: class}`` with ``attribute``, ``{level: {value: class}}``
            with ``attributes``; see :class:`AttributeClasses`.
        all_touched: True to label every pixel that a polygon touches, False those whose centre it holds.
        order: ``area`` burns large polygons first, so that small ones inside them count; ``file`` in the
            order of the file, so that the last one counts.
        crs: CRS of queries and samples (default: that of the first file).
        res: Pixel size in units of the CRS; needed where polygons are read without an image.
        transforms: Applied to every sample.
        on_error: ``raise`` refuses polygons with an unknown or contradictory class, ``skip`` leaves them
            unlabelled with a notice.
        crosswalk: Where columns hold classes or codes of another legend: from it to the tree, its name in the
            catalog, or the path of its YAML file.
        buffer_m: Metres on the ground that features are widened by, so that a point is a disc; a negative
            number takes the edges off polygons.

    Attributes:
        taxonomy: The tree.
        depths: (N + 1,) features by the finest level they are known at; those known at none first.
        faults: What was skipped, in words.

    Raises:
        MissingFileError: Something named does not exist.
        OptionError: Options contradict each other or the tree, or name no column.
        DataError: Files cannot be read, hold something else than polygons, or classes that the tree lacks.
    """

    name = "VectorLabels"
    is_image = False
    bands: Sequence[str] = ()

    def __init__(
        self,
        paths: Paths,
        taxonomy: Taxonomy | str | Path,
        attribute: str | None = None,
        attributes: Sequence[str | None] | None = None,
        classes: Mapping[str, object] | None = None,
        all_touched: bool = False,
        order: Order = "area",
        crs: CRS | str | int | None = None,
        res: float | tuple[float, float] | None = None,
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        on_error: OnError = "raise",
        crosswalk: Crosswalk | str | Path | None = None,
        buffer_m: float = 0.0,
    ) -> None:
        check_choice("order", order, get_args(Order))
        check_choice("on_error", on_error, get_args(OnError))
        self.taxonomy = Taxonomy.of(taxonomy)
        self.transforms = transforms
        self.all_touched = all_touched
        self.faults: tuple[str, ...] = ()
        self._files = find_vectors(paths)
        self.paths = self._files  # TorchGeo looks here
        self._has_res = res is not None
        self._shapes: dict[str, LabelShapes] = {}
        self._outlines: dict[tuple[str, float | None], tuple[Outlines, list[str]]] = {}
        if isinstance(crosswalk, (str, Path)):
            crosswalk = Crosswalk.from_yaml(crosswalk, self.taxonomy)
        columns = AttributeClasses(self.taxonomy, attribute, attributes, classes, crosswalk, self._files[0])
        self._read_files(columns, order, on_error, buffer_m)
        lattice = self.lattice_in(self._own_crs if crs is None else CRS.from_user_input(crs))
        self._move_to(lattice if res is None else lattice.at_res(as_pair(res)))

    def _read_files(
        self, classes: AttributeClasses, order: Order, on_error: OnError, buffer_m: float
    ) -> None:
        tables = [read_polygon_table(path, classes.columns, polygons_alone=False) for path in self.files]
        for table in tables:
            if table.repaired:
                notice(table.repaired)
        found = [classes.read(table.columns, table.ids) for table in tables]
        faults = [
            f"{fault} (in {table.path})"
            for table, result in zip(tables, found, strict=True)
            for fault in result.faults
        ]
        if faults and on_error == "raise":
            raise DataError(
                f"Expected polygons with classes of {self.taxonomy.name}, but got {' | '.join(faults)}. "
                "Correct the column, map its values with classes, or set on_error to skip."
            )
        if faults:
            self.faults = tuple(faults)
            notice(f"Polygons without a label, since their class is not known: {' | '.join(faults)}.")
        self._own_crs = tables[0].crs
        moved = [_prepared(table.polygons, table.crs, self._own_crs, buffer_m) for table in tables]
        polygons = np.concatenate(moved)
        known = np.concatenate([result.levels for result in found]) != IGNORE_INDEX
        depth = np.where(known.any(axis=1), known.shape[1] - known[:, ::-1].argmax(axis=1), 0)
        self.depths = tuple(np.bincount(depth, minlength=self.taxonomy.num_levels + 1).tolist())
        sources = np.repeat(np.arange(len(tables)), [len(table.polygons) for table in tables])
        sets = LabelSets(self.taxonomy, [row for result in found for row in result.sets])
        numbers = np.concatenate(
            [np.append(sets.numbers(result.sets), IGNORE_INDEX)[result.codes] for result in found]
        )
        if (numbers < 0).all():
            raise DataError(
                f"Expected polygons with a class, but got none (in {list_some(self.files)}). "
                "Check the columns."
            )
        if order == "area":
            first = np.argsort(-shapely.area(polygons), kind="stable")
            polygons, numbers, sources = polygons[first], numbers[first], sources[first]
        self._polygons, self._sources = polygons, sources
        self._codes = (numbers + 1).clip(min=0).astype(np.int32)  # 0 is no label
        self.label_sets = None if (numbers < self.taxonomy.num_classes[-1]).all() else sets

    @property
    def files(self) -> list[str]:
        """Every file, with its layer where one was named."""
        return self._files

    @property
    def num_classes(self) -> tuple[int, ...]:
        """Classes per level, coarsest first."""
        return self.taxonomy.num_classes

    def read(self, lattice: Lattice, window: Window, interval: tuple[int, int] | None) -> Patch | None:
        """Burn the features of a window of any lattice; they have no date."""
        return self._burnt(lattice.crop(window), lattice.wkt)

    def read_on(self, grid: GeoGrid, window: Window) -> Patch | None:
        """Burn the features of a window of any grid, turned and south-up ones too."""
        return self._burnt(grid.crop(window), grid.crs.to_wkt())

    def _burnt(self, grid: GeoGrid, wkt: str) -> Patch | None:
        codes = self._shapes_in(grid.crs, wkt).burn(grid, self.all_touched)
        if codes is None:
            return None
        return Patch(np.where(codes > 0, codes - 1, IGNORE_INDEX)[None].astype(np.int32), codes > 0)

    def _shapes_in(self, crs: CRS, wkt: str) -> LabelShapes:
        if wkt not in self._shapes:
            moved = move_geometries(self._polygons, self._own_crs, crs)
            self._shapes[wkt] = LabelShapes(moved, self._codes, turn_of(crs))
        return self._shapes[wkt]

    def outlines(self, crs: CRS, around: float | None = None) -> Outlines:
        """Return where labelled features lie, in a CRS: every connected piece of a file's ground once.

        The ground of lines and points reaches ``around`` on all sides, in units of the CRS.
        """
        return self._pieces(crs, around)[0]

    def _pieces(self, crs: CRS, around: float | None = None) -> tuple[Outlines, list[str]]:
        wkt = crs.to_wkt()
        if (wkt, around) not in self._outlines:
            shapes = self._shapes_in(crs, wkt)
            sources = np.where(self._codes > 0, self._sources, -1)[shapes.owners]
            pieces = [
                (part, file)
                for number, file in enumerate(self.files)
                for part in ground_pieces(shapes.parts[sources == number], around)
            ]
            self._outlines[wkt, around] = (
                Outlines.of([part for part, _ in pieces], [ALWAYS] * len(pieces)),
                [file for _, file in pieces],
            )
        return self._outlines[wkt, around]

    def features(self, crs: CRS) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
        """Return labelled features in a CRS, collections part by part.

        Returns:
            (Q,) polygons, lines and points, and (Q,) whether each is of a point or a line, as its disc is.
        """
        shapes = self._shapes_in(crs, crs.to_wkt())
        thin = np.zeros(len(self._codes), dtype=np.bool_)
        thin[shapes.owners[shapely.get_dimensions(shapes.parts) < 2]] = True
        known = self._codes[shapes.owners] > 0
        return shapes.parts[known], thin[shapes.owners][known]

    def points_outside(self, ground: BaseGeometry, crs: CRS) -> tuple[int, int]:
        """Count the labelled points and lines that lie outside some ground in a CRS, and all of them."""
        shapes = self._shapes_in(crs, crs.to_wkt())
        thin = (shapely.get_dimensions(shapes.parts) < 2) & (self._codes[shapes.owners] > 0)
        shapely.prepare(ground)
        turns = every_turn(shapes.parts, crs).reshape(-1, len(shapes.parts))
        outside = thin & ~shapely.intersects(ground, turns).any(axis=0)
        return len(np.unique(shapes.owners[outside])), len(np.unique(shapes.owners[thin]))

    def lattice_in(self, crs: CRS) -> Lattice:
        """Return a lattice at the upper-left corner of the polygons, in a CRS."""
        left, bottom, right, top = shapely.total_bounds(self._shapes_in(crs, crs.to_wkt()).parts)
        if self._has_res and hasattr(self, "lattice"):
            if same_crs(crs, self.lattice.crs):
                return self.lattice
            x, y, _ = self.bounds
            scale = np.sqrt((right - left) * (top - bottom) / ((x.stop - x.start) * (y.stop - y.start)))
            side = float(np.sqrt(self.res[0] * self.res[1]) * scale)
            return Lattice(crs, (side, side), (left, top))
        # stands in until res is set or an image gives pixels; a point has no size
        side = max(right - left, top - bottom) / 1000 or 1e-6
        return Lattice(crs, (side, side), (left, top))

    def __getitem__(self, query: GeoSlice) -> dict[str, Any]:
        """Read a sample (see :meth:`SceneSource.__getitem__`).

        Raises:
            OptionError: The pixel size is not known.
            QueryError: No polygon lies there (an IndexError).
        """
        parts = query if isinstance(query, tuple) else (query,)
        if not self._has_res and any(part.step is None for part in (*parts, slice(None))[:2]):
            raise OptionError(
                "Expected res, the pixel size, to read polygons without an image, but got none. Set res, or "
                "combine them with an image: image & labels."
            )
        return super().__getitem__(query)

    def _move_to(self, lattice: Lattice) -> None:
        before = getattr(self, "lattice", lattice)
        self._has_res = self._has_res or (lattice.wkt == before.wkt and lattice.res != before.res)
        super()._move_to(lattice)

    def _frame(self, crs: CRS) -> GeoDataFrame:
        outlines, files = self._pieces(crs)
        return outlines.frame(crs, {"filepath": files})

    def close(self) -> None:
        """Do nothing: no file is kept open."""

    def plot(self, sample: dict[str, Any], suptitle: str | None = None) -> Figure:
        """Draw a sample as a matplotlib figure."""
        return figure_of(sample, self.bands, self.taxonomy, suptitle)


def vector_sources(labels: SceneSource) -> list[VectorLabels]:
    """List the files of features that labels are read from, however they were united."""
    if isinstance(labels, VectorLabels):
        return [labels]
    return [found for one in getattr(labels, "sources", ()) for found in vector_sources(one)]


def _prepared(geometries: NDArray[np.object_], crs: CRS, target: CRS, buffer_m: float) -> NDArray[np.object_]:
    """Widen geometries and move them to a CRS; what was a line or a point stays in its widened form."""
    moved = move_geometries(geometries, crs, target)
    if not buffer_m:
        return moved
    wide = move_geometries(buffered(geometries, crs, buffer_m), CRS.from_epsg(4326), target)
    thin = shapely.get_dimensions(moved) < 2
    for at in np.flatnonzero(thin):  # a disc smaller than a pixel still labels the pixel of its point
        wide[at] = shapely.GeometryCollection([*shapely.get_parts(wide[at]), *shapely.get_parts(moved[at])])
    return wide


def find_vectors(paths: Paths) -> list[str]:
    """List vector files, as :func:`find_rasters` lists rasters; ``|LAYER`` stays with the file.

    Raises:
        MissingFileError: Something named does not exist, or holds no vector file.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    found: list[str] = []
    for path in [os.fspath(one) for one in given]:
        file, layer = split_layer(path)
        found += [path] if layer and os.path.isfile(file) else find_rasters([file], VECTOR_SUFFIXES)[0]
    if not found:
        raise MissingFileError("Expected at least one file of polygons, but got an empty list.")
    return list(dict.fromkeys(found))
