"""Rasters in and out: the scene reader, the streaming writer, cloud-optimised results, class maps."""

from ..grid import same_grid
from .band_files import list_rasters
from .bands import canonical_band, match_bands
from .baseline import baseline_of, has_offset
from .classmap import ClassMapReader, open_class_map
from .cog import (
    CONFIDENCE_NODATA,
    class_dtype,
    finalise_bands_cog,
    finalise_class_cog,
    finalise_confidence_cog,
    place_raster,
)
from .dataset import bounded_block_cache
from .drawing import pixels_inside
from .label_map import LabelMap, open_label_map
from .locking import is_still_at, lock_file
from .mosaic import open_mosaic
from .output import (
    as_output_error,
    atomic_path,
    check_writable_folder,
    move_into_place,
    refuse_existing,
)
from .scene import SceneReader
from .scene_opening import open_scene
from .stac_items import document_of, is_stac, item_addresses
from .staging import remove_abandoned, staging_folder
from .writer import StripWriter

__all__ = (
    "CONFIDENCE_NODATA",
    "ClassMapReader",
    "LabelMap",
    "SceneReader",
    "StripWriter",
    "as_output_error",
    "atomic_path",
    "baseline_of",
    "bounded_block_cache",
    "canonical_band",
    "check_writable_folder",
    "class_dtype",
    "document_of",
    "finalise_bands_cog",
    "finalise_class_cog",
    "finalise_confidence_cog",
    "has_offset",
    "is_stac",
    "is_still_at",
    "item_addresses",
    "list_rasters",
    "lock_file",
    "match_bands",
    "move_into_place",
    "open_class_map",
    "open_label_map",
    "open_mosaic",
    "open_scene",
    "pixels_inside",
    "place_raster",
    "refuse_existing",
    "remove_abandoned",
    "same_grid",
    "staging_folder",
)
