"""Tiles: what an address may ask for, painted once and kept.

Classes are painted in the colours of the tree, confidence by a ramp, the image in true colour; PNG.
"""

import os
from collections.abc import Sequence
from functools import lru_cache
from threading import BoundedSemaphore

import numpy as np
from matplotlib import colormaps
from morecantile import Tile
from numpy.typing import NDArray

from ..errors import MissingFileError
from ..maps.outside import STRIPE, STRIPE_COLOR, hatched
from ..report.png import index_png, rgb_png
from ..taxonomy import RGB
from ..types import IGNORE_INDEX
from .reading import TILE_PX, read_tile
from .scene_pixels import UNSURE, ScenePixels, Selection
from .views import View

#: The ramp of the report and of the QGIS style of confidence rasters: dark is unsure, light is sure.
_RAMP = "viridis"
_PER_CENT = 100
_NOTHING = -1
EMPTY_PNG = index_png(np.full((TILE_PX, TILE_PX), _NOTHING), {})


def _painted(pixels: ScenePixels, codes: NDArray[np.int64] | None, colors: dict[int, RGB]) -> bytes:
    """Paint codes, with stripes over what lies outside the area of applicability."""
    if codes is None:
        return EMPTY_PNG
    if (outside := pixels.outside()) is not None:
        # a side of a tile is a multiple of the distance of the stripes: they go on in the next one
        codes = np.where(hatched(outside) & (codes != IGNORE_INDEX), STRIPE, codes)
    return index_png(codes, colors | {STRIPE: STRIPE_COLOR}, small=False)


def ramp_colors() -> dict[int, RGB]:
    """Colour of every confidence, 0..100 per cent."""
    ramp = colormaps[_RAMP](np.linspace(0, 1, _PER_CENT + 1), bytes=True)[:, :3]
    return {value: (color[0], color[1], color[2]) for value, color in enumerate(ramp.tolist())}


#: Tiles kept: about ten screens of every layer, some 20 MB of maps, at worst 200 MB of image.
_KEPT_TILES = 512


class TileServer:
    """Paint tiles of the views made at the start."""

    def __init__(self, views: Sequence[View]) -> None:
        self._layers = {view.number: view_layers(view) for view in views}
        self._views = {view.number: view for view in views}
        self.paint = lru_cache(maxsize=_KEPT_TILES)(self._paint)
        # more painters than cores only take memory, and the time that connections need to be answered in
        self._painters = BoundedSemaphore(max(2, os.cpu_count() or 1))

    def _paint(
        self,
        number: int,
        version: str,
        layer: str,
        tile: Tile,
        threshold: int = 0,
        selection: Selection | None = None,
    ) -> bytes:
        """Paint a tile, or take it from those kept.

        Args:
            number: Of the view.
            version: Of its files: tiles of other files are not those kept.
            layer: ``L1``, ``conf_L1``, ``adaptive`` as it was written, ``depth`` (each pixel at the finest
                level whose confidence reaches the threshold), or ``image``.
            tile: The tile.
            threshold: Of adaptive depth, per cent.
            selection: Show only this class, its parents and its children.

        Raises:
            MissingFileError: There is no such view or layer.
            RasterError: A raster is damaged.
            TaxonomyError: A value is no class of its level, or none that an adaptive map of the tree holds.
        """
        kind = self._layers.get(number, {}).get(layer)
        if kind is None:
            raise MissingFileError(f"Expected a layer of view {number}, but got '{layer[:40]}'.")
        view = self._views[number]
        name, level = kind
        with self._painters:
            if name == "image":
                picture = None if view.backdrop is None else view.backdrop.tile(tile)
                return EMPTY_PNG if picture is None else rgb_png(*picture, small=False)
            if name == "confidence":
                values = read_tile(view.scene.confidence[level], tile)
                if values is None:
                    return EMPTY_PNG
                sure = np.ma.filled(np.ma.asarray(values, dtype=np.int64), _NOTHING)
                return index_png(sure, ramp_colors(), small=False)
            pixels = ScenePixels(view.scene, lambda path, band: read_tile(path, tile, band), selection)
            if name == "class":
                tree = view.scene.taxonomy
                colors = [color for shown in view.scene.levels for color in tree.colors(shown)]
                return _painted(pixels, pixels.of_level(level), dict(enumerate(colors)))
            codes = pixels.of_adaptive() if name == "adaptive" else pixels.of_depth(threshold)
            return _painted(pixels, codes, dict(enumerate(view.adaptive_colors, start=UNSURE)))


def view_layers(view: View) -> dict[str, tuple[str, int]]:
    """Name in addresses -> what is painted there, and of which level."""
    layers = {f"L{level}": ("class", level) for level in view.scene.levels}
    layers |= {f"conf_L{level}": ("confidence", level) for level in view.scene.confidence}
    if view.scene.adaptive is not None:
        layers["adaptive"] = ("adaptive", 0)
    if view.has_depth:
        layers["depth"] = ("depth", 0)
    if view.backdrop is not None:
        layers["image"] = ("image", 0)
    return layers
