"""Where pixels lie and how windows cover them: pure integers and floats."""

from .geogrid import GeoGrid, same_grid
from .ground import GroundFrame, ground_frame
from .lattice import Lattice
from .pixel_areas import PixelAreas
from .windows import Window, blend_weights, cover, overlap_to_stride, spread_starts, window_starts

__all__ = (
    "GeoGrid",
    "GroundFrame",
    "Lattice",
    "PixelAreas",
    "Window",
    "blend_weights",
    "cover",
    "ground_frame",
    "overlap_to_stride",
    "same_grid",
    "spread_starts",
    "window_starts",
)
