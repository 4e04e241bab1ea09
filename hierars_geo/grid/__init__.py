"""Where pixels lie and how windows cover them: pure integers and floats."""

from .blend import Blend, blend_weights
from .geogrid import GeoGrid, same_grid
from .lattice import Lattice
from .windows import Window, cover, overlap_to_stride, spread_starts, window_starts

__all__ = (
    "Blend",
    "GeoGrid",
    "Lattice",
    "Window",
    "blend_weights",
    "cover",
    "overlap_to_stride",
    "same_grid",
    "spread_starts",
    "window_starts",
)
