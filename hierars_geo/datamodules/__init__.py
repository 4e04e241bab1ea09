"""Lightning data modules: scenes and labels, their splits, samplers and statistics."""

from ..types import SeriesRule
from .datamodule import SceneDataModule
from .options import AugmentationOptions, ChipOptions, LoaderOptions, NormalizationOptions, SplitOptions
from .published import Crop10mDataModule, MM5BDataModule, PublishedDataModule, WHDLDDataModule
from .source_options import LabelOptions, PairingOptions, ReadingOptions, SourceOptions

__all__ = (
    "AugmentationOptions",
    "ChipOptions",
    "Crop10mDataModule",
    "LabelOptions",
    "LoaderOptions",
    "MM5BDataModule",
    "NormalizationOptions",
    "PairingOptions",
    "PublishedDataModule",
    "ReadingOptions",
    "SceneDataModule",
    "SeriesRule",
    "SourceOptions",
    "SplitOptions",
    "WHDLDDataModule",
)
