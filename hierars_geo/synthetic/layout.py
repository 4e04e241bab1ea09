"""The ground before any sensor sees it: shapes in painter's order with a material, a class, or both."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from .geometry import Geometries
from .materials import MATERIAL_INDEX

#: Entry of a shape that leaves the class (or the material) underneath as it is.
KEEP = -1


@dataclass(frozen=True)
class View:
    """A grid over a piece of the scene.

    Attributes:
        x_m: Left edge, metres from the scene's left edge.
        y_m: Upper edge, metres from the scene's upper edge.
        width: Columns.
        height: Rows.
        res_m: Size of a cell.
    """

    x_m: float
    y_m: float
    width: int
    height: int
    res_m: float

    @property
    def xs(self) -> NDArray[np.float64]:
        """(width,) x of the column centres, metres."""
        return np.asarray(self.x_m + (np.arange(self.width) + 0.5) * self.res_m)

    @property
    def ys(self) -> NDArray[np.float64]:
        """(height,) y of the row centres, metres."""
        return np.asarray(self.y_m + (np.arange(self.height) + 0.5) * self.res_m)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, upper, right, lower) in metres."""
        return self.x_m, self.y_m, self.x_m + self.width * self.res_m, self.y_m + self.height * self.res_m


@dataclass(frozen=True, eq=False)
class Layout:
    """Shapes in painter's order: a later one covers an earlier one.

    Attributes:
        geometries: (n,) polygons and multipolygons in local metres.
        materials: (n,) index of each shape's material, ``KEEP`` where it shows what lies below.
        classes: (n,) raster value of each shape's class, ``KEEP`` where it keeps the class below.
        angles: (n,) direction of rows, radians.
    """

    geometries: Geometries
    materials: NDArray[np.int16]
    classes: NDArray[np.int16]
    angles: NDArray[np.float32]

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.geometries)

    def _burn(self, view: View, wanted: NDArray[np.bool_], values: NDArray[np.int32]) -> NDArray[np.int32]:
        found = np.sort(self._tree.query(shapely.box(*view.bounds)))
        found = found[wanted[found]]
        out = np.zeros((view.height, view.width), dtype=np.int32)
        if len(found):
            shapes = zip(self.geometries[found], values[found].tolist(), strict=True)
            rasterize(shapes, out=out, transform=Affine(view.res_m, 0, view.x_m, 0, view.res_m, view.y_m))
        return out

    def object_map(self, view: View) -> NDArray[np.int32]:
        """Which shape shows its material in each cell: (height, width) int32, index into the shapes."""
        return self._burn(view, self.materials != KEEP, np.arange(len(self.geometries), dtype=np.int32))

    def class_map(self, view: View) -> NDArray[np.uint8]:
        """Class at each cell's centre: (height, width) uint8 raster values."""
        return self._burn(view, self.classes != KEEP, self.classes.astype(np.int32)).astype(np.uint8)


class Canvas:
    """Collects shapes in painter's order; the first one covers the whole scene."""

    def __init__(self, size_m: float, ground: str, ground_class: int) -> None:
        self.size_m = size_m
        self._geometries: list[Geometries] = []
        self._materials: list[NDArray[np.int16]] = []
        self._classes: list[NDArray[np.int16]] = []
        self._angles: list[NDArray[np.float32]] = []
        self.paint(shapely.box(-500, -500, size_m + 500, size_m + 500), ground, ground_class)

    def paint(
        self,
        shapes: shapely.Geometry | Sequence[shapely.Geometry] | Geometries,
        material: str | None = None,
        label: int | None = None,
        angle: float = 0.0,
    ) -> None:
        """Add shapes, each an object of its own; empty ones are left out.

        A material (a name in ``MATERIALS``) or a class's raster value that is None leaves what lies below;
        ``angle`` is the direction of rows.
        """
        given = np.atleast_1d(np.asarray(shapes, dtype=object))
        given = given[~shapely.is_empty(given)] if len(given) else given
        count = len(given)
        self._geometries.append(given)
        self._materials.append(
            np.full(count, KEEP if material is None else MATERIAL_INDEX[material], np.int16)
        )
        self._classes.append(np.full(count, KEEP if label is None else label, np.int16))
        self._angles.append(np.full(count, angle, np.float32))

    def paint_mixed(
        self,
        rng: np.random.Generator,
        shapes: Geometries,
        materials: Sequence[str],
        kinds: int = 4,
    ) -> None:
        """Add many small shapes as a few objects: each joins one of ``kinds`` groups of one material."""
        group = rng.integers(0, kinds, len(shapes))
        for kind in range(kinds):
            members = shapes[group == kind]
            if len(members):
                self.paint(shapely.multipolygons(members), str(rng.choice(materials)))

    def finish(self) -> Layout:
        """The collected shapes."""
        return Layout(
            np.concatenate(self._geometries),
            np.concatenate(self._materials),
            np.concatenate(self._classes),
            np.concatenate(self._angles),
        )
