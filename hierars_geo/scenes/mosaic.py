"""Mosaic: many rasters of neighbouring places, of several CRSs and resolutions, read as one scene."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import shapely
from numpy.typing import NDArray

from ..errors import RasterError
from ..grid import GeoGrid, Window
from ..grid.lattice import place
from ..grid.reprojection import outline, same_crs
from ..output import gdal_env
from ..types import ReadRecipe
from .left_out import LeftOut
from .patch import Patch, first_valid
from .radiometry import median_and_spread
from .raster_file import RasterFile
from .scene import Scene
from .scene_layers import finest_grid, standardized

#: Most tiles whose values stand for all.
_GLIMPSED_TILES = 9
#: Windows along each side of such a tile that say how a mosaic is standardised.
_STANDARD_WINDOWS = 4
#: A mosaic with more pixels than its tiles have by this factor is mostly empty.
_MOSTLY_EMPTY = 20


class Mosaic(Scene):
    """Scenes with the same bands side by side; where they overlap the first one that holds data counts.

    Of many tiles only those read last are kept open. Made by :meth:`of_tiles`, which lays each into a window
    of the mosaic's grid; see :class:`.Scene` for what it is and can.
    """

    def __init__(
        self,
        tiles: Sequence[Scene],
        windows: Sequence[Window],
        grid: GeoGrid,
        name: str,
        notes: Sequence[str],
    ) -> None:
        first = tiles[0]
        layers = [layer for tile in tiles for layer in tile.layers]
        super().__init__(layers, first.bands, name, first.rule, first.resampling)
        self.acquired = first.acquired
        self.masks = tuple(mask for tile in tiles for mask in tile.masks)
        self.grid = grid
        self.notes = tuple(notes)
        self._tiles = tuple(tiles)
        self._lay(windows)

    @classmethod
    def of_tiles(
        cls,
        paths: Sequence[str | os.PathLike[str]],
        recipe: ReadRecipe | None = None,
    ) -> "Mosaic":
        """Open many rasters as one scene.

        The scene has the pixels of the finest tile (the first of equals) and covers them all. Tiles on these
        pixels are read as they are, others are resampled; what no tile covers is without data. Tiles in
        degrees on both sides of the 180th meridian lie side by side, at longitudes beyond 180.

        Args:
            paths: What :meth:`.Scene.open` opens, each one tile.
            recipe: How tiles are read; None for all bands, which have to be the same in every tile.

        Raises:
            MissingFileError: There is no such file.
            RasterError: A tile cannot be read, lacks a band, or lies where the finest one's CRS is not
                defined.
        """
        if not paths:
            raise RasterError("Expected at least one raster, but got an empty list. Name the tiles.")
        recipe = recipe or ReadRecipe(())
        tiles = [Scene.from_recipe(path, replace(recipe, standardize=False)) for path in paths]
        mosaic = cls.of_scenes(tiles)
        if recipe.standardize:
            mosaic.standardize()
        return mosaic

    @classmethod
    def of_scenes(cls, tiles: Sequence[Scene], name: str | None = None) -> Self:
        """Lay scenes side by side, see :meth:`of_tiles`."""
        for tile in tiles:
            if tile.bands != tiles[0].bands:
                raise RasterError(
                    f"Expected tiles with the bands {', '.join(tiles[0].bands)}, but got "
                    f"{', '.join(tile.bands)} (in {tile.path}). Take tiles of one sensor."
                )
        anchor = finest_grid([tile.grid for tile in tiles])
        tiles = [_unwrapped(tile, anchor) for tile in tiles]
        windows = [_window_in(tile.grid, anchor) for tile in tiles]
        top, left = min(w.row for w in windows), min(w.col for w in windows)
        bottom, right = max(w.row_stop for w in windows), max(w.col_stop for w in windows)
        grid = anchor.crop(Window(top, left, bottom - top, right - left))
        notes = _notes(tiles, windows, grid)
        windows = [window.shifted(-top, -left) for window in windows]
        return cls(tiles, windows, grid, name or Path(tiles[0].files[0]).resolve().parent.name, notes)

    def _lay(self, windows: Sequence[Window]) -> None:
        """Say where each tile lies in the grid."""
        self._windows = tuple(windows)
        self._spans = np.array([(w.row, w.col, w.row_stop, w.col_stop) for w in windows], dtype=np.int64)

    def onto(self, grid: GeoGrid) -> None:
        """Read on the pixels of another grid from now on."""
        self.grid = grid
        self._tiles = tuple(_unwrapped(tile, grid) for tile in self._tiles)
        self._lay([_window_in(tile.grid, grid) for tile in self._tiles])

    def standardize(self) -> None:
        """Read all tiles by the median and spread of the mosaic, so that no tile stands out; see Scene."""
        found = [median_and_spread(values) for values in self.values(_STANDARD_WINDOWS, False)]
        for tile in self._tiles:
            tile.layers = standardized(tile.layers, found)
        self.layers = tuple(layer for tile in self._tiles for layer in tile.layers)

    def values(self, per_side: int = 3, from_overview: bool = True) -> tuple[NDArray[np.float32], ...]:
        """Read values of a few tiles, see :meth:`.Scene.values`."""
        step = -(-len(self._tiles) // _GLIMPSED_TILES)
        with gdal_env():
            found = [tile.values_by(self._reader, per_side, from_overview) for tile in self._tiles[::step]]
        return tuple(np.concatenate(channels) for channels in zip(*found, strict=True))

    def _resampling_notes(self) -> tuple[str, ...]:
        return ()

    def _read(self, target: GeoGrid, window: Window) -> Patch:
        if target is not self.grid:
            tiles = (tile.read_by(self._reader, target, window) for tile in self._tiles)
            return first_valid(tiles) or Patch.empty(len(self.bands), window, "float32")
        return self._laid(self._touching(window), window)

    def _laid(self, tiles: Sequence[int], window: Window) -> Patch:
        """Read a window of some of the tiles, by their numbers; the first that holds data counts."""
        whole = Patch.empty(len(self.bands), window, "float32")
        for number in tiles:
            common = self._windows[number].intersection(window)
            if common is None:
                continue
            rows, cols = common.shifted(-window.row, -window.col).slices()
            if whole.valid[rows, cols].all():
                continue
            part = self._tiles[number].read_by(self._reader, self.grid, common)
            new = part.valid & ~whole.valid[rows, cols]
            whole.data[:, rows, cols][:, new] = part.data[:, new]
            whole.valid[rows, cols] |= new
        return whole

    def _touching(self, window: Window) -> list[int]:
        """Numbers of the tiles that touch a window, in their order."""
        top, left, bottom, right = self._spans.T
        hit = (
            (top < window.row_stop) & (bottom > window.row) & (left < window.col_stop) & (right > window.col)
        )
        numbers: list[int] = np.flatnonzero(hit).tolist()
        return numbers


def _unwrapped(tile: Scene, anchor: GeoGrid) -> Scene:
    """Move a tile in degrees by whole turns, so that it lies on the anchor's side of the 180th meridian."""
    if not (anchor.crs.is_geographic and tile.grid.crs.is_geographic):
        return tile
    middle = [(grid.bounds[0] + grid.bounds[2]) / 2 for grid in (anchor, tile.grid)]
    turns = round((middle[0] - middle[1]) / 360)
    if not turns:
        return tile

    def moved(file: RasterFile) -> RasterFile:
        return replace(file, grid=file.grid.moved(360 * turns, 0))

    layers = [replace(layer, file=moved(layer.file)) for layer in tile.layers]
    scene = Scene(layers, tile.bands, tile.name, tile.rule, tile.resampling)
    scene.acquired = tile.acquired
    scene.masks = tuple(
        LeftOut(mask.path, moved(tile.layers[0].file).grid)
        if isinstance(mask, LeftOut)
        else replace(mask, layer=replace(mask.layer, file=moved(mask.layer.file)))
        for mask in tile.masks
    )
    return scene


