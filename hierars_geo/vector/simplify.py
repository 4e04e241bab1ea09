"""Fewer vertices on shared borders: which corners of a coverage can go."""

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from ..errors import DataError
from .regions import Regions
from .rings import trace_rings


def surviving_corners(
    regions: Regions, tolerance_m: float, pixel_size_m: tuple[float, float]
) -> NDArray[np.bool_]:
    """Simplify the borders between the regions of the paths (Visvalingam-Whyatt on a coverage).

    Simplification only leaves corners out, the same ones on both sides of a border; so the levels above are
    simplified by leaving them out of their rings too, and stay nested. It works in metres on the ground,
    whatever the CRS. Borders with nodata and the edge of the raster stay as they are, and with them the total
    area.

    Args:
        regions: Regions of legal paths.
        tolerance_m: Corners that change the outline by less than a triangle of about this size, squared, go;
        > 0.
        pixel_size_m: (width, height) of a pixel on the ground.

    Returns:
        (k,) True for the corners that stay.

    Raises:
        DataError: A region vanished.
    """
    width, height = pixel_size_m
    polygons = np.concatenate(
        [
            rings.outlines(regions.row, regions.col).polygons(Affine.scale(width, -height))
            for rings in trace_rings(regions.row, regions.col, regions.quadrants, regions.links)
        ]
    )
    simplified = shapely.coverage_simplify(polygons, tolerance_m, simplify_boundary=False)
    if shapely.is_empty(simplified).any() or len(shapely.get_rings(simplified)) != len(
        shapely.get_rings(polygons)
    ):
        raise DataError(
            f"Expected all regions to outlast a simplification by {tolerance_m:g} m, but some vanished. "
            "Give a smaller --simplify-m, or a --min-area-m2 that removes small regions first."
        )
    x, y = np.rint(shapely.get_coordinates(simplified).T / [[width], [-height]]).astype(np.int64)
    columns = regions.shape[1] + 1
    key = regions.row.astype(np.int64) * columns + regions.col
    survives = np.zeros(len(key), dtype=np.bool_)
    survives[np.searchsorted(key, y * columns + x)] = True
    return survives


__all__ = ("surviving_corners",)
