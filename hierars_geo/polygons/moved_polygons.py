"""Polygon layers of users: read, checked, and moved into the CRS of the maps."""

from pathlib import Path

import numpy as np
import shapely
from geopandas.geodataframe import GeoDataFrame
from geopandas.geoseries import GeoSeries
from pyproj import CRS
from pyproj.exceptions import ProjError

from ..errors import DataError, OptionError
from .vector_file import check_vector_file, is_parquet, read_table, vector_layers

_WHAT = "polygon layer"

#: Vertices are added to longer edges before a layer is moved into another CRS, as a share of its extent.
_EDGES_PER_EXTENT = 1000


def read_polygons(path: str | Path, crs: CRS, layer: str | None = None) -> GeoDataFrame:
    """Read a polygon layer.

    Args:
        path: Any vector file that GDAL reads, or GeoParquet.
        crs: CRS to move the polygons into.
        layer: Name of the layer, where the file holds several.

    Returns:
        The attributes and valid polygons or multipolygons in ``crs``; the index counts from 0.

    Raises:
        MissingFileError: There is no such file.
        OptionError: The file holds several layers and none is named, or not the one that is.
        DataError: It cannot be read, has no CRS, holds no features, something else than polygons, or
            coordinates that have no place in ``crs``.
    """
    file = Path(path)
    check_vector_file(file, _WHAT)
    if layer is None and not is_parquet(file):
        layer = _layer_of(file)
    table = read_table(file, layer, _WHAT)
    if not isinstance(table, GeoDataFrame) or table.crs is None:
        raise DataError(
            f"Expected polygons with a CRS, but got none (in {file}). Assign it: ogr2ogr -a_srs EPSG:n."
        )
    if table.empty:
        raise DataError(f"Expected polygons, but got no features (in {file}). Check the layer.")
    kinds = table.geometry.geom_type.fillna("no geometry")
    wrong = ~kinds.isin(("Polygon", "MultiPolygon"))
    if wrong.any():
        found = ", ".join(f"{count} {kind}" for kind, count in kinds[wrong].value_counts().items())
        raise DataError(
            f"Expected polygons, but got {found} (in {file}, first feature {int(wrong.to_numpy().argmax())})."
            " Remove these features, or give another layer."
        )
    _check_finite(table, "finite coordinates", file)
    return _moved(table, crs, file)


def _layer_of(file: Path) -> str:
    """Find the one layer with geometry."""
    spatial = [name for name, has_geometry in vector_layers(file, _WHAT).items() if has_geometry]
    if len(spatial) != 1:
        raise OptionError(
            f"Expected one layer with geometry, but got {', '.join(spatial) or 'none'} (in {file}). "
            "Name it: --layer NAME."
        )
    return spatial[0]


def _check_finite(layer: GeoDataFrame, what: str, file: Path) -> None:
    """Refuse coordinates that are infinite or no number: PROJ returns such where it has no answer."""
    wrong = shapely.is_empty(layer.geometry.to_numpy())
    wrong = ~np.isfinite(layer.geometry.bounds.to_numpy()).all(axis=1) & ~wrong
    if wrong.any():
        raise DataError(
            f"Expected polygons of {what}, but {wrong.sum()} have others (in {file}, first feature "
            f"{int(wrong.argmax())}). Check the coordinates and the CRS of the layer."
        )


def _moved(layer: GeoDataFrame, crs: CRS, file: Path) -> GeoDataFrame:
    """Return the polygons in another CRS, long edges bent as they are on the ground, and valid."""
    table: GeoDataFrame = layer.reset_index(drop=True)
    if not CRS(table.crs).equals(crs, ignore_axis_order=True):
        left, bottom, right, top = table.total_bounds
        longest = max(right - left, top - bottom) / _EDGES_PER_EXTENT
        if longest > 0:
            table = table.set_geometry(table.geometry.segmentize(longest), crs=table.crs)  # type: ignore[assignment]  # not in place
        try:
            table = table.to_crs(crs)
        except ProjError as error:
            raise DataError(
                f"Expected polygons that can be moved into {crs.name}, but got: {error} (in {file})."
            ) from error
        _check_finite(table, f"coordinates that lie where {crs.name} is defined", file)
    if not table.geometry.is_valid.all():
        repaired = shapely.make_valid(table.geometry.to_numpy(), method="structure", keep_collapsed=False)
        table = table.set_geometry(GeoSeries(repaired, index=table.index, crs=table.crs))  # type: ignore[assignment]
    return table


__all__ = ("read_polygons",)
