"""Data: images and labels as TorchGeo data sets, their intersections, samplers, splits and statistics."""

from .augmentation import ChipAugmentation
from .balanced_sampler import BalancedChipSampler, class_rates
from .chosen_chips import CandidateSampler, ChipRules, ChosenChips
from .counted_once import CountedOnce
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
from .label_index import LabelIndex
from .label_opening import open_labels
from .label_shares import LabelShare, write_label_shares
from .labels import HierarchicalLabels
from .lattice import Lattice
from .notices import DataNotice
from .polygon_labels import PolygonLabels
from .published import Crop10mDataModule, MM5BDataModule, PublishedDataModule, WHDLDDataModule
from .queries import QueryError
from .radiometry import Radiometry
from .samplers import GridChipSampler, RandomChipSampler
from .scene_split import SceneSplit
from .splits import BlockSplit, RegionSplit, Splits, check_no_leak
from .stacked_raster import write_stack
from .statistics import BandStatistics, band_statistics, class_frequencies
from .union import SceneUnion

__all__ = (
    "NAIP",
    "BalancedChipSampler",
    "BandStatistics",
    "BlockSplit",
    "CandidateSampler",
    "ChipAugmentation",
    "ChipRules",
    "ChosenChips",
    "CountedOnce",
    "Crop10mDataModule",
    "DataNotice",
    "GaoFen2",
    "GeoRaster",
    "GoogleEarth",
    "GridChipSampler",
    "HierarchicalLabels",
    "LabelIndex",
    "LabelShare",
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
    "Radiometry",
    "RandomChipSampler",
    "RegionSplit",
    "SceneDataModule",
    "SceneIntersection",
    "SceneRaster",
    "SceneSplit",
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
    "class_rates",
    "open_labels",
    "write_label_shares",
    "write_stack",
)
