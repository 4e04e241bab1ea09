"""Lengths of outlines in metres on the ellipsoid, for any CRS of the Earth."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates  # type: ignore[attr-defined]

from ..grid import GeoGrid
from ..grid.ground import pixel_steps_m
from .outlines import Outlines

#: Most rows and columns of places at which the pixel's size on the ground is computed; between them it is
#: interpolated.
_NODES = (257, 65)


class GroundMetric:
    """How long a step of so many columns and rows is on the ground, anywhere in a raster.

    The squared length of a step (dx, dy) in pixels is E dx^2 + 2 F dx dy + G dy^2; E, F and G come from the
    sides of a pixel at nodes across the raster and are interpolated linearly. Within a scene a length is
    right to 1e-7; over a continent to 1e-5, and to 1e-4 along slanting edges of many degrees.

    Args:
        grid: Any CRS on the Earth.

    Raises:
        RasterError: The CRS is not of the Earth.
    """

    def __init__(self, grid: GeoGrid) -> None:
        counts = [min(size, most) for size, most in zip(grid.shape, _NODES, strict=True)]
        rows, cols = (np.linspace(0, size, count + 1) for size, count in zip(grid.shape, counts, strict=True))
        self._per_pixel = np.array([[count / size] for count, size in zip(counts, grid.shape, strict=True)])
        points = np.stack(np.meshgrid(cols, rows), axis=-1).reshape(-1, 2)
        _, steps = pixel_steps_m(grid, points)
        col, row = steps[:, 0], steps[:, 1]
        products = np.stack([(col * col).sum(axis=1), (col * row).sum(axis=1), (row * row).sum(axis=1)])
        self._tables = [_fill(table.reshape(len(rows), len(cols))) for table in products]

    def perimeters_m(self, outlines: Outlines) -> NDArray[np.float64]:
        """Measure all rings of polygons, those of holes too.

        Returns:
            (p,) metres.
        """
        if len(outlines.col) == 0:
            return np.zeros(0)
        after = outlines.following()
        ends = np.stack([outlines.row, outlines.col]).astype(np.float64)
        dy, dx = steps = ends[:, after] - ends
        middle = (ends + steps / 2) * self._per_pixel
        e, f, g = (map_coordinates(table, middle, order=1, mode="nearest") for table in self._tables)
        lengths = np.sqrt(e * dx * dx + 2 * f * dx * dy + g * dy * dy)
        return np.add.reduceat(lengths, outlines.starts[outlines.polygon_starts[:-1]])


def _fill(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give places outside the domain of the CRS the value of the nearest place inside."""
    unknown = ~np.isfinite(table)
    if not unknown.any() or unknown.all():
        return table
    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    filled: NDArray[np.float64] = table[tuple(nearest)]
    return filled


__all__ = ("GroundMetric",)
