"""How much of each class a view of the map holds."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS, Transformer

from ..grid import GeoGrid, PixelAreas, Window
from ..maps import AreaCounter
from ..types import IGNORE_INDEX, Bounds
from .description import describe_code
from .reading import Pixels, read_part
from .scene_pixels import UNSURE, ScenePixels, Selection
from .views import View

#: A view is read as at most this many pixels a side, from overviews: the time does not depend on the scene.
MAX_SIDE_PX = 512
_WEB_MERCATOR = CRS.from_epsg(3857)


def view_areas(
    view: View,
    bounds: Bounds,
    level: int | None,
    threshold: int | None = None,
    selection: Selection | None = None,
) -> list[dict[str, Any]]:
    """Measure the classes inside a rectangle of the page's map.

    Args:
        view: The maps.
        bounds: (west, south, east, north) in degrees.
        level: Level to measure; None for a map that mixes levels.
        threshold: Of adaptive depth, per cent; None for the adaptive map as it was written.
        selection: Measure only this class, its parents and its children.

    Returns:
        Classes and sets that occur, largest first, as :func:`.describe_code` says them, with ``area_m2`` on
        the ellipsoid, and ``outside_m2`` of it outside the area of applicability where the maps know that.

    Raises:
        RasterError: A raster is damaged.
        TaxonomyError: A value is no class of its level.
    """
    areas_m2: dict[int, float] = {}
    outside_m2: dict[int, float] = {}
    for grid in _sampling_grids(view, bounds):
        pixels = ScenePixels(view.scene, partial(_read, grid), selection)
        if level is not None:
            codes = pixels.of_level(level)
        else:
            codes = pixels.of_adaptive() if threshold is None else pixels.of_depth(threshold)
        if codes is None:
            continue
        symbols = max(int(codes.max()), UNSURE) - UNSURE + 2
        symbol_of = np.where(codes == IGNORE_INDEX, 0, codes - UNSURE + 1)
        if (outside := pixels.outside()) is not None:
            symbol_of = np.where(outside & (symbol_of > 0), symbol_of + symbols, symbol_of)
        counter = AreaCounter(PixelAreas(grid), 2 * symbols)
        counter.add(Window(0, 0, *grid.shape), symbol_of)
        inside, beyond = counter.area_m2.reshape(2, symbols)[:, 1:]
        for symbol in np.flatnonzero(inside + beyond).tolist():
            areas_m2[symbol] = areas_m2.get(symbol, 0.0) + float(inside[symbol] + beyond[symbol])
            outside_m2[symbol] = outside_m2.get(symbol, 0.0) + float(beyond[symbol])
    found = []
    for symbol, area_m2 in sorted(areas_m2.items(), key=lambda item: -item[1]):
        found.append(describe_code(view, symbol + UNSURE) | {"area_m2": area_m2})
        if "aoa" in view.scene.others:
            found[-1]["outside_m2"] = outside_m2[symbol]
    return found


def _read(grid: GeoGrid, path: Path, band: int) -> Pixels:
    return read_part(path, grid, band)


def _sampling_grids(view: View, bounds: Bounds) -> list[GeoGrid]:
    """Return the grids of the parts of a view that the scene touches, no finer than the maps.

    They are in Web Mercator as the page is; of a scene in longitude and latitude in its own CRS, whose
    longitudes may go beyond 180, once per turn of the Earth that is seen of it.
    """
    own = view.scene.grid
    if own.crs.is_geographic:
        degrees = math.degrees(own.crs.axis_info[0].unit_conversion_factor)
        turns = [tuple(side / degrees for side in _turned(bounds, turn)) for turn in (-360, 0, 360)]
        met = [_common((w, s, e, n), own.bounds) for w, s, e, n in turns]
        return [_grid(own.crs, box, min(own.res)) for box in met if box is not None]
    turn = 360 * round(((view.bounds[0] + view.bounds[2]) - (bounds[0] + bounds[2])) / 720)
    box = _common(_turned(bounds, turn), view.bounds)
    if box is None:
        return []
    west, south, east, north = box
    to_mercator = Transformer.from_crs("EPSG:4326", _WEB_MERCATOR, always_xy=True)
    (left, right), (bottom, top) = to_mercator.transform([west, east], [south, north])
    if right <= left:  # beyond the 180th meridian
        right += 2 * math.pi * 6378137
    step_m = own.gsd_m() / math.cos(math.radians((south + north) / 2))
    return [_grid(_WEB_MERCATOR, (left, bottom, right, top), step_m)]


def _turned(bounds: Bounds, turn: float) -> Bounds:
    return bounds[0] + turn, bounds[1], bounds[2] + turn, bounds[3]


def _common(a: Bounds, b: Bounds) -> Bounds | None:
    """Return what two boxes share, None where that has no area."""
    west, south, east, north = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    return (west, south, east, north) if west < east and south < north else None


def _grid(crs: CRS, bounds: Bounds, step: float) -> GeoGrid:
    """Return a grid of at most :data:`MAX_SIDE_PX` pixels a side, of pixels of a step or larger."""
    left, bottom, right, top = bounds
    step = max(step, (right - left) / MAX_SIDE_PX, (top - bottom) / MAX_SIDE_PX)
    width, height = max(1, math.ceil((right - left) / step)), max(1, math.ceil((top - bottom) / step))
    return GeoGrid.from_bounds(crs, bounds, ((right - left) / width, (top - bottom) / height))
