"""Class trees: schema, legal paths, lifting, raster values and colours."""

from .anchors import Anchor
from .tree import Taxonomy

__all__ = ("Anchor", "Taxonomy")
