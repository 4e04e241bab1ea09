"""Vector files: their layers and columns, read by GDAL or, GeoParquet, by Arrow."""

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyogrio
import rasterio.crs
import shapely
from geopandas.geodataframe import GeoDataFrame
from geopandas.io.arrow import _read_parquet  # geopandas.read_parquet, which has no types
from numpy.typing import NDArray
from pandas import DataFrame
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.errors import CRSError as UnknownToGDAL
from shapely.errors import GEOSException

from ..errors import DataError, MissingFileError, OptionError, list_some

if TYPE_CHECKING:
    from pyarrow.lib import Field, Schema

#: What counts as a file of polygons.
VECTOR_SUFFIXES = (".gpkg", ".shp", ".fgb", ".geojson", ".json", ".parquet", ".geoparquet")
_PARQUET_SUFFIXES = (".parquet", ".geoparquet")
#: Kinds of geometry that cover ground.
POLYGON_TYPES = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
#: Stands in a GeoPackage in place of the time of writing, so that the same tables give the same file.
TIMESTAMP = "2000-01-01T00:00:00.000Z"
#: Where the header of SQLite counts the transactions, and repeats the count for which the rest of it holds.
_COUNTERS = (24, 92)


def is_vector(path: str | os.PathLike[str]) -> bool:
    """Tell by its name whether a path is a vector file, or ``FILE|LAYER``."""
    return Path(split_layer(os.fspath(path))[0]).suffix.lower() in VECTOR_SUFFIXES


def is_parquet(path: str | os.PathLike[str]) -> bool:
    """Tell by its name whether a file is GeoParquet, which has one layer without a name."""
    return os.fspath(path).lower().endswith(_PARQUET_SUFFIXES)


def split_layer(path: str) -> tuple[str, str | None]:
    """Split ``FILE|LAYER`` or QGIS's ``FILE|layername=LAYER``; the layer is None where none is named."""
    file, _, layer = path.partition("|")
    return file, layer.removeprefix("layername=") or None


def check_vector_file(file: str | os.PathLike[str], what: str) -> None:
    """Refuse what is no file, nor a folder that GDAL takes for one: a pipe would keep it waiting for ever.

    Raises:
        MissingFileError: It does not exist.
        DataError: It is no file.
    """
    path = Path(file)
    if not path.exists():
        raise MissingFileError(f"Expected {path} to be a {what}, but it does not exist. Check the path.")
    if not (path.is_file() or path.is_dir()):
        raise unreadable(path, what, OSError("it is a pipe or a device. Copy it into a file first"))


def vector_layers(file: str | os.PathLike[str], what: str) -> dict[str, bool]:
    """List the layers of a file that is no GeoParquet, and whether each has geometry.

    Raises:
        DataError: It cannot be read.
    """
    try:
        listed = pyogrio.list_layers(file).tolist()  # type: ignore[no-untyped-call]
    except (DataSourceError, OSError) as error:
        raise unreadable(file, what, error) from error
    return {str(name): kind is not None for name, kind in listed}


def columns_of(file: str | os.PathLike[str], layer: str | None, what: str) -> list[str]:
    """List the columns of a layer besides its geometry.

    Raises:
        DataError: It cannot be read.
    """
    try:
        if is_parquet(file):
            names, geometry = _parquet_schema(file)
            return [name for name in names if name != geometry]
        return list(pyogrio.read_info(file, layer=layer)["fields"])  # type: ignore[no-untyped-call]
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        raise unreadable(file, what, error) from error


