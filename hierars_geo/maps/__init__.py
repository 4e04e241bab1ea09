"""Maps on disk: class rasters read and written, cloud-optimised GeoTIFFs, their styles."""

from .classmap import ClassMapReader, open_class_map
from .cog import (
    CONFIDENCE_NODATA,
    class_dtype,
    finalise_bands_cog,
    finalise_class_cog,
    finalise_confidence_cog,
    place_raster,
)
from .label_map import LabelMap, open_label_map
from .writer import StripWriter

__all__ = (
    "CONFIDENCE_NODATA",
    "ClassMapReader",
    "LabelMap",
    "StripWriter",
    "class_dtype",
    "finalise_bands_cog",
    "finalise_class_cog",
    "finalise_confidence_cog",
    "open_class_map",
    "open_label_map",
    "place_raster",
)
