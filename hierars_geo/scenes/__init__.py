"""Scenes: which files, which bands, what is no data, which day, on which grid."""

from ..errors import DataNotice
from .bands import canonical_band, match_bands
from .dataset import bounded_block_cache
from .mosaic import Mosaic
from .patch import Patch
from .regions import Regions, cut_to_region
from .scene import Scene
from .sensors import Sensor, find_sensor
from .series import SeriesPatch
from .stac import item_addresses
from .stack import open_scene

__all__ = (
    "DataNotice",
    "Mosaic",
    "Patch",
    "Regions",
    "Scene",
    "Sensor",
    "SeriesPatch",
    "bounded_block_cache",
    "canonical_band",
    "cut_to_region",
    "find_sensor",
    "item_addresses",
    "match_bands",
    "open_scene",
)
