"""PolygonTable: polygons of a vector file with the columns that say their classes, checked and repaired."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow.lib
import pyarrow.parquet
import pyogrio
import pyogrio.errors
import shapely
from geopandas.geodataframe import GeoDataFrame
from numpy.typing import NDArray
from pandas import DataFrame
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ..errors import DataError, MissingFileError, OptionError
from .notices import notice
from .raster_paths import Paths, find_rasters

#: What counts as a file of polygons.
VECTOR_SUFFIXES = (".gpkg", ".shp", ".fgb", ".geojson", ".json", ".parquet", ".geoparquet")
_POLYGON_TYPES = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@dataclass(frozen=True)
class PolygonTable:
    """Polygons of one layer.

    Attributes:
        path: The file.
        crs: Their CRS.
        polygons: (P,) valid polygons and multipolygons without height.
        columns: (P) values of the columns asked for.
        ids: (P,) feature numbers, as GIS programs show them.
    """

    path: str
    crs: CRS
    polygons: NDArray[np.object_]
    columns: DataFrame
    ids: NDArray[np.int64]


def is_vector(path: str | os.PathLike[str]) -> bool:
    """Tell by its name whether a path is a file of polygons, or ``FILE|LAYER``."""
    return Path(split_layer(os.fspath(path))[0]).suffix.lower() in VECTOR_SUFFIXES


def split_layer(path: str) -> tuple[str, str | None]:
    """Split ``FILE|LAYER`` or QGIS's ``FILE|layername=LAYER``; the layer is None where none is named."""
    file, _, layer = path.partition("|")
    return file, layer.removeprefix("layername=") or None


