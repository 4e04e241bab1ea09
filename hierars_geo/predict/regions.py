"""Regions: polygons that scores are counted in, drawn block by block."""

from collections.abc import Iterator, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from ..errors import OptionError
from ..grid import GeoGrid, Window
from ..scenes.drawing import pixels_inside


class Regions:
    """Named polygons in the CRS of the maps; they may overlap.

    Args:
        names: Of the regions; equal names are one region.
        polygons: (n,) shapely polygons or multipolygons, one per name.

    Attributes:
        names: Distinct names, in the order they came.

    Raises:
        OptionError: There are none, or not as many names as polygons.
    """

    def __init__(self, names: Sequence[str], polygons: NDArray[np.object_]) -> None:
        if len(names) != len(polygons) or not len(names):
            raise OptionError(
                f"Expected one name per region, at least one, but got {len(names)} for {len(polygons)}."
            )
        self.names = tuple(dict.fromkeys(names))
        number = {name: index for index, name in enumerate(self.names)}
        self._numbers = np.array([number[name] for name in names])
        self._polygons = polygons
        self._tree = shapely.STRtree(polygons)

    def masks(self, grid: GeoGrid, window: Window) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Draw the regions that touch a window.

        Args:
            grid: Grid of the maps.
            window: Window of it.

        Yields:
            Number of a region and its pixels, (h, w): those whose centre lies in one of its polygons.
        """
        part = grid.crop(window)
        near = self._tree.query(shapely.box(*part.bounds))
        for number in np.unique(self._numbers[near]):
            shapes = self._polygons[near[self._numbers[near] == number]].tolist()
            inside = pixels_inside(shapes, part)
            if inside.any():
                yield int(number), inside


__all__ = ("Regions",)
