"""Smooth random fields in world coordinates, so that every sensor sees the same patchiness in the same place.

A field is one periodic tile of a few hundred nodes: its memory does not grow with the scene, and any sensor
can sample it on its own grid, strip by strip.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter  # type: ignore[attr-defined]

from .geometry import Points

Field = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NoiseField:
    """A periodic random field of mean 0 and variance 1.

    Attributes:
        tile: (n, n) float32 node values.
        spacing_m: Distance between nodes; the field repeats after ``n * spacing_m``.
    """

    tile: Field
    spacing_m: float

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        spacing_m: float,
        smooth: float = 1.3,
        octaves: int = 1,
        nodes: int = 384,
    ) -> "NoiseField":
        """Draw a field of patches about ``2.5 * smooth * spacing_m`` wide, doubling with each octave."""
        tile = np.zeros((nodes, nodes))
        for octave in range(octaves):
            layer = gaussian_filter(rng.standard_normal((nodes, nodes)), smooth * 2**octave, mode="wrap")
            tile += layer / layer.std() * 1.7**octave
        tile -= tile.mean()
        return cls((tile / tile.std()).astype(np.float32), spacing_m)

    def sharpened(self, steepness: float) -> "NoiseField":
        """The field pushed towards two values, as of crowns and gaps; mean 0, variance 1 again."""
        tile = np.tanh(steepness * self.tile)
        tile -= tile.mean()
        return NoiseField((tile / tile.std()).astype(np.float32), self.spacing_m)

    def relief(self) -> "NoiseField":
        """The field's slope towards the sun as a field of its own: crowns get a lit and a dark side."""
        slope = np.roll(self.tile, (1, 1), axis=(0, 1)) - np.roll(self.tile, (-1, -1), axis=(0, 1))
        return NoiseField((slope / slope.std()).astype(np.float32), self.spacing_m)

    def _nodes(self, position: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp], Field]:
        scaled = position / self.spacing_m
        below = np.floor(scaled)
        index = below.astype(np.intp) % len(self.tile)
        return index, (index + 1) % len(self.tile), (scaled - below).astype(np.float32)

    def on_grid(self, ys: NDArray[np.float64], xs: NDArray[np.float64]) -> Field:
        """Sample at rows ``ys`` and columns ``xs`` (metres): (len(ys), len(xs)) float32, bilinear."""
        y0, y1, fy = self._nodes(ys)
        x0, x1, fx = self._nodes(xs)
        rows = self.tile[y0] * (1 - fy)[:, None] + self.tile[y1] * fy[:, None]
        left = np.take(rows, x0, axis=1)
        return np.asarray(left + (np.take(rows, x1, axis=1) - left) * fx, dtype=np.float32)

    def at(self, points: Points) -> Field:
        """Sample at points (n, 2) of (x, y) in metres: (n,) float32, bilinear."""
        x0, x1, fx = self._nodes(points[:, 0])
        y0, y1, fy = self._nodes(points[:, 1])
        top = self.tile[y0, x0] * (1 - fx) + self.tile[y0, x1] * fx
        low = self.tile[y1, x0] * (1 - fx) + self.tile[y1, x1] * fx
        return np.asarray(top * (1 - fy) + low * fy, dtype=np.float32)
