"""Data: images and labels as TorchGeo data sets, their intersections, samplers, splits and statistics."""

from .augmentation import ChipAugmentation
from .datamodule import SceneDataModule
from .geo_raster import GeoRaster
from .imagery import GaoFen2, GoogleEarth, SceneRaster, Sentinel2
from .intersection import SceneIntersection
from .label_opening import open_labels
from .labels import HierarchicalLabels
from .lattice import Lattice
from .notices import DataNotice
from .polygon_labels import PolygonLabels
from .queries import QueryError
from .samplers import GridChipSampler, RandomChipSampler
from .splits import BlockSplit, RegionSplit, Splits, check_no_leak
from .statistics import BandStatistics, band_statistics, class_frequencies
from .union import SceneUnion

__all__ = (
    "BandStatistics",
    "BlockSplit",
    "ChipAugmentation",
    "DataNotice",
    "GaoFen2",
    "GeoRaster",
    "GoogleEarth",
    "GridChipSampler",
    "HierarchicalLabels",
    "Lattice",
    "PolygonLabels",
    "QueryError",
    "RandomChipSampler",
    "RegionSplit",
    "SceneDataModule",
    "SceneIntersection",
    "SceneRaster",
    "SceneUnion",
    "Sentinel2",
    "Splits",
    "band_statistics",
    "check_no_leak",
    "class_frequencies",
    "open_labels",
)
