"""LeftOut: polygons of ground that counts as no data in training and prediction, such as a watermark."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from .. import polygons as vector_files  # lazy: not where one only predicts
from ..grid import GeoGrid, Window
from ..grid.lattice import Lattice
from ..grid.reprojection import outline, same_crs
from .dataset import no_georeference_warnings
from .reader import LayerReader, Target

if TYPE_CHECKING:
    from geopandas.geodataframe import GeoDataFrame

#: Sides of the rectangle that stands for a scene's ground in another CRS, in pixels.
_SIDE_PX = 1000


def pixels_inside(polygons: Sequence[BaseGeometry] | NDArray[np.object_], grid: GeoGrid) -> NDArray[np.bool_]:
    """Tell which pixels (h, w) have their centre in one of some polygons, at least one, in the grid's CRS."""
    with no_georeference_warnings():
        inside: NDArray[np.bool_] = geometry_mask(polygons, grid.shape, grid.transform, invert=True)
    return inside


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Polygons over a scene.

    Attributes:
        path: The layer.
        grid: Of the scene.
    """

    path: str
    grid: GeoGrid
    _polygons: dict[str, shapely.STRtree] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """Say what is left out."""
        return "pixels whose centre lies in its polygons are left out"

    def covers(self, reader: LayerReader, target: Target, window: Window) -> NDArray[np.bool_]:
        """Return which pixels (h, w) of a window have their centre in a polygon."""
        part = target.crop(window)
        tree = self._in_crs_of(target)
        near = tree.geometries[tree.query(shapely.box(*part.bounds))]
        return pixels_inside(near, part) if len(near) else np.zeros(part.shape, dtype=np.bool_)

    def _in_crs_of(self, target: Target) -> shapely.STRtree:
        """Polygons in the CRS of the pixels that are asked for."""
        wkt = target.wkt if isinstance(target, Lattice) else target.crs.to_wkt()
        if wkt not in self._polygons:
            grid = self.grid
            if not same_crs(grid.crs, target.crs):
                left, bottom, right, top = outline(grid, target.crs).bounds
                res = ((right - left) / _SIDE_PX, (top - bottom) / _SIDE_PX)
                grid = GeoGrid.from_bounds(target.crs, (left, bottom, right, top), res)
            moved = vector_files.onto_map(read_once(self.path), grid, self.path).geometry.to_numpy()
            self._polygons[wkt] = shapely.STRtree(moved[~shapely.is_empty(moved)])
        return self._polygons[wkt]


@lru_cache(maxsize=4)
def read_once(path: str) -> "GeoDataFrame":
    """Read a layer of polygons that many scenes ask for."""
    return vector_files.read_layer(path)
