"""Class trees: legal paths, lifting, raster values, colours, label sets, and crosswalks between trees."""

from .crosswalk import Crosswalk
from .depth import depth_colors
from .legend import LabelSets, Legend
from .links import Anchor
from .schema import RGB, hex_color
from .tree import Taxonomy

__all__ = ("RGB", "Anchor", "Crosswalk", "LabelSets", "Legend", "Taxonomy", "depth_colors", "hex_color")
