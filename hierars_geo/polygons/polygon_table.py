"""PolygonTable: polygons of a vector file with the columns that say their classes, checked and repaired."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pandas import DataFrame
from pyproj import CRS

from ..errors import OptionError
from .attribute_classes import features
from .vector_file import (
    POLYGON_TYPES,
    check_vector_file,
    columns_of,
    is_parquet,
    listed,
    mended,
    read_features,
    require_columns,
    split_layer,
    vector_layers,
)

_WHAT = "file of polygons"
_LABEL_TYPES = (
    *POLYGON_TYPES,
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
    check_vector_file(file, _WHAT)
    if not is_parquet(file) and layer is None:
        layer = _layer_with(file, columns)
    require_columns(columns_of(file, layer, _WHAT), columns, file)
    frame = read_features(file, layer, _WHAT, columns, POLYGON_TYPES if polygons_alone else _LABEL_TYPES)
    geometry, ids = frame.geometry.to_numpy(), frame.index.to_numpy().astype(np.int64)
    polygons, broken = mended(geometry)
    repaired = None
    if broken.any():
        reason = shapely.is_valid_reason(geometry[broken][0]).split("[")[0]
        lost = shapely.is_empty(polygons)
        vanished = f"; {lost.sum()} of them have no area and label nothing" if lost.any() else ""
        repaired = (
            f"Repaired {broken.sum()} polygons ({features(ids[broken])}) of {file}: {reason}{vanished}."
        )
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
