"""PolygonTable: polygons of a vector file with the columns that say their classes, checked and repaired."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from geopandas.geodataframe import GeoDataFrame
from numpy.typing import NDArray
from pandas import DataFrame
from pyproj import CRS

from ..errors import DataError, MissingFileError, OptionError
from ..grid.longitudes import polygonal
from .attribute_classes import features
from .vector_file import (
    columns_of,
    is_parquet,
    listed,
    read_table,
    require_columns,
    split_layer,
    vector_layers,
)

_WHAT = "file of polygons"
_POLYGON_TYPES = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
_LABEL_TYPES = (
    *_POLYGON_TYPES,
    shapely.GeometryType.POINT,
    shapely.GeometryType.MULTIPOINT,
    shapely.GeometryType.LINESTRING,
    shapely.GeometryType.LINEARRING,
    shapely.GeometryType.MULTILINESTRING,
)


@dataclass(frozen=True)
class PolygonTable:
    """Polygons of one layer, or polygons, lines and points.

    Attributes:
        path: The file.
        crs: Their CRS.
        polygons: (P,) valid geometries without height: polygons and multipolygons, or what else was allowed.
        columns: (P) values of the columns asked for.
        ids: (P,) feature numbers, as GIS programs show them.
        repaired: Which polygons had to be repaired, in words; None where none had.
    """

    path: str
    crs: CRS
    polygons: NDArray[np.object_]
    columns: DataFrame
    ids: NDArray[np.int64]
    repaired: str | None = None


def read_polygon_table(path: str, columns: Sequence[str], polygons_alone: bool = True) -> PolygonTable:
    """Read a layer: what cannot be a label is refused, invalid rings are repaired.

    Args:
        path: A vector file, or ``FILE|LAYER``.
        columns: Columns to read.
        polygons_alone: False to take lines and points, too.

    Raises:
        MissingFileError: There is no such file.
        OptionError: There are no such columns, or several layers have them.
        DataError: The file cannot be read, has no CRS, or holds something else than polygons.
    """
    file, layer = split_layer(path)
    if not os.path.isfile(file):
        raise MissingFileError(f"Expected {file} to exist, but nothing is there. Check the path.")
    if not is_parquet(file) and layer is None:
        layer = _layer_with(file, columns)
    require_columns(columns_of(file, layer, _WHAT), columns, file)
    frame = read_table(file, layer, _WHAT, columns)
    if not isinstance(frame, GeoDataFrame) or frame.crs is None:
        raise DataError(
            f"Expected polygons with a CRS, but got none (in {file}). Write it: ogr2ogr -a_srs EPSG:CODE."
        )
    if not len(frame):
        raise DataError(f"Expected polygons, but got an empty layer (in {file}).")
    geometry = shapely.force_2d(frame.geometry.to_numpy())
    ids = frame.index.to_numpy().astype(np.int64)
    _refuse_others(geometry, ids, file, _POLYGON_TYPES if polygons_alone else _LABEL_TYPES)
    polygons, repaired = _repaired(geometry, ids, file)
    return PolygonTable(
        path=file,
        crs=CRS.from_user_input(frame.crs),
        polygons=polygons,
        columns=frame[list(columns)],
        ids=ids,
        repaired=repaired,
    )


def _layer_with(file: str, columns: Sequence[str]) -> str:
    """Find the one layer that has geometry and the columns."""
    layers = vector_layers(file, _WHAT)
    spatial = [name for name, has_geometry in layers.items() if has_geometry]
    if len(layers) < 2:
        return next(iter(layers), "")
    fit = [name for name in spatial if set(columns) <= set(columns_of(file, name, _WHAT))]
    if len(fit) != 1:
        raise OptionError(
            f"Expected one layer with {listed(columns)}, but got {len(fit)} of {len(spatial)} (in {file}). "
            f"Name it: '{file}|LAYER', LAYER one of {listed(spatial)}."
        )
    return fit[0]


def _refuse_others(
    geometry: NDArray[np.object_], ids: NDArray[np.int64], file: str, allowed: Sequence[int]
) -> None:
    faults = {
        "without geometry": shapely.is_missing(geometry) | shapely.is_empty(geometry),
        "that are no polygons": ~np.isin(shapely.get_type_id(geometry), (-1, *allowed)),
        "with infinite coordinates": ~np.isfinite(shapely.bounds(geometry)).all(axis=1),
    }
    seen = np.zeros(len(geometry), dtype=bool)
    found = []
    for what, hit in faults.items():
        fresh = hit & ~seen
        seen |= hit
        if fresh.any():
            found.append(f"{fresh.sum()} {what} ({features(ids[fresh])})")
    if found:
        raise DataError(
            f"Expected polygons, but got {', '.join(found)} (in {file}). Remove these features from the file."
        )


def _repaired(
    geometry: NDArray[np.object_], ids: NDArray[np.int64], file: str
) -> tuple[NDArray[np.object_], str | None]:
    broken = ~shapely.is_valid(geometry) & np.isin(shapely.get_type_id(geometry), _POLYGON_TYPES)
    if not broken.any():
        return geometry, None
    reason = shapely.is_valid_reason(geometry[broken][0]).split("[")[0]
    geometry = geometry.copy()
    geometry[broken] = [polygonal(whole) for whole in shapely.make_valid(geometry[broken])]
    lost = broken & shapely.is_empty(geometry)
    vanished = f"; {lost.sum()} of them have no area and label nothing" if lost.any() else ""
    words = f"Repaired {broken.sum()} polygons ({features(ids[broken])}) of {file}: {reason}{vanished}."
    return geometry, words
