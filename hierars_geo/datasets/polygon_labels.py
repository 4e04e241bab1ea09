"""PolygonLabels: polygons of a vector file as labels, burnt into each window at its own resolution."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from geopandas.geodataframe import GeoDataFrame
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyproj import CRS
from torchgeo.datasets import GeoDataset, IntersectionDataset, UnionDataset
from torchgeo.datasets.utils import GeoSlice

from ..errors import DataError, OptionError
from ..grid import Window
from ..grid.lattice import Lattice
from ..grid.longitudes import turn_of
from ..grid.reprojection import move_polygons, same_crs
from ..polygons.attribute_classes import AttributeClasses
from ..polygons.polygon_table import read_polygon_table
from ..scenes.dates import ALWAYS
from ..scenes.notices import notice
from ..scenes.outlines import Outlines
from ..scenes.patch import Patch
from ..scenes.raster_paths import Paths
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX
from .intersection import SceneIntersection
from .level_labels import spread_levels
from .plot import figure_of
from .polygon_shapes import PolygonShapes, connected_parts
from .scene_source import SceneSource
from .union import SceneUnion
from .vector_paths import find_vectors

Order = Literal["area", "file"]
OnError = Literal["raise", "skip"]


class PolygonLabels(SceneSource, GeoDataset):
    """Polygons as labels: GeoPackage, GeoParquet, Shapefile, FlatGeobuf or GeoJSON, in any CRS.

    They are burnt into the window that is read, on its own pixels, so that no resolution is lost and memory
    does not follow the ground. Where a polygon is known at coarse levels only, samples hold ``level_masks``
    besides ``mask``, as :class:`HierarchicalLabels` with ``level`` does. Ground without polygons has no
    label.

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

    Attributes:
        taxonomy: The tree.
        depths: (N + 1,) polygons by the finest level they are known at; those without a label first.
        faults: What was skipped, in words.

    Raises:
        MissingFileError: Something named does not exist.
        OptionError: Options contradict each other or the tree, or name no column.
        DataError: Files cannot be read, hold something else than polygons, or classes that the tree lacks.
    """

    name = "PolygonLabels"
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
    ) -> None:
        for name, value, known in (
            ("order", order, ("area", "file")),
            ("on_error", on_error, ("raise", "skip")),
        ):
            if value not in known:
                raise OptionError(f"Expected {name} to be {' or '.join(known)}, but got '{value}'.")
        self.taxonomy = taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.from_yaml(taxonomy)
        self.transforms = transforms
        self.all_touched = all_touched
        self.faults: tuple[str, ...] = ()
        self._files = find_vectors(paths)
        self.paths = self._files  # TorchGeo looks here
        self._has_res = res is not None
        self._shapes: dict[str, PolygonShapes] = {}
        self._outlines: dict[str, tuple[Outlines, list[str]]] = {}
        self._read_files(AttributeClasses(self.taxonomy, attribute, attributes, classes), order, on_error)
        lattice = self.lattice_in(self._own_crs if crs is None else CRS.from_user_input(crs))
        self._move_to(
            lattice if res is None else lattice.at_res(res if isinstance(res, tuple) else (res, res))
        )

    def _read_files(self, classes: AttributeClasses, order: Order, on_error: OnError) -> None:
        tables = [read_polygon_table(path, classes.columns) for path in self.files]
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
        polygons = np.concatenate([move_polygons(t.polygons, t.crs, self._own_crs) for t in tables])
        levels = np.concatenate([result.levels for result in found])
        sources = np.repeat(np.arange(len(tables)), [len(table.polygons) for table in tables])
        if order == "area":
            first = np.argsort(-shapely.area(polygons), kind="stable")
            polygons, levels, sources = polygons[first], levels[first], sources[first]
        self._polygons, self._sources = polygons, sources
        self._set_levels(levels)

    def _set_levels(self, levels: NDArray[np.int64]) -> None:
        """Number the distinct labels; 0 is none."""
        known = levels != IGNORE_INDEX
        depth = np.where(known.any(axis=1), levels.shape[1] - known[:, ::-1].argmax(axis=1), 0)
        self.depths = tuple(np.bincount(depth, minlength=levels.shape[1] + 1).tolist())
        if not (depth > 0).any():
            raise DataError(
                f"Expected polygons with a class, but got none (in {', '.join(self.files[:5])}). "
                "Check the columns."
            )
        nothing = np.full(levels.shape[1], IGNORE_INDEX)
        table, codes = np.unique(np.vstack([nothing, levels]), axis=0, return_inverse=True)
        self._levels: NDArray[np.int64] = table  # row 0 is nothing: no class index is below IGNORE_INDEX
        self._codes = codes.ravel()[1:].astype(np.int32)
        leaves = table[1:, -1]
        told = self.taxonomy.known_levels(self.taxonomy.num_levels)
        self.has_levels = bool((leaves == IGNORE_INDEX).any() or (told[leaves] != table[1:]).any())

    @property
    def files(self) -> list[str]:
        """Every file, with its layer where one was named."""
        return self._files

    @property
    def num_classes(self) -> tuple[int, ...]:
        """Classes per level, coarsest first."""
        return self.taxonomy.num_classes

    def read(self, lattice: Lattice, window: Window, interval: tuple[int, int] | None) -> Patch | None:
        """Burn the polygons of a window of any lattice; they have no date."""
        codes = self._shapes_in(lattice.crs, lattice.wkt).burn(lattice, window, self.all_touched)
        if codes is None:
            return None
        if self.has_levels:
            return spread_levels(Patch(codes[None], codes > 0), self._levels)
        leaf = self._levels[:, -1].astype(np.int32).take(codes)
        return Patch(leaf[None], codes > 0)

    def _shapes_in(self, crs: CRS, wkt: str) -> PolygonShapes:
        if wkt not in self._shapes:
            moved = move_polygons(self._polygons, self._own_crs, crs)
            self._shapes[wkt] = PolygonShapes(moved, self._codes, turn_of(crs))
        return self._shapes[wkt]

    def outlines(self, crs: CRS) -> Outlines:
        """Return where labelled polygons lie, in a CRS: every connected piece of a file's ground once."""
        return self._pieces(crs)[0]

    def _pieces(self, crs: CRS) -> tuple[Outlines, list[str]]:
        wkt = crs.to_wkt()
        if wkt not in self._outlines:
            shapes = self._shapes_in(crs, wkt)
            sources = np.where(self._codes > 0, self._sources, -1)[shapes.owners]
            pieces = [
                (part, file)
                for number, file in enumerate(self.files)
                for part in connected_parts(shapes.parts[sources == number])
            ]
            self._outlines[wkt] = (
                Outlines.of([part for part, _ in pieces], [ALWAYS] * len(pieces)),
                [file for _, file in pieces],
            )
        return self._outlines[wkt]

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
        side = max(right - left, top - bottom) / 1000  # stands in until res is set or an image gives pixels
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

    def __and__(self, other: GeoDataset) -> IntersectionDataset:
        """Intersect with another source (see :class:`SceneIntersection`)."""
        if isinstance(other, (SceneSource, SceneIntersection)):
            return SceneIntersection(self, other)
        return IntersectionDataset(self, other)

    def __or__(self, other: GeoDataset) -> UnionDataset:
        """Unite with another source of the same kind (see :class:`SceneUnion`)."""
        return SceneUnion(self, other) if isinstance(other, SceneSource) else UnionDataset(self, other)

    def plot(self, sample: dict[str, Any], suptitle: str | None = None) -> Figure:
        """Draw a sample as a matplotlib figure."""
        return figure_of(sample, self.bands, self.taxonomy, suptitle)


__all__ = ("PolygonLabels",)
