"""Vector files of users, read and checked, and the classes that their columns stand for."""

from typing import TYPE_CHECKING

from ..imports import lazy_face

if TYPE_CHECKING:
    from .attribute_classes import AttributeClasses, features
    from .moved_polygons import onto_map, read_layer, read_polygons
    from .polygon_table import read_polygon_table
    from .vector_file import split_layer
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = (
    "AttributeClasses",
    "features",
    "onto_map",
    "read_layer",
    "read_polygon_table",
    "read_polygons",
    "split_layer",
)
