"""Synthetic georeferenced scenes: one place seen by several sensors, with labels."""

from .crops import write_crop_scene
from .product import scene_paths
from .scene import write_land_cover_scene
from .sensors import SENSOR_NAMES, SensorName
from .series import check_free, crop_series, scene_series
from .spec import CropSpec, PlaceSpec, SceneFiles, SceneSpec

__all__ = (
    "SENSOR_NAMES",
    "CropSpec",
    "PlaceSpec",
    "SceneFiles",
    "SceneSpec",
    "SensorName",
    "check_free",
    "crop_series",
    "scene_paths",
    "scene_series",
    "write_crop_scene",
    "write_land_cover_scene",
)
