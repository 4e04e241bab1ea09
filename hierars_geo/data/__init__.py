"""Data: images and labels as TorchGeo data sets, their intersections, samplers, splits and statistics."""

from .augmentation import ChipAugmentation
from .datamodule import SceneDataModule
from .geo_raster import GeoRaster
from .imagery import (
    NAIP,
    GaoFen2,
    GoogleEarth,
    Landsat5,
    Landsat7,
    Landsat8,
    Landsat9,
    RGBPicture,
    SceneRaster,
    Sentinel1,
    Sentinel2,
    Sentinel2L1C,
    Sentinel2L2A,
)
from .intersection import SceneIntersection
from .label_opening import open_labels
from .labels import HierarchicalLabels
from .lattice import Lattice
from .notices import DataNotice
from .polygon_labels import PolygonLabels
from .published import Crop10mDataModule, MM5BDataModule, PublishedDataModule, WHDLDDataModule
from .queries import QueryError
from .samplers import GridChipSampler, RandomChipSampler
from .splits import BlockSplit, RegionSplit, Splits, check_no_leak
from .statistics import BandStatistics, band_statistics, class_frequencies
from .union import SceneUnion

__all__ = (
    "NAIP",
    "BandStatistics",
    "BlockSplit",
    "ChipAugmentation",
    "Crop10mDataModule",
    "DataNotice",
    "GaoFen2",
    "GeoRaster",
    "GoogleEarth",
    "GridChipSampler",
    "HierarchicalLabels",
    "Landsat5",
    "Landsat7",
    "Landsat8",
    "Landsat9",
    "Lattice",
    "MM5BDataModule",
    "PolygonLabels",
    "PublishedDataModule",
    "QueryError",
    "RGBPicture",
    "RandomChipSampler",
    "RegionSplit",
    "SceneDataModule",
    "SceneIntersection",
    "SceneRaster",
    "SceneUnion",
    "Sentinel1",
    "Sentinel2",
    "Sentinel2L1C",
    "Sentinel2L2A",
    "Splits",
    "WHDLDDataModule",
    "band_statistics",
    "check_no_leak",
    "class_frequencies",
    "open_labels",
)
