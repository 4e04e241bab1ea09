"""Synthetic georeferenced scenes: one place seen by several sensors, with labels."""

from .crops import write_crop_scene
from .product import scene_paths, square_view, write_scene
from .sensors import SENSOR_NAMES, SENSORS, SensorModel, SensorName
from .series import check_free, crop_series, scene_series, write_land_cover_scene
from .spec import CropSpec, PlaceSpec, SceneFiles, SceneSpec

__all__ = (
    "SENSORS",
    "SENSOR_NAMES",
    "CropSpec",
    "PlaceSpec",
    "SceneFiles",
    "SceneSpec",
    "SensorModel",
    "SensorName",
    "check_free",
    "crop_series",
    "scene_paths",
    "scene_series",
    "square_view",
    "write_crop_scene",
    "write_land_cover_scene",
    "write_scene",
)