def read_table(
    file: str | os.PathLike[str],
    layer: str | None,
    what: str,
    columns: Sequence[str] | None = None,
) -> GeoDataFrame | DataFrame:
    """Read a layer.

    Args:
        file: A vector file.
        layer: Its layer; of GeoParquet None.
        what: What it is expected to be, for the message.
        columns: Columns to read besides the geometry, None for all.

    Returns:
        Geometry without height where the layer has any; the index is the number of the feature.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return _read_by_arrow(file, columns) if is_parquet(file) else _read_by_gdal(file, layer, columns)
    except CRSError:
        return _read_with_new_crs(file, layer, columns, what)
    except GEOSException as error:
        reason = f"a ring has too few corners or is not closed ({str(error).strip()})"
        raise unreadable(file, what, ValueError(reason)) from error
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        raise unreadable(file, what, error) from error


def read_features(
    file: str | os.PathLike[str],
    layer: str | None,
    what: str,
    columns: Sequence[str] | None = None,
    kinds: Sequence[int] = POLYGON_TYPES,
    with_empty: bool = False,
) -> GeoDataFrame:
    """Read a layer as :func:`read_table` does, all of whose features have a place on the Earth.

    Args:
        file: A vector file.
        layer: Its layer; of GeoParquet None.
        what: What it is expected to be, for the message.
        columns: Columns to read besides the geometry, None for all.
        kinds: Types of geometry that are taken.
        with_empty: Take geometries without a point, too.

    Raises:
        DataError: It cannot be read, has no CRS or no features, or some of them cannot be taken; these are
            counted and named.
    """
    table = read_table(file, layer, what, columns)
    if not isinstance(table, GeoDataFrame) or table.crs is None:
        raise DataError(
            f"Expected polygons with a CRS, but got none (in {file}). Assign it: ogr2ogr -a_srs EPSG:CODE."
        )
    if table.empty:
        raise DataError(f"Expected polygons, but got no features (in {file}). Check the layer.")
    geometry = shapely.force_2d(table.geometry.to_numpy())
    empty, other = shapely.is_empty(geometry), ~np.isin(shapely.get_type_id(geometry), kinds)
    names = table.geometry.geom_type.fillna("")
    faults = {
        "without geometry": shapely.is_missing(geometry) | (empty & (not with_empty)),
        **{kind: (names == kind).to_numpy() & other for kind in sorted(set(names[other]))},
        "with infinite coordinates": ~np.isfinite(shapely.bounds(geometry)).all(axis=1) & ~empty,
    }
    seen, found = np.zeros(len(geometry), dtype=np.bool_), []
    for fault, hit in faults.items():
        fresh = hit & ~seen
        seen |= hit
        if fresh.any():
            listed = list_some(table.index[fresh].tolist(), 5)
            found.append(f"{fresh.sum()} {fault} (feature {listed})")
    if found:
        raise DataError(
            f"Expected polygons, but got {', '.join(found)} (in {file}). Remove these features, or give "
            "another layer."
        )
    table[table.geometry.name] = geometry
    return table


def mended(geometry: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Repair polygons whose rings cross themselves; say which (n,) these are."""
    broken = ~shapely.is_valid(geometry) & np.isin(shapely.get_type_id(geometry), POLYGON_TYPES)
    repaired = geometry.copy()
    repaired[broken] = shapely.make_valid(geometry[broken], method="structure", keep_collapsed=False)
    return repaired, broken


def _read_by_arrow(file: str | os.PathLike[str], columns: Sequence[str] | None) -> GeoDataFrame:
    """Read GeoParquet, or Parquet whose own GEOMETRY type says what GeoParquet says in its metadata."""
    names, geometry = _parquet_schema(file)
    if geometry not in names:
        raise ValueError(
            "it has neither a column of Parquet's type GEOMETRY nor the metadata 'geo' of GeoParquet"
        )
    wanted = None if columns is None else [*columns, geometry]
    table: GeoDataFrame
    if _has_geo_metadata(file):
        table = _read_parquet(file, columns=wanted)  # type: ignore[no-untyped-call]
    else:
        from pyarrow.parquet import read_table as read_native

        native = read_native(file, columns=wanted)  # type: ignore[no-untyped-call]
        table = GeoDataFrame.from_arrow(native, geometry=geometry)
    return table.reset_index(drop=True)


