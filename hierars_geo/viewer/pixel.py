"""What a map says at one place: the whole path with its confidences."""

import math
from dataclasses import dataclass

import numpy as np
from pyproj import Transformer

from ..grid import Window
from ..grid.longitudes import on_turn
from ..maps import CONFIDENCE_NODATA
from .views import View


@dataclass(frozen=True)
class PixelLevel:
    """One level of a pixel's path.

    Attributes:
        level: From 1.
        index: Class index there.
        confidence: Per cent, None where there is no raster of it.
    """

    level: int
    index: int
    confidence: int | None


def query_pixel(view: View, lon: float, lat: float) -> list[PixelLevel]:
    """Read the classes of all levels at a place, at full resolution.

    Args:
        view: The maps.
        lon: Degrees east.
        lat: Degrees north.

    Returns:
        Coarsest level first; empty where there is no class.

    Raises:
        RasterError: A raster is damaged.
        TaxonomyError: A value is no class of its level.
        DataError: Levels contradict each other.
    """
    scene = view.scene
    x, y = Transformer.from_crs("EPSG:4326", scene.grid.crs, always_xy=True).transform(lon, lat)
    if not (math.isfinite(x) and math.isfinite(y)):
        return []
    (x,) = on_turn(np.array([x]), scene.grid)
    col, row = (math.floor(value) for value in ~scene.grid.transform @ (x, y))
    if not (0 <= row < scene.grid.height and 0 <= col < scene.grid.width):
        return []
    window = Window(row, col, 1, 1)
    with scene.open() as maps:
        symbol = int(maps.read(window)[0, 0])
        if symbol == maps.decoder.nodata:
            return []
        sure = {level: int(maps.read_confidence(level, window)[0, 0]) for level in maps.confidence_levels}
        known = {level: value for level, value in sure.items() if value != CONFIDENCE_NODATA}
        return [
            PixelLevel(level, index, known.get(level))
            for level, index in enumerate(maps.chains[symbol].tolist(), start=1)
        ]


__all__ = ("PixelLevel", "query_pixel")
