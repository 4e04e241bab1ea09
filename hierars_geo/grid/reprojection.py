"""Move outlines between coordinate reference systems."""

import numpy as np
import shapely
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from .geogrid import GeoGrid


def same_crs(a: CRS, b: CRS) -> bool:
    """Tell whether two CRSs mean the same ground, axis order aside (rasters are always x, y)."""
    if a is b or a.equals(b, ignore_axis_order=True):
        return True
    code = a.to_epsg()
    return code is not None and code == b.to_epsg()


def outline(grid: GeoGrid, crs: CRS) -> BaseGeometry:
    """Return the outline of a raster in a CRS.

    It is exact in the raster's own CRS; in another one, edges follow their curve by 32 points each.
    """
    t, (height, width) = grid.transform, grid.shape
    corners = [t @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height))]
    polygon = shapely.normalize(shapely.Polygon(corners))
    return move(polygon, grid.crs, crs)


def move(geometry: BaseGeometry, source: CRS, target: CRS) -> BaseGeometry:
    """Reproject a geometry; long edges get points in between, so that they follow their curve."""
    if same_crs(source, target):
        return geometry
    left, bottom, right, top = geometry.bounds
    dense = shapely.segmentize(geometry, max(right - left, top - bottom) / 32)
    transformer = Transformer.from_crs(source, target, always_xy=True)
    return shapely.make_valid(
        shapely.transform(dense, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))
    )


__all__ = ("move", "outline", "same_crs")
