"""Class trees: legal paths, lifting, raster values, colours, label sets, and crosswalks between trees."""

from .anchors import Anchor
from .crosswalk import Crosswalk
from .depth import depth_colors
from .label_sets import LabelSets
from .legend import Legend
from .schema import RGB
from .tree import Taxonomy

__all__ = ("RGB", "Anchor", "Crosswalk", "LabelSets", "Legend", "Taxonomy", "depth_colors")
