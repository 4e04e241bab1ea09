"""Polygons out of class maps: nested over the levels, with shared borders, areas and QGIS styles."""

from .area_tables import AreaTables, class_areas
from .areas import polygon_areas_m2
from .conversion import Progress, VectorSummary, vectorize
from .coverage import Coverage, build_coverage, polygonize_paths
from .geopackage import forget_times
from .ground import row_pixel_areas_m2
from .map_files import MapFiles, find_map_files, find_taxonomy
from .nesting import LevelRegions, nest_levels
from .path_map import PathMap, open_path_map
from .regions import Regions, label_regions
from .scan import RowScanner
from .sieving import sieve

__all__ = (
    "AreaTables",
    "Coverage",
    "LevelRegions",
    "MapFiles",
    "PathMap",
    "Progress",
    "Regions",
    "RowScanner",
    "VectorSummary",
    "build_coverage",
    "class_areas",
    "find_map_files",
    "find_taxonomy",
    "forget_times",
    "label_regions",
    "nest_levels",
    "open_path_map",
    "polygon_areas_m2",
    "polygonize_paths",
    "row_pixel_areas_m2",
    "sieve",
    "vectorize",
)
