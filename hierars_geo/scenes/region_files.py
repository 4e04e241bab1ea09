"""Ground of the splits from vector files, in any CRS."""

import os
from pathlib import Path

import shapely
from geopandas.geodataframe import GeoDataFrame
from pandas import DataFrame
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ..errors import DataError
from ..grid.reprojection import move
from ..polygons.vector_file import check_vector_file, read_table, split_layer

#: Names of the splits in a file's column, as people write them.
_SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def read_region(path: str | os.PathLike[str], crs: CRS) -> BaseGeometry:
    """Read the union of a file's polygons.

    Args:
        path: Vector file, or ``FILE|LAYER``.
        crs: CRS to return them in.

    Raises:
        MissingFileError: It does not exist.
        DataError: It holds no polygon or has no CRS.
    """
    return _ground(_read(path), Path(path), crs)


def read_split_file(path: str | os.PathLike[str], crs: CRS, column: str = "split") -> dict[str, BaseGeometry]:
    """Read the ground of every split from one file.

    Args:
        path: Vector file whose column says ``train``, ``val`` or ``test`` (or ``validation``, ...) of every
            polygon.
        crs: CRS to return the ground in.
        column: Name of the column.

    Returns:
        Polygons of the splits that there are.

    Raises:
        MissingFileError: It does not exist.
        DataError: It has no such column or no CRS, names another split, or no polygon to train on.
    """
    frame = _read(path)
    if column not in frame.columns:
        raise DataError(
            f"Expected a column '{column}' that says train, val or test, but got "
            f"{', '.join(map(str, frame.columns))} (in {path}). Add the column."
        )
    words = frame[column].astype(str).str.strip().str.lower()
    known = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings}
    unknown = sorted(set(words) - set(known))
    if unknown:
        raise DataError(
            f"Expected column '{column}' to say train, val or test, but got {', '.join(unknown[:5])} "
            f"(in {path}). Correct the column."
        )
    parts = {
        name: _ground(frame[words.map(known) == name], Path(path), crs)
        for name in _SPELLINGS
        if (words.map(known) == name).any()
    }
    if "train" not in parts:
        raise DataError(f"Expected ground to train on, but got {', '.join(parts) or 'none'} (in {path}).")
    return parts


def _read(path: str | os.PathLike[str]) -> GeoDataFrame | DataFrame:
    file, layer = split_layer(os.fspath(path))
    check_vector_file(file, "file of polygons")
    return read_table(file, layer, "file of polygons")


def _ground(frame: GeoDataFrame | DataFrame, path: Path, crs: CRS) -> BaseGeometry:
    own = frame.crs if isinstance(frame, GeoDataFrame) else None
    shapes = frame.geometry if isinstance(frame, GeoDataFrame) else ()
    polygons = shapely.union_all([shape for shape in shapes if shape is not None])
    if own is None or polygons.area == 0:
        raise DataError(
            f"Expected polygons with a CRS, but got {len(frame)} features, CRS {own} (in {path})."
        )
    return move(polygons, CRS.from_user_input(own), crs)


__all__ = ("read_region", "read_split_file")
