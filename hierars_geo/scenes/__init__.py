"""Scenes: which files, which bands, what is no data, which day, on which grid."""

from .band_files import list_rasters
from .bands import canonical_band, match_bands
from .baseline import baseline_of, has_offset
from .dataset import bounded_block_cache
from .drawing import pixels_inside
from .mosaic import open_mosaic
from .notices import DataNotice
from .scene import SceneReader
from .scene_opening import open_scene
from .stac_items import document_of, is_stac, item_addresses

__all__ = (
    "DataNotice",
    "SceneReader",
    "baseline_of",
    "bounded_block_cache",
    "canonical_band",
    "document_of",
    "has_offset",
    "is_stac",
    "item_addresses",
    "list_rasters",
    "match_bands",
    "open_mosaic",
    "open_scene",
    "pixels_inside",
)