def find_vectors(paths: Paths) -> list[str]:
    """List vector files, as :func:`find_rasters` lists rasters; ``|LAYER`` stays with the file.

    Raises:
        MissingFileError: Something named does not exist, or holds no vector file.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    found: list[str] = []
    for path in [os.fspath(one) for one in given]:
        file, layer = split_layer(path)
        found += [path] if layer and os.path.isfile(file) else find_rasters([file], VECTOR_SUFFIXES)[0]
    if not found:
        raise MissingFileError("Expected at least one file of polygons, but got an empty list.")
    return list(dict.fromkeys(found))


def read_polygons(path: str, columns: Sequence[str]) -> PolygonTable:
    """Read a layer: what cannot be a label is refused, invalid rings are repaired with a notice.

    Args:
        path: A vector file, or ``FILE|LAYER``.
        columns: Columns to read.

    Raises:
        MissingFileError: There is no such file.
        OptionError: There are no such columns, or several layers have them.
        DataError: The file cannot be read, has no CRS, or holds something else than polygons.
    """
    file, layer = split_layer(path)
    if not os.path.isfile(file):
        raise MissingFileError(f"Expected {file} to exist, but nothing is there. Check the path.")
    try:
        frame = _read_frame(file, layer, columns)
    except (pyogrio.errors.DataSourceError, pyarrow.lib.ArrowInvalid, OSError, ValueError) as error:
        if isinstance(error, OptionError):
            raise
        reason = " ".join(str(error).split())
        raise DataError(f"Expected {file} to be a readable file of polygons, but: {reason}.") from error
    if frame.crs is None:
        raise DataError(
            f"Expected polygons with a CRS, but got none (in {file}). Write it: ogr2ogr -a_srs EPSG:CODE."
        )
    if not len(frame):
        raise DataError(f"Expected polygons, but got an empty layer (in {file}).")
    geometry = shapely.force_2d(frame.geometry.to_numpy())
    ids = frame.index.to_numpy().astype(np.int64)
    _refuse_others(geometry, ids, file)
    return PolygonTable(
        path=file,
        crs=CRS.from_user_input(frame.crs),
        polygons=_repaired(geometry, ids, file),
        columns=frame[list(columns)],
        ids=ids,
    )


def _read_frame(file: str, layer: str | None, columns: Sequence[str]) -> GeoDataFrame:
    if file.lower().endswith((".parquet", ".geoparquet")):
        schema = pyarrow.parquet.read_schema(file)  # type: ignore[no-untyped-call]
        _require_columns(schema.names, columns, file)
        geometry = json.loads((schema.metadata or {}).get(b"geo", b"{}")).get("primary_column", "geometry")
        frame: GeoDataFrame = gpd.read_parquet(file, columns=[*columns, geometry])  # type: ignore[attr-defined, no-untyped-call]
        return frame.reset_index(drop=True)
    layer = _layer_with(file, columns) if layer is None else layer
    _require_columns(_fields(file, layer), columns, file)
    read: GeoDataFrame = pyogrio.read_dataframe(file, layer, columns=list(columns), fid_as_index=True)  # type: ignore[no-untyped-call]
    return read


def _layer_with(file: str, columns: Sequence[str]) -> str:
    """Find the one layer that has geometry and the columns."""
    listed = pyogrio.list_layers(file).tolist()  # type: ignore[no-untyped-call]
    layers = [str(name) for name, kind in listed if kind is not None]
    if len(listed) < 2:
        return str(listed[0][0])
    fit = [name for name in layers if set(columns) <= set(_fields(file, name))]
    if len(fit) != 1:
        raise OptionError(
            f"Expected one layer with {_listed(columns)}, but got {len(fit)} of {len(layers)} (in {file}). "
            f"Name it: '{file}|LAYER', LAYER one of {_listed(layers)}."
        )
    return fit[0]


def _fields(file: str, layer: str) -> list[str]:
    return list(pyogrio.read_info(file, layer=layer)["fields"])  # type: ignore[no-untyped-call]


def _require_columns(present: Sequence[str], columns: Sequence[str], file: str) -> None:
    missing = [name for name in columns if name not in present]
    if missing:
        raise OptionError(
            f"Expected columns {_listed(columns)}, but {_listed(missing)} is missing (in {file}). "
            f"There are: {_listed(present, 40)}."
        )


def _refuse_others(geometry: NDArray[np.object_], ids: NDArray[np.int64], file: str) -> None:
    faults = {
        "without geometry": shapely.is_missing(geometry) | shapely.is_empty(geometry),
        "that are no polygons": ~np.isin(shapely.get_type_id(geometry), (-1, *_POLYGON_TYPES)),
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


def _repaired(geometry: NDArray[np.object_], ids: NDArray[np.int64], file: str) -> NDArray[np.object_]:
    broken = ~shapely.is_valid(geometry)
    if broken.any():
        reason = shapely.is_valid_reason(geometry[broken][0]).split("[")[0]
        geometry = geometry.copy()
        geometry[broken] = [polygonal(whole) for whole in shapely.make_valid(geometry[broken])]
        lost = broken & shapely.is_empty(geometry)
        vanished = f"; {lost.sum()} of them have no area and label nothing" if lost.any() else ""
        notice(f"Repaired {broken.sum()} polygons ({features(ids[broken])}) of {file}: {reason}{vanished}.")
    return geometry


def polygonal(geometry: BaseGeometry) -> BaseGeometry:
    """Return the polygons of a geometry, without the lines and points that cutting may leave."""
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    parts = shapely.get_parts(shapely.get_parts(geometry))  # a collection may hold multipolygons
    kept = [part for part in parts if part.geom_type == "Polygon"]
    return shapely.MultiPolygon(kept)


def features(ids: NDArray[np.int64], most: int = 5) -> str:
    """Name the first features."""
    return f"feature {', '.join(map(str, ids[:most].tolist()))}{', ...' if len(ids) > most else ''}"


def _listed(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


__all__ = (
    "VECTOR_SUFFIXES",
    "PolygonTable",
    "features",
    "find_vectors",
    "is_vector",
    "polygonal",
    "read_polygons",
    "split_layer",
)