def _read_by_gdal(
    file: str | os.PathLike[str], layer: str | None, columns: Sequence[str] | None
) -> GeoDataFrame:
    table: GeoDataFrame = pyogrio.read_dataframe(  # type: ignore[no-untyped-call]
        file,
        layer,
        columns=None if columns is None else list(columns),
        fid_as_index=True,
        force_2d=True,
    )
    return table


def _read_with_new_crs(
    file: str | os.PathLike[str], layer: str | None, columns: Sequence[str] | None, what: str
) -> GeoDataFrame:
    """Read a layer whose CRS has a code that GDAL knows and pyproj, being older, does not.

    Raises:
        DataError: GDAL does not know it either.
    """
    meta, table = pyogrio.read_arrow(  # type: ignore[no-untyped-call]
        file, layer, columns=None if columns is None else list(columns), return_fids=True
    )
    try:
        crs = CRS.from_wkt(rasterio.crs.CRS.from_user_input(meta["crs"]).to_wkt())
    except (CRSError, UnknownToGDAL) as error:
        reason = ValueError(
            f"its CRS {meta['crs']} is not known here. Reproject it: ogr2ogr -t_srs EPSG:4326"
        )
        raise unreadable(file, what, reason) from error
    frame = table.to_pandas()
    stored = frame.pop(meta["geometry_name"] or "wkb_geometry").to_numpy()
    geometry = shapely.force_2d(shapely.from_wkb(stored))
    frame.index = frame.pop(meta["fid_column"] or "OGC_FID").rename("fid")
    return GeoDataFrame(frame, geometry=geometry, crs=crs)


def require_columns(present: Sequence[str], columns: Sequence[str], file: str) -> None:
    """Refuse a layer without some columns.

    Raises:
        OptionError: Columns are missing; those that there are, are named.
    """
    missing = [name for name in columns if name not in present]
    if missing:
        raise OptionError(
            f"Expected columns {listed(columns)}, but {listed(missing)} is missing (in {file}). "
            f"There are: {listed(present, 40)}."
        )


def listed(names: Sequence[str], most: int = 10) -> str:
    """Name the first of many."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def unreadable(file: str | os.PathLike[str], what: str, error: Exception) -> DataError:
    """Return the error for a file that cannot be read, in one line."""
    reason = " ".join(str(error).split()).rstrip(".")
    if "database is locked" in reason:
        reason = "another program (QGIS?) is writing to it. Save and close it there, or copy the file"
    return DataError(f"Expected {os.fspath(file)} to be a readable {what}, but: {reason}.")


def _parquet_schema(file: str | os.PathLike[str]) -> tuple[list[str], str]:
    """Return the names of the columns of a Parquet file, and of that with its geometry."""
    schema = _schema_of(file)
    geo = json.loads((schema.metadata or {}).get(b"geo", b"{}"))
    native = next((field.name for field in schema if _is_geometry(field)), "geometry")
    return list(schema.names), str(geo.get("primary_column", native))


def _has_geo_metadata(file: str | os.PathLike[str]) -> bool:
    return b"geo" in (_schema_of(file).metadata or {})


def _schema_of(file: str | os.PathLike[str]) -> "Schema":
    from pyarrow.parquet import read_schema  # an install that only predicts may read other polygons without

    schema: Schema = read_schema(file)  # type: ignore[no-untyped-call]
    return schema


def _is_geometry(field: "Field") -> bool:
    """Tell whether a column is of Parquet's type GEOMETRY, whether Arrow knows that extension or not."""
    named = (field.metadata or {}).get(b"ARROW:extension:name", b"").decode()
    return str(getattr(field.type, "extension_name", named)).startswith("geoarrow.")


def forget_times(path: Path) -> None:
    """Put fixed numbers in place of times and count of writings of a GeoPackage that nobody has open."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE gpkg_contents SET last_change = ?", (TIMESTAMP,))
    with path.open("r+b") as file:
        for offset in _COUNTERS:
            file.seek(offset)
            file.write((1).to_bytes(4, "big"))
