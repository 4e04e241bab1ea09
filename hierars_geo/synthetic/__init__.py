"""Synthetic georeferenced scenes: one place seen by several sensors, with labels."""

from .crops import write_crop_scene
from .product import square_view, write_scene
from .sensors import SENSORS, SensorModel, SensorName
from .series import crop_series, scene_series, write_land_cover_scene
from .spec import CropSpec, PlaceSpec, SceneFiles, SceneSpec

__all__ = (
    "SENSORS",
    "CropSpec",
    "PlaceSpec",
    "SceneFiles",
    "SceneSpec",
    "SensorModel",
    "SensorName",
    "crop_series",
    "scene_series",
    "square_view",
    "write_crop_scene",
    "write_land_cover_scene",
    "write_scene",
)
