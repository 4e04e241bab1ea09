"""Polygon layers of users: read, checked, and moved into the CRS of the maps."""

from pathlib import Path

import shapely
from geopandas.geodataframe import GeoDataFrame
from geopandas.geoseries import GeoSeries
from pyproj import CRS

from ..errors import DataError, OptionError
from ..grid import GeoGrid
from ..grid.reprojection import move_polygons
from .vector_file import check_vector_file, is_parquet, mended, read_features, vector_layers

_WHAT = "polygon layer"

#: Most that an edge may leave its curve by when a layer is moved onto a map, in pixels of it.
_EDGE_PX = 0.1


def read_polygons(path: str | Path, grid: GeoGrid, layer: str | None = None) -> GeoDataFrame:
    """Read a polygon layer and move it onto a map; see :func:`read_layer` and :func:`onto_map`."""
    return onto_map(read_layer(path, layer), grid, path)


def read_layer(path: str | Path, layer: str | None = None) -> GeoDataFrame:
    """Read a polygon layer.

    Args:
        path: Any vector file that GDAL reads, or GeoParquet.
        layer: Name of the layer, where the file holds several.

    Returns:
        The attributes and valid polygons or multipolygons in their own CRS; the index counts from 0.

    Raises:
        MissingFileError: There is no such file.
        OptionError: The file holds several layers and none is named, or not the one that is.
        DataError: It cannot be read, has no CRS, or holds no features or something else than polygons.
    """
    file = Path(path)
    check_vector_file(file, _WHAT)
    if layer is None and not is_parquet(file):
        layer = _layer_of(file)
    table = read_features(file, layer, _WHAT, with_empty=True).reset_index(drop=True)
    table[table.geometry.name] = mended(table.geometry.to_numpy())[0]
    return table


def onto_map(layer: GeoDataFrame, grid: GeoGrid, origin: str | Path) -> GeoDataFrame:
    """Move valid polygons onto a map: into its CRS, and to the turn of the Earth that its longitudes count.

    Returns:
        The same rows. Edges leave their curve by a tenth of a pixel at most. What the CRS of the map cannot
        express whole is cut to the ground around the map, or empty where it is far from it.

    Raises:
        DataError: None of the polygons has a place in the CRS of the map.
    """
    polygons = layer.geometry.to_numpy()
    moved = move_polygons(polygons, CRS(layer.crs), grid.crs, _EDGE_PX * min(grid.res), grid.bounds)
    if shapely.is_empty(moved).all() and not shapely.is_empty(polygons).all():
        raise DataError(
            f"Expected polygons of coordinates that lie where {grid.crs.name} is defined, but got none (in "
            f"{origin}). Check the coordinates and the CRS of the layer."
        )
    series = GeoSeries(mended(moved)[0], index=layer.index, crs=grid.crs)
    table: GeoDataFrame = layer.set_geometry(series)  # type: ignore[assignment]  # not in place
    return table


def _layer_of(file: Path) -> str:
    """Find the one layer with geometry."""
    spatial = [name for name, has_geometry in vector_layers(file, _WHAT).items() if has_geometry]
    if len(spatial) != 1:
        raise OptionError(
            f"Expected one layer with geometry, but got {', '.join(spatial) or 'none'} (in {file}). "
            "Name it: --layer NAME, or FILE|NAME where that is no option."
        )
    return spatial[0]
