"""Vector files of users, read and checked, and the classes that their columns stand for."""

from typing import TYPE_CHECKING

from ..imports import lazy_face

if TYPE_CHECKING:
    from .attribute_classes import AttributeClasses, ColumnClasses, features
    from .moved_polygons import onto_map, read_layer, read_polygons
    from .polygon_table import PolygonTable, read_polygon_table
    from .vector_file import (
        VECTOR_SUFFIXES,
        check_vector_file,
        is_parquet,
        is_vector,
        read_table,
        split_layer,
        vector_layers,
    )
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = (
    "VECTOR_SUFFIXES",
    "AttributeClasses",
    "ColumnClasses",
    "PolygonTable",
    "check_vector_file",
    "features",
    "is_parquet",
    "is_vector",
    "onto_map",
    "read_layer",
    "read_polygon_table",
    "read_polygons",
    "read_table",
    "split_layer",
    "vector_layers",
)
