"""Lightning data modules: scenes and labels, their splits, samplers and statistics."""

from .datamodule import SceneDataModule
from .published import Crop10mDataModule, MM5BDataModule, PublishedDataModule, WHDLDDataModule

__all__ = (
    "Crop10mDataModule",
    "MM5BDataModule",
    "PublishedDataModule",
    "SceneDataModule",
    "WHDLDDataModule",
)