def _window_in(own: GeoGrid, anchor: GeoGrid) -> Window:
    """Find the pixels of the anchor's grid that a tile covers."""
    placement = place(own, anchor)
    shift = None if placement is None else placement.shift
    if placement is not None and shift is not None:
        return Window(-shift[0], -shift[1], *own.shape)
    polygon = outline(own, anchor.crs)
    coordinates = shapely.get_coordinates(polygon)
    if not len(coordinates) or not np.isfinite(coordinates).all():
        raise RasterError(
            f"Expected a tile that can be placed in {anchor.crs.name}, but its outline {own.bounds} in "
            f"{own.crs.name} is not defined there. Take it out of the mosaic."
        )
    if anchor.crs.is_geographic and not same_crs(own.crs, anchor.crs):
        middle = (anchor.bounds[0] + anchor.bounds[2]) / 2
        coordinates[:, 0] += 360 * np.round((middle - coordinates[:, 0]) / 360)
    return anchor.window_around([(float(x), float(y)) for x, y in coordinates])


def _notes(tiles: Sequence[Scene], windows: Sequence[Window], grid: GeoGrid) -> list[str]:
    notes = list(dict.fromkeys(note for tile in tiles for note in tile.notes))
    placements = [place(tile.grid, grid) for tile in tiles]
    resampled = sum(placement is None or placement.shift is None for placement in placements)
    if resampled:
        notes.append(
            f"{resampled} of {len(tiles)} tiles have other pixels than the rest and are resampled "
            f"to {grid.gsd_m():.4g} m."
        )
    covered = sum(window.height * window.width for window in windows)
    if grid.height * grid.width > _MOSTLY_EMPTY * covered:
        notes.append(
            f"the mosaic has {grid.height} x {grid.width} px, of which its tiles cover "
            f"{covered / (grid.height * grid.width):.2%}: check that they are of one place."
        )
    return notes
