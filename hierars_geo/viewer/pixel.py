"""What a map says at one place: the whole path with its confidences."""

import math
from dataclasses import dataclass
from pathlib import Path

from pyproj import Transformer

from ..grid import Window
from ..maps.classmap import open_class_map
from ..types import IGNORE_INDEX
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
    """
    scene = view.scene
    x, y = Transformer.from_crs("EPSG:4326", scene.grid.crs, always_xy=True).transform(lon, lat)
    if not (math.isfinite(x) and math.isfinite(y)):
        return []
    col, row = (math.floor(value) for value in ~scene.grid.transform @ (x, y))
    if not (0 <= row < scene.grid.height and 0 <= col < scene.grid.width):
        return []
    window = Window(row, col, 1, 1)
    path = []
    for level, raster in scene.maps.items():
        value = _value(raster, window)
        index = IGNORE_INDEX if value is None else scene.taxonomy.value_to_index(value, level, raster.name)
        if index == IGNORE_INDEX:
            return []
        confidence = scene.confidence.get(level)
        path.append(PixelLevel(level, index, None if confidence is None else _value(confidence, window)))
    return path


def _value(path: Path, window: Window) -> int | None:
    """Value of the first pixel of a window, None where it is nodata."""
    with open_class_map(path) as reader:
        value = int(reader.read(window)[0, 0])
        return None if value == reader.nodata else value


__all__ = ("PixelLevel", "query_pixel")
