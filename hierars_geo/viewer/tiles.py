"""Tiles by name and number: what an address may ask for, painted once and kept."""

import os
from collections.abc import Sequence
from functools import lru_cache
from threading import BoundedSemaphore

from ..errors import MissingFileError
from .painting import class_tile, confidence_tile, depth_tile, image_tile
from .reading import TileAddress
from .selection import Selection
from .views import View

#: Tiles kept: about ten screens of every layer, some 20 MB of maps, at worst 200 MB of image.
_KEPT_TILES = 512


class TileServer:
    """Paint tiles of the views made at the start.

    Args:
        views: What there is.
    """

    def __init__(self, views: Sequence[View]) -> None:
        self._layers = {view.number: _layers(view) for view in views}
        self._views = {view.number: view for view in views}
        self.paint = lru_cache(maxsize=_KEPT_TILES)(self._paint)
        # more painters than cores only take memory, and the time that connections need to be answered in
        self._painters = BoundedSemaphore(max(2, os.cpu_count() or 1))

    def _paint(
        self,
        number: int,
        version: str,
        layer: str,
        address: TileAddress,
        threshold: int = 0,
        selection: Selection | None = None,
    ) -> bytes:
        """Paint a tile, or take it from those kept.

        Args:
            number: Of the view.
            version: Of its files: tiles of other files are not those kept.
            layer: ``L1``, ``conf_L1``, ``depth`` or ``image``.
            address: The tile.
            threshold: Of adaptive depth, per cent.
            selection: Show only this class, its parents and its children.

        Returns:
            PNG.

        Raises:
            MissingFileError: There is no such view or layer.
            RasterError: A raster is damaged.
            TaxonomyError: A value is no class of its level.
        """
        kind = self._layers.get(number, {}).get(layer)
        if kind is None:
            raise MissingFileError(f"Expected a layer of view {number}, but got '{layer[:40]}'.")
        view = self._views[number]
        name, level = kind
        with self._painters:
            if name == "class":
                return class_tile(view, level, address, selection)
            if name == "confidence":
                return confidence_tile(view, level, address)
            if name == "depth":
                return depth_tile(view, threshold, address, selection)
            return image_tile(view, address)


def _layers(view: View) -> dict[str, tuple[str, int]]:
    """Name in addresses -> what is painted, and of which level."""
    layers = {f"L{level}": ("class", level) for level in view.scene.levels}
    layers |= {f"conf_L{level}": ("confidence", level) for level in view.scene.confidence}
    if view.has_depth:
        layers["depth"] = ("depth", 0)
    if view.backdrop is not None:
        layers["image"] = ("image", 0)
    return layers


__all__ = ("TileServer",)
