"""RegionReader: the part of a scene inside a box or polygons."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from ..errors import OptionError
from ..grid import GeoGrid, Window
from ..polygons.moved_polygons import read_polygons
from ..scenes.scene import SceneReader
from .accumulator import Block
from .regions import Regions

_EDGE_POINTS = 21


class RegionReader(SceneReader):
    """A scene cut to a region: its grid is the region's window of the scene's pixels.

    Windows that touch the region are read whole, so that the model sees what lies around it; ``wanted`` says
    which pixels are inside. See :class:`.SceneReader` for the rest.

    Args:
        scene: The scene; it is closed with this reader.
        window: The region's, inside the scene.
        polygons: Polygons in the scene's CRS; None for the whole window.
        region: What was asked for, as plain text.
    """

    def __init__(self, scene: SceneReader, window: Window, polygons: Regions | None, region: str) -> None:
        grid = scene.grid.crop(window)
        super().__init__(scene.name, grid, scene.bands, (), scene.dtype, scene.acquired, scene.notes)
        self.paths = scene.paths
        self.region = region
        self._scene = scene
        self._window = window
        self._polygons = polygons

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read a window; one that does not touch the region holds no data."""
        mask = self.wanted(window)
        if mask is not None and not mask.any():
            shape = window.height, window.width
            return np.zeros((len(self.bands), *shape), np.float32), np.zeros(shape, np.bool_)
        return self._scene.read(window.shifted(self._window.row, self._window.col))

    def wanted(self, window: Window) -> NDArray[np.bool_] | None:
        """Return the pixels (h, w) of a window whose centres lie in the region, None for all."""
        if self._polygons is None:
            return None
        for _, mask in self._polygons.masks(self.grid, window):
            return mask  # of one name, hence drawn together
        return np.zeros((window.height, window.width), np.bool_)

    def close(self) -> None:
        """Close every file; reading afterwards is an error."""
        self._scene.close()
        super().close()


def cut_to_region(scene: SceneReader, region: str, crs: str | None = None) -> RegionReader:
    """Cut a scene to a region.

    Args:
        scene: The scene.
        region: ``LEFT,BOTTOM,RIGHT,TOP``, or the path of a polygon layer with a CRS of its own.
        crs: Of a box, in any form that PROJ knows; None for longitude and latitude.

    Returns:
        The part of the scene whose pixels the region's bounds touch.

    Raises:
        OptionError: The box is none, or the region lies outside of the scene.
        HieraRSError: The polygon layer cannot be read.
    """
    box = _numbers(region)
    if box is None:
        shapes = read_polygons(region, scene.grid.crs).geometry.to_numpy()
        outline = shapely.box(*shapely.total_bounds(shapes))
        polygons = Regions(["region"] * len(shapes), shapes)
        text = shapely.to_wkb(shapely.union_all(shapes), hex=True)
    else:
        polygons, text = None, f"{region} {crs or 'EPSG:4326'}"
        outline = _moved_box(box, crs or "EPSG:4326", scene.grid.crs, region)
    window = _window_of(outline, scene.grid)
    inside = window.intersection(Window(0, 0, *scene.grid.shape))
    if inside is None:
        raise OptionError(
            f"Expected region {region} to touch {scene.name}, but it lies outside: the scene covers "
            f"{tuple(round(value, 6) for value in scene.grid.bounds)} in {scene.grid.crs.name}. "
            "Check the order of the numbers (left,bottom,right,top) and --region-crs."
        )
    return RegionReader(scene, inside, polygons, text)


def block_inside(scene: SceneReader, block: Block) -> Block:
    """Make what a scene does not ask for a pixel without data.

    Args:
        scene: Cut to a region, or whole.
        block: Finished.
    """
    wanted = scene.wanted(block.window)
    if wanted is None:
        return block
    return replace(block, valid=block.valid & torch.from_numpy(wanted).to(block.valid.device))


def _numbers(region: str) -> tuple[float, float, float, float] | None:
    """Read a box, None where the text is a path."""
    parts = region.replace(",", " ").split()
    try:
        left, bottom, right, top = (float(part) for part in parts)
    except ValueError:
        if Path(region).suffix == "":
            raise OptionError(
                f"Expected region to be LEFT,BOTTOM,RIGHT,TOP or a polygon file, but got '{region}'."
            ) from None
        return None
    if not (left < right and bottom < top and all(map(math.isfinite, (left, bottom, right, top)))):
        raise OptionError(f"Expected region LEFT,BOTTOM,RIGHT,TOP with an area, but got '{region}'.")
    return left, bottom, right, top


def _moved_box(box: tuple[float, float, float, float], crs: str, onto: CRS, region: str) -> shapely.Polygon:
    """Move a box into another CRS, its edges followed by intermediate points."""
    outline = shapely.box(*box)
    points = outline.segmentize(max(box[2] - box[0], box[3] - box[1]) / _EDGE_POINTS).exterior.coords
    try:
        move = Transformer.from_crs(crs, onto, always_xy=True)
        xs, ys = move.transform([x for x, _ in points], [y for _, y in points], errcheck=True)
    except ProjError as error:
        reason = " ".join(str(error).split())
        raise OptionError(
            f"Expected region {region} in {crs} to lie where {onto.name} is defined, but {reason}."
        ) from error
    return shapely.Polygon(zip(xs, ys, strict=True))


def _window_of(outline: shapely.Polygon, grid: GeoGrid) -> Window:
    """Return the pixels that an outline's bounds touch; it may reach beyond the grid."""
    pixels = [~grid.transform @ point for point in outline.exterior.coords]
    left, right = min(col for col, _ in pixels), max(col for col, _ in pixels)
    top, bottom = min(row for _, row in pixels), max(row for _, row in pixels)
    # a thousandth of a pixel is rounding, and no wish for one pixel more
    first_row, first_col = math.floor(top + 1e-3), math.floor(left + 1e-3)
    height = max(math.ceil(bottom - 1e-3) - first_row, 1)
    return Window(first_row, first_col, height, max(math.ceil(right - 1e-3) - first_col, 1))


__all__ = ("RegionReader", "block_inside", "cut_to_region")
