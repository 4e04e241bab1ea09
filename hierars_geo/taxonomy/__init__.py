"""Class trees: schema, legal paths, lifting, raster values and colours."""

from .anchors import Anchor
from .schema import RGB
from .tree import Taxonomy

__all__ = ("RGB", "Anchor", "Taxonomy")
