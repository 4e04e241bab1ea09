"""Strips: decoded blocks put side by side to whole rows of a chunk, as they are stored."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..grid import Window

#: Most rows of a strip: what is made of one when it is compressed or read back stays small.
_MOST_ROWS = 64


@dataclass(frozen=True)
class Strip:
    """Finished rows of a chunk.

    Attributes:
        start: First row, of the raster.
        layers: By name of the layer, (h, w) or (bands, h, w) values as stored; w is the chunk's width.
        any_data: Whether a pixel of the rows finished together with these holds data.
    """

    start: int
    layers: dict[str, NDArray[np.generic]]
    any_data: bool


@dataclass(frozen=True)
class DecodedBlock:
    """A block of layers.

    Attributes:
        window: Where it lies.
        layers: By name of the layer, (h, w) or (bands, h, w) values as stored.
        any_data: Whether a pixel of it holds data.
    """

    window: Window
    layers: dict[str, NDArray[np.generic]]
    any_data: bool


def strips_of(blocks: Iterable[DecodedBlock], columns: Window) -> Iterator[Strip]:
    """Join blocks to rows.

    Args:
        blocks: Row by row of equal height, each from left to right without gaps.
        columns: Its columns are those of the strips.

    Yields:
        Strips from top to bottom, in order.
    """
    held: dict[str, NDArray[np.generic]] = {}
    any_data = False
    for block in blocks:
        if block.window.col == columns.col:
            any_data = False
            held = {
                name: np.empty((*array.shape[:-1], columns.width), array.dtype)
                for name, array in block.layers.items()
            }
        any_data = any_data or block.any_data
        left = block.window.col - columns.col
        for name, array in block.layers.items():
            held[name][..., left : left + block.window.width] = array
        if block.window.col_stop == columns.col_stop:
            for start in range(0, block.window.height, _MOST_ROWS):
                rows = {name: array[..., start : start + _MOST_ROWS, :] for name, array in held.items()}
                yield Strip(block.window.row + start, rows, any_data)


__all__ = ("DecodedBlock", "Strip", "strips_of")
