"""TorchGeo datasets over scenes and labels, their intersections and unions."""

from typing import TYPE_CHECKING

from ..imports import lazy_face, without_compiler

if TYPE_CHECKING:
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
else:
    __getattr__ = without_compiler()(lazy_face(__name__, __file__))

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
