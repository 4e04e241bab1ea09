"""How much of each class a view of the map holds."""

import math
from dataclasses import dataclass

import numpy as np
from pyproj import CRS, Transformer

from ..grid import GeoGrid, PixelAreas, Window
from ..maps import AreaCounter
from ..types import IGNORE_INDEX, Bounds
from .reading import read_part
from .scene_pixels import UNSURE, ScenePixels, level_offsets
from .selection import Selection
from .views import View

#: A view is read as at most this many pixels a side, from overviews: the time does not depend on the scene.
MAX_SIDE_PX = 512
_WEB_MERCATOR = CRS.from_epsg(3857)


@dataclass(frozen=True)
class ClassArea:
    """Area of one class in a view.

    Attributes:
        level: Level of the class, 0 where not even the coarsest level is sure enough.
        index: Class index there.
        area_m2: Area on the ellipsoid.
    """

    level: int
    index: int
    area_m2: float


def view_areas(
    view: View,
    bounds: Bounds,
    level: int | None,
    threshold: int = 0,
    selection: Selection | None = None,
) -> list[ClassArea]:
    """Measure the classes inside a rectangle of the page's map.

    Args:
        view: The maps.
        bounds: (west, south, east, north) in degrees.
        level: Level to measure; None for adaptive depth.
        threshold: Of adaptive depth, per cent.
        selection: Measure only this class, its parents and its children.

    Returns:
        Classes that occur, largest first.

    Raises:
        RasterError: A raster is damaged.
        TaxonomyError: A value is no class of its level.
    """
    grid = _sampling_grid(view, bounds)
    if grid is None:
        return []
    pixels = ScenePixels(view.scene, lambda path, band: read_part(path, grid, band), selection)
    codes = pixels.of_depth(threshold) if level is None else pixels.of_level(level)
    if codes is None:
        return []
    counter = AreaCounter(PixelAreas(grid), max(int(codes.max()), UNSURE) - UNSURE + 2)
    counter.add(Window(0, 0, *grid.shape), np.where(codes == IGNORE_INDEX, 0, codes - UNSURE + 1))
    found = [
        ClassArea(*_class_of(view, int(symbol) + UNSURE), float(counter.area_m2[1:][symbol]))
        for symbol in np.flatnonzero(counter.pixels[1:])
    ]
    return sorted(found, key=lambda area: -area.area_m2)


def _sampling_grid(view: View, bounds: Bounds) -> GeoGrid | None:
    """Return the grid of the part of a view that the scene touches, no finer than the maps; None without."""
    west, south = max(bounds[0], view.bounds[0]), max(bounds[1], view.bounds[1])
    east, north = min(bounds[2], view.bounds[2]), min(bounds[3], view.bounds[3])
    if not (west < east and south < north):
        return None
    to_mercator = Transformer.from_crs("EPSG:4326", _WEB_MERCATOR, always_xy=True)
    (left, right), (bottom, top) = to_mercator.transform([west, east], [south, north])
    if right <= left:  # beyond the 180th meridian
        right += 2 * math.pi * 6378137
    step_m = view.scene.grid.gsd_m() / math.cos(math.radians((south + north) / 2))
    step_m = max(step_m, (right - left) / MAX_SIDE_PX, (top - bottom) / MAX_SIDE_PX)
    width, height = max(1, math.ceil((right - left) / step_m)), max(1, math.ceil((top - bottom) / step_m))
    res = ((right - left) / width, (top - bottom) / height)
    return GeoGrid.from_bounds(_WEB_MERCATOR, (left, bottom, right, top), res)


def _class_of(view: View, code: int) -> tuple[int, int]:
    """Return level and index of a code; level 0 for the unsure."""
    if code == UNSURE:
        return 0, 0
    offsets = level_offsets(view.scene)
    level = max(level for level, offset in offsets.items() if offset <= code)
    return level, code - offsets[level]


__all__ = ("MAX_SIDE_PX", "ClassArea", "view_areas")
