"""Outlines of polygons on the pixel lattice, and their way to the ground."""

from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

Polygons = NDArray[np.object_]


@dataclass(frozen=True)
class Outlines:
    """Rings of some polygons; the first of each is its shell, others are holes.

    Attributes:
        col: (s,) lattice column of each vertex, ring after ring, not closed; whole numbers unless smoothed.
        row: (s,) lattice row.
        starts: (r + 1,) int64 position of each ring's first vertex, and the end.
        polygon_starts: (p + 1,) int64 each polygon's first ring, and the end.
    """

    col: NDArray[np.number]
    row: NDArray[np.number]
    starts: NDArray[np.int64]
    polygon_starts: NDArray[np.int64]

    def following(self) -> NDArray[np.int64]:
        """(s,) position of the vertex after each one on its ring."""
        after = np.arange(1, len(self.col) + 1)
        after[self.starts[1:] - 1] = self.starts[:-1]
        return after

    def polygons(self, transform: Affine) -> Polygons:
        """Build the polygons in the CRS that a geotransform leads to: (p,), shells anticlockwise."""
        lengths = np.diff(self.starts)
        closed_starts = self.starts + np.arange(len(self.starts))
        sequence = np.empty(len(self.col) + len(lengths), dtype=np.int64)
        last = closed_starts[1:] - 1
        inner = np.ones(len(sequence), dtype=np.bool_)
        inner[last] = False
        sequence[inner] = np.arange(len(self.col))
        sequence[last] = self.starts[:-1]
        col, row, t = self.col[sequence], self.row[sequence], transform
        coordinates = np.empty((len(sequence), 2))
        coordinates[:, 0] = t.a * col + t.b * row + t.c
        coordinates[:, 1] = t.d * col + t.e * row + t.f
        built: Polygons = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, coordinates, (closed_starts, self.polygon_starts)
        )
        # where rows run north the outlines are mirrored
        return built if t.determinant < 0 else shapely.orient_polygons(built, exterior_cw=False)


__all__ = ("Outlines", "Polygons")
