"""RegionReader: the part of a scene inside a box or polygons."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from ..errors import OptionError
from ..grid import GeoGrid, Window
from ..grid.longitudes import turn_of
from ..grid.reprojection import move_polygons
from ..polygons.moved_polygons import read_polygons
from ..scenes.scene import SceneReader
from .accumulator import Block
from .regions import Regions


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
        shapes = read_polygons(region, scene.grid).geometry.to_numpy()
        outline: BaseGeometry = shapely.box(*shapely.total_bounds(shapes))
        polygons: Regions | None = Regions(["region"] * len(shapes), shapes)
        text = shapely.to_wkb(shapely.union_all(shapes), hex=True)
    else:
        outline, text = (
            _moved_box(box, crs or "EPSG:4326", scene.grid, region),
            f"{region} {crs or 'EPSG:4326'}",
        )
        apart = outline.geom_type == "MultiPolygon"  # at both ends of a map of the world
        polygons = Regions(["region"], np.array([outline], dtype=object)) if apart else None
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
    if not (left != right and bottom < top and all(map(math.isfinite, (left, bottom, right, top)))):
        raise OptionError(f"Expected region LEFT,BOTTOM,RIGHT,TOP with an area, but got '{region}'.")
    return left, bottom, right, top


def _moved_box(box: tuple[float, float, float, float], crs: str, grid: GeoGrid, region: str) -> BaseGeometry:
    """Move a box onto a grid, its edges as the curves that they are."""
    left, bottom, right, top = box
    try:
        source = CRS.from_user_input(crs)
    except CRSError as error:
        raise OptionError(f"Expected --region-crs to be a CRS, but got '{crs}'.") from error
    if right <= left:
        turn = turn_of(source)
        if turn is None or not right < 0 < left:  # across the 180th meridian, as GeoJSON writes it
            raise OptionError(f"Expected region LEFT,BOTTOM,RIGHT,TOP with an area, but got '{region}'.")
        right += turn
    drawn = np.array([shapely.box(left, bottom, right, top)], dtype=object)
    moved: BaseGeometry = move_polygons(drawn, source, grid.crs, 0.1 * min(grid.res), grid.bounds)[0]
    if moved.is_empty:
        raise OptionError(f"Expected region {region} in {crs} to lie where {grid.crs.name} is defined.")
    return moved


def _window_of(outline: BaseGeometry, grid: GeoGrid) -> Window:
    """Return the pixels that an outline's bounds touch; it may reach beyond the grid."""
    pixels = [~grid.transform @ point for point in shapely.get_coordinates(outline).tolist()]
    left, right = min(col for col, _ in pixels), max(col for col, _ in pixels)
    top, bottom = min(row for _, row in pixels), max(row for _, row in pixels)
    # a thousandth of a pixel is rounding, and no wish for one pixel more
    first_row, first_col = math.floor(top + 1e-3), math.floor(left + 1e-3)
    height = max(math.ceil(bottom - 1e-3) - first_row, 1)
    return Window(first_row, first_col, height, max(math.ceil(right - 1e-3) - first_col, 1))


__all__ = ("RegionReader", "block_inside", "cut_to_region")
