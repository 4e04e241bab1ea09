"""Polygons out of class maps: nested over the levels, with shared borders, areas and QGIS styles."""

from typing import TYPE_CHECKING

from ..imports import lazy_face

if TYPE_CHECKING:
    from .area_tables import AreaTables, class_areas
    from .areas import polygon_areas_m2
    from .conversion import VectorSummary, vectorize
    from .coverage import Coverage, build_coverage, polygonize_paths
    from .fields import decide_fields, decide_paths
    from .regions import label_regions
    from .scan import RowScanner
    from .sieving import sieve
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = (
    "AreaTables",
    "Coverage",
    "RowScanner",
    "VectorSummary",
    "build_coverage",
    "class_areas",
    "decide_fields",
    "decide_paths",
    "label_regions",
    "polygon_areas_m2",
    "polygonize_paths",
    "sieve",
    "vectorize",
)
