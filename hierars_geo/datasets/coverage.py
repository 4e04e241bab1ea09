"""What a data set covers: its connected parts, and every pixel of them once, window by window."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from rich.console import Console
from rich.progress import track
from shapely.geometry.base import BaseGeometry
from torchgeo.datasets import GeoDataset

from ..errors import DataError, OptionError
from ..grid import Window
from ..grid.lattice import Lattice
from ..grid.pixel_ground import PixelGround
from ..types import Bounds

#: A region: polygons, or (left, bottom, right, top) boxes, in the CRS of the data set.
Regions = BaseGeometry | Sequence[Bounds]


@dataclass(frozen=True)
class CoveredPart:
    """A connected piece of ground with one date.

    Attributes:
        polygon: Its outline in the CRS of the data set.
        pixels: Its pixels.
        time: First and last moment, as TorchGeo's queries take it.
    """

    polygon: BaseGeometry
    pixels: PixelGround
    time: slice


def lattice_of(dataset: GeoDataset) -> Lattice:
    """Return the lattice of a data set; of one that is not ours, the one at its upper-left corner."""
    lattice = getattr(dataset, "lattice", None)
    if isinstance(lattice, Lattice):
        return lattice
    x, y, _ = dataset.bounds
    return Lattice(dataset.crs, dataset.res, (float(x.start), float(y.stop)))


def centre_gsd_m(dataset: GeoDataset) -> float:
    """Return the ground sampling distance in metres at the centre of a data set."""
    x, y, _ = dataset.bounds
    lattice = lattice_of(dataset)
    centre = lattice.window((float(x.start), float(y.start), float(x.stop), float(y.stop)))
    pixel = Window(centre.row + centre.height // 2, centre.col + centre.width // 2, 1, 1)
    return lattice.crop(pixel).gsd_m()


def covered_parts(dataset: GeoDataset, lattice: Lattice, regions: Regions | None = None) -> list[CoveredPart]:
    """Find what a data set covers: its pieces, sorted by date, from north to south.

    Scenes of one date that touch or overlap make one piece, so that no ground is met twice and chips may lie
    across scenes. Dates are kept apart.

    Raises:
        DataError: Nothing is left.
    """
    region = None if regions is None else as_geometry(regions)
    pixel_area = lattice.res[0] * lattice.res[1]
    by_date: dict[pd.Interval, list[BaseGeometry]] = {}
    for interval, polygon in zip(dataset.index.index, dataset.index.geometry, strict=True):
        by_date.setdefault(interval, []).append(polygon)
    parts = []
    for interval, rows in by_date.items():
        ground = shapely.union_all(rows, grid_size=min(lattice.res) * 1e-3)
        if region is not None:
            ground = shapely.intersection(ground, region)
        for polygon in shapely.get_parts(ground):
            if polygon.geom_type != "Polygon" or polygon.area < pixel_area / 2:
                continue
            pixels = PixelGround.of_polygon(polygon, lattice)
            if pixels is not None:
                parts.append(CoveredPart(polygon, pixels, slice(interval.left, interval.right)))
    if not parts:
        raise DataError(
            f"Expected ground to sample from, but got none of {type(dataset).__name__} in the region "
            f"{None if region is None else region.bounds}. Check the regions and the size of split blocks."
        )
    return sorted(parts, key=lambda part: (part.time.start, part.pixels.extent))


def as_geometry(regions: Regions) -> BaseGeometry:
    """Return polygons of a region given either way."""
    if isinstance(regions, BaseGeometry):
        return regions
    return shapely.union_all([shapely.box(*bounds) for bounds in regions])


class WindowWalk:
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
            for part in covered_parts(dataset, self.lattice, regions)
            for rectangle in (part.pixels.rectangles() if part.pixels.exact else [part.pixels.around])
            for tile in rectangle.tiles(window_px, window_px)
            if part.pixels.exact or shapely.intersects(part.polygon, shapely.box(*self.lattice.bounds(tile)))
        ]
        self.windows_in_all = len(tiles)
        if max_windows is not None and len(tiles) > max_windows:
            chosen = np.linspace(0, len(tiles) - 1, max_windows).round().astype(int)
            tiles = [tiles[i] for i in chosen]
        self._tiles = tiles

    def __len__(self) -> int:
        return len(self._tiles)

    def windows(self, description: str | None = None) -> Iterator[tuple[Window, slice, dict[str, Any]]]:
        """Yield window after window: pixels of the lattice, dates as TorchGeo queries them, the sample.

        Args:
            description: Shows a progress bar of that name where stderr is a terminal; None for no bar.
        """
        for tile, time in self._walk(description):
            left, bottom, right, top = self.lattice.bounds(tile)
            yield tile, time, self.dataset[left:right, bottom:top, time]

    def tiles(self, description: str | None = None) -> Iterator[Window]:
        """Give one window after the other, each once, without reading the data set; see :meth:`windows`."""
        seen: set[Window] = set()
        for tile, _ in self._walk(description):
            if tile not in seen:
                seen.add(tile)
                yield tile

    def _walk(self, description: str | None) -> Iterator[tuple[Window, slice]]:
        console = Console(stderr=True)
        shown = description is not None and console.is_terminal
        yield from track(self._tiles, description or "", console=console, transient=True, disable=not shown)
