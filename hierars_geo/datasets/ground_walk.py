"""Walk over the ground of a data set: every pixel once, window by window."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from rich.console import Console
from rich.progress import track
from torchgeo.datasets import GeoDataset

from ..errors import OptionError
from ..grid import Window
from .ground import Regions, find_ground, lattice_of


@dataclass(frozen=True)
class Stop:
    """A window of a walk.

    Attributes:
        window: Pixels of the data set's lattice.
        time: Dates, as TorchGeo's queries take them.
        sample: What the data set holds there.
    """

    window: Window
    time: slice
    sample: dict[str, Any]


class GroundWalk:
    """Windows that hold every pixel of the ground once.

    Args:
        dataset: What to read.
        regions: Ground to be confined to; default: all of it.
        window_px: Side of a window.
        max_windows: Read at most this many windows, evenly spread; None for all.

    Attributes:
        windows_in_all: Windows there are, read or not.

    Raises:
        OptionError: A number is not positive.
        DataError: There is no ground.
    """

    def __init__(
        self,
        dataset: GeoDataset,
        regions: Regions | None = None,
        window_px: int = 512,
        max_windows: int | None = None,
    ) -> None:
        if window_px < 1 or (max_windows is not None and max_windows < 1):
            raise OptionError(
                f"Expected window_px >= 1 and max_windows >= 1, but got {window_px} and {max_windows}."
            )
        self.dataset = dataset
        self.lattice = lattice_of(dataset)
        tiles = [
            (tile, part.time)
            for part in find_ground(dataset, self.lattice, regions)
            for rectangle in (part.pixels.rectangles() if part.pixels.exact else [part.pixels.around])
            for tile in tiles_of(rectangle, window_px)
            if part.pixels.exact or shapely.intersects(part.polygon, shapely.box(*self.lattice.bounds(tile)))
        ]
        self.windows_in_all = len(tiles)
        if max_windows is not None and len(tiles) > max_windows:
            chosen = np.linspace(0, len(tiles) - 1, max_windows).round().astype(int)
            tiles = [tiles[i] for i in chosen]
        self._tiles = tiles

    def __len__(self) -> int:
        return len(self._tiles)

    def stops(self, description: str | None = None) -> Iterator[Stop]:
        """Read one window after the other.

        Args:
            description: Shows a progress bar of that name where stderr is a terminal; None for no bar.
        """
        console = Console(stderr=True)
        shown = description is not None and console.is_terminal
        for tile, time in track(
            self._tiles, description or "", console=console, transient=True, disable=not shown
        ):
            left, bottom, right, top = self.lattice.bounds(tile)
            yield Stop(tile, time, self.dataset[left:right, bottom:top, time])


def tiles_of(rectangle: Window, side: int) -> Iterator[Window]:
    """Cut a rectangle into tiles that do not overlap; those at its lower and right end are smaller."""
    for row in range(rectangle.row, rectangle.row_stop, side):
        for col in range(rectangle.col, rectangle.col_stop, side):
            yield Window(row, col, min(side, rectangle.row_stop - row), min(side, rectangle.col_stop - col))


__all__ = ("GroundWalk", "Stop", "tiles_of")
