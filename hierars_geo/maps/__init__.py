"""Maps as one object: which files they are, their pixels and areas; cloud-optimised GeoTIFFs and styles."""

from .class_areas import AreaCounter, ClassAreas, PathCounter, PixelNumbers, Progress, count_areas, count_rows
from .classmap import open_class_map
from .cog import CONFIDENCE_NODATA, class_dtype, finalise_class_cog, finalise_per_cent_cog, place_raster
from .common_classes import write_common_map
from .maps import Maps, MapSource
from .path_map import PathMap
from .scene_maps import SceneMaps
from .thumbnail import MAX_SIDE_PX, Thumbnail, blocks, thumbnail_shape
from .writer import StripWriter

__all__ = (
    "CONFIDENCE_NODATA",
    "MAX_SIDE_PX",
    "AreaCounter",
    "ClassAreas",
    "MapSource",
    "Maps",
    "PathCounter",
    "PathMap",
    "PixelNumbers",
    "Progress",
    "SceneMaps",
    "StripWriter",
    "Thumbnail",
    "blocks",
    "class_dtype",
    "count_areas",
    "count_rows",
    "finalise_class_cog",
    "finalise_per_cent_cog",
    "open_class_map",
    "place_raster",
    "thumbnail_shape",
    "write_common_map",
)
