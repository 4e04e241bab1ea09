"""The table of a level: one row per polygon, with the columns of the contract."""

import numpy as np
import pandas as pd
from geopandas.geodataframe import GeoDataFrame
from numpy.typing import NDArray
from pyproj import CRS

from ..taxonomy import Taxonomy
from .nesting import LevelRegions
from .rings import Polygons

#: Columns of every layer, before the geometry.
COLUMNS = ("class_value", "class_name", "level", "parent_value", "area_m2", "confidence")


def level_table(
    regions: LevelRegions,
    polygons: Polygons,
    paths: NDArray[np.int64],
    taxonomy: Taxonomy,
    area_m2: NDArray[np.float64],
    confidence: NDArray[np.float64],
    crs: CRS,
) -> GeoDataFrame:
    """Describe the polygons of a level.

    Args:
        regions: Its regions, Q with the outside.
        polygons: (Q - 1,) their polygons.
        paths: (P, D) class index of each path at each level.
        taxonomy: The class tree.
        area_m2: (R,) area of each region of the paths; a region's area is the sum over what lies in it.
        confidence: (Q,) mean confidence in per cent, NaN where there is none.
        crs: CRS of the polygons.

    Returns:
        Columns :data:`COLUMNS` and ``geometry``; ``parent_value`` is null at level 1.
    """
    level, path = regions.level, regions.path[1:]
    index = paths[path, level - 1]
    if level == 1:
        parent = pd.array(np.zeros(len(path), dtype=np.int32), dtype="Int32")
        parent[:] = pd.NA
    else:
        parent = pd.array(_values(taxonomy, level - 1)[paths[path, level - 2]], dtype="Int32")
    columns = {
        "class_value": _values(taxonomy, level)[index],
        "class_name": np.array(taxonomy.class_names(level), dtype=object)[index],
        "level": np.full(len(path), level, dtype=np.int32),
        "parent_value": parent,
        "area_m2": np.bincount(regions.region, weights=area_m2, minlength=len(regions.path))[1:],
        "confidence": confidence[1:],
    }
    return GeoDataFrame(columns, geometry=polygons, crs=crs)


def _values(taxonomy: Taxonomy, level: int) -> NDArray[np.int32]:
    return np.array(taxonomy.class_values(level), dtype=np.int32)


__all__ = ("COLUMNS", "level_table")
