"""Where a raster holds data, as a simple polygon in longitude and latitude."""

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError
from rasterio.features import shapes
from shapely.geometry.base import BaseGeometry

from ..grid import GeoGrid, Window
from ..grid.reprojection import outline
from ..maps.styles.stac import lonlat_outline
from ..scenes.dataset import open_dataset, unreadable
from ..scenes.handles import opening_env
from .headers import Header

#: Longer side of the mask that the outline is drawn from.
_SIDE_PX = 512
#: Islands and holes smaller than this many pixels of the mask are not drawn.
_SMALLEST_PX = 16
#: Most that an edge may leave its curve by, in pixels of the mask.
_EDGE_PX = 0.02


def footprint(header: Header) -> BaseGeometry | None:
    """Outline the pixels that hold data.

    The validity is read reduced to 512 pixels along the longer side, so that memory does not grow with
    the file; the outline is simplified by 1.5 pixels of that mask, and islands and holes of less than 16 of
    its pixels are left out.

    Args:
        header: The file.

    Returns:
        Polygon or MultiPolygon in longitude and latitude, see :func:`.lonlat_outline`; None for a chip
        without a place on the ground. Where nothing is valid, the outline of the raster.

    Raises:
        RasterError: The file is damaged.
    """
    if header.grid is None:
        return None
    mask = valid_mask(header)
    valid = outline(header.grid, header.grid.crs) if mask.all() else _outline_of(mask, header.grid)
    return lonlat_outline(valid, header.grid.crs, _EDGE_PX * pixel_m(header.grid))


def raster_outline(header: Header) -> BaseGeometry | None:
    """Outline the raster, data or not; as :func:`footprint`."""
    if header.grid is None:
        return None
    whole = outline(header.grid, header.grid.crs)
    return lonlat_outline(whole, header.grid.crs, _EDGE_PX * pixel_m(header.grid))


def pixel_m(grid: GeoGrid) -> float:
    """Ground size of a pixel of the mask."""
    return grid.gsd_m() * max(1.0, max(grid.shape) / _SIDE_PX)


def valid_mask(header: Header) -> NDArray[np.bool_]:
    """Read which pixels hold data, reduced to 512 pixels along the longer side.

    Raises:
        RasterError: The file is damaged.
    """
    factor = max(1.0, max(header.shape) / _SIDE_PX)
    shape = tuple(max(1, round(size / factor)) for size in header.shape)
    try:
        with opening_env(), open_dataset(str(header.path)) as dataset:
            mask: NDArray[np.bool_] = dataset.dataset_mask(out_shape=shape) > 0
            for index, band in enumerate(header.bands, start=1):
                if np.dtype(band.dtype).kind == "f":
                    mask &= np.isfinite(dataset.read(index, out_shape=shape))
    except RasterioIOError as error:
        raise unreadable(str(header.path), Window(0, 0, *header.shape), error) from error
    return mask


def _outline_of(mask: NDArray[np.bool_], grid: GeoGrid) -> BaseGeometry:
    scale = Affine.scale(grid.width / mask.shape[1], grid.height / mask.shape[0])
    drawn = shapes(mask.astype(np.uint8), mask=mask)
    pixels = [shapely.Polygon(part["coordinates"][0], part["coordinates"][1:]) for part, _ in drawn]
    parts = [_filled(part) for part in pixels if part.area >= _SMALLEST_PX]
    if not parts:
        return (
            outline(grid, grid.crs)
            if not pixels
            else _placed(shapely.union_all(pixels).envelope, grid, scale)
        )
    return _placed(shapely.union_all(parts).simplify(1.5), grid, scale)


def _filled(polygon: shapely.Polygon) -> shapely.Polygon:
    holes = [ring for ring in polygon.interiors if shapely.Polygon(ring).area >= _SMALLEST_PX]
    return shapely.Polygon(polygon.exterior, holes)


def _placed(geometry: BaseGeometry, grid: GeoGrid, scale: Affine) -> BaseGeometry:
    t = grid.transform @ scale
    return shapely.transform(
        geometry,
        lambda xy: np.column_stack(
            (t.a * xy[:, 0] + t.b * xy[:, 1] + t.c, t.d * xy[:, 0] + t.e * xy[:, 1] + t.f)
        ),
    )


__all__ = ("footprint", "pixel_m", "raster_outline", "valid_mask")
