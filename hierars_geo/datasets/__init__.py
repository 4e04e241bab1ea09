"""TorchGeo datasets over scenes and labels, their intersections and unions."""

from ..imports import without_compiler

with without_compiler():
    import torchgeo.datasets  # noqa: F401 - first here, so that all that follows has it

from .geo_raster import GeoRaster, SceneUnion, write_stack
from .imagery import (
    NAIP,
    AlphaEarth,
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
    Tessera,
)
from .intersection import SceneIntersection
from .label_index import LabelIndex
from .label_opening import LabelEntry, open_labels
from .labels import HierarchicalLabels
from .scene_source import QueryError
from .series import SceneSeries
from .statistics import BandStatistics, DataStatistics, band_statistics, data_statistics
from .vector_labels import VectorLabels

__all__ = (
    "NAIP",
    "AlphaEarth",
    "BandStatistics",
    "DataStatistics",
    "GaoFen2",
    "GeoRaster",
    "GoogleEarth",
    "HierarchicalLabels",
    "LabelEntry",
    "LabelIndex",
    "Landsat5",
    "Landsat7",
    "Landsat8",
    "Landsat9",
    "QueryError",
    "RGBPicture",
    "SceneIntersection",
    "SceneRaster",
    "SceneSeries",
    "SceneUnion",
    "Sentinel1",
    "Sentinel2",
    "Sentinel2L1C",
    "Sentinel2L2A",
    "Tessera",
    "VectorLabels",
    "band_statistics",
    "data_statistics",
    "open_labels",
    "write_stack",
)
