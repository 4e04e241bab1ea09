"""Polygons drawn onto a grid."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from ..grid import GeoGrid
from .georeference_warnings import no_georeference_warnings


def pixels_inside(polygons: Sequence[BaseGeometry], grid: GeoGrid) -> NDArray[np.bool_]:
    """Tell which pixels have their centre in one of some polygons.

    Args:
        polygons: In the grid's CRS, at least one.
        grid: Pixels.

    Returns:
        (h, w) bool.
    """
    with no_georeference_warnings():
        inside: NDArray[np.bool_] = geometry_mask(polygons, grid.shape, grid.transform, invert=True)
    return inside


__all__ = ("pixels_inside",)
