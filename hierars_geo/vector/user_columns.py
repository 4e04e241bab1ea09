"""Columns of a user's layer, made such that a format can hold them beside those that are added."""

import json
from collections.abc import Collection
from datetime import date, time
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.lib as pa
from geopandas.geodataframe import GeoDataFrame

from ..errors import notice

#: Names that a format takes for itself. GeoPackage (SQLite) does not tell capitals from small letters.
RESERVED = {".gpkg": ("fid", "geom"), ".parquet": ("bbox",)}
_PLAIN = (str, bytes, bool, int, float, date, time, np.generic)


def fit_columns(table: GeoDataFrame, added: Collection[str], suffix: str) -> GeoDataFrame:
    """Rename columns that a format has no room for, and write values that it lacks as JSON text.

    A name that the format reserves, that another column has, or that a column to come will have gets ``_``
    appended. What was changed is said in a :class:`.DataNotice`.

    Args:
        table: A layer as it was read.
        added: Names of columns that will be added to it.
        suffix: Of the file to write: ``.gpkg``, ``.parquet`` or ``.csv``.

    Returns:
        The layer with such columns, in the same order.
    """
    own = [str(name) for name in table.columns if name != table.geometry.name]
    names = free_names(own, [*added, *RESERVED.get(suffix, ())], suffix)
    fitted: GeoDataFrame = table.rename(columns=dict(zip(own, names, strict=True)))
    as_text = []
    for place, name in enumerate(fitted.columns):
        if name != fitted.geometry.name and not _fits(fitted.iloc[:, place], suffix):
            fitted[name] = [_json(value) for value in fitted.iloc[:, place]]
            as_text.append(name)
    renamed = [f"'{old}' to '{new}'" for old, new in zip(own, names, strict=True) if old != new]
    if renamed:
        notice(f"Renamed columns that {suffix[1:]} has no room for: {', '.join(renamed)}.")
    if as_text:
        notice(f"Wrote the values of columns that {suffix[1:]} cannot hold as JSON: {', '.join(as_text)}.")
    return fitted


def free_names(names: Collection[str], taken: Collection[str], suffix: str) -> list[str]:
    """Append ``_`` to names that are taken, as a format compares them, until all are different.

    Examples:
        >>> free_names(["fid", "Name", "NAME"], ["fid"], ".gpkg")
        ['fid_', 'Name', 'NAME_']
    """
    fold = str.casefold if suffix == ".gpkg" else str
    gone = {fold(name) for name in taken}
    free = []
    for name in names:
        while fold(name) in gone:
            name += "_"
        gone.add(fold(name))
        free.append(name)
    return free


def _fits(column: pd.Series, suffix: str) -> bool:
    """Tell whether a format can hold a column as it is."""
    if suffix == ".parquet":
        try:
            pa.array(column, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            return False
        return True
    if column.dtype.kind in "cm" or isinstance(column.dtype, pd.PeriodDtype | pd.IntervalDtype):
        return suffix != ".gpkg"
    if suffix != ".gpkg" or column.dtype != object:
        return True
    return all(isinstance(value, _PLAIN) or _is_missing(value) for value in column)


def _json(value: object) -> str | None:
    return None if _is_missing(value) else json.dumps(value, default=_plain, ensure_ascii=False)


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def _plain(value: Any) -> object:  # noqa: ANN401 (what json does not know)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return list(value) if isinstance(value, set | frozenset | tuple) else str(value)


__all__ = ("RESERVED", "fit_columns", "free_names")
