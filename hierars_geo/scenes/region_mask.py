"""RegionMask: which pixels of a window lie in a region."""

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from ..grid import Window
from ..grid.lattice import Lattice
from .drawing import pixels_inside


class RegionMask:
    """Tells the pixels of a window that lie in a region.

    Args:
        polygons: The region, in the CRS of the lattices it will be asked about.
    """

    def __init__(self, polygons: BaseGeometry) -> None:
        self.polygons = polygons
        shapely.prepare(self.polygons)

    def mask(self, lattice: Lattice, window: Window) -> NDArray[np.bool_] | None:
        """Return which pixels have their centre in the region.

        Args:
            lattice: Pixels.
            window: Window of the lattice.

        Returns:
            (h, w) bool, None where all of them do.
        """
        box = shapely.box(*lattice.bounds(window))
        # a box drawn in by a thousandth of a pixel: corners that agree up to rounding count as inside
        if shapely.covers(self.polygons, shapely.buffer(box, -1e-3 * min(lattice.res), join_style="mitre")):
            return None
        grid = lattice.grid(window)
        near = shapely.intersection(self.polygons, box)
        parts = [part for part in shapely.get_parts(near) if part.geom_type == "Polygon" and part.area > 0]
        if not parts:
            return np.zeros(grid.shape, dtype=np.bool_)
        return pixels_inside(parts, grid)


__all__ = ("RegionMask",)
