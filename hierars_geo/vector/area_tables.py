"""Area tables: how much of each class lies in each polygon of a user's layer, and what is there most."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.lib as pa
from geopandas.geodataframe import GeoDataFrame
from numpy.typing import NDArray

from ..errors import OptionError, notice
from ..maps import Maps, MapSource
from ..output import atomic_path, check_writable_folder, refuse_existing
from ..polygons.moved_polygons import onto_map, read_layer
from ..taxonomy import Taxonomy
from ..types import Progress
from .areas import polygon_areas_m2
from .geopackage import LayerStyle, write_tables
from .zonal import ZonalAreas, check_measurable, zonal_areas

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


_CLASS_COLUMNS = ("level", "class_value", "class_name", "area_m2", "area_ha", "share", "confidence")
_SUFFIXES = (".csv", ".gpkg", ".parquet")
_M2_PER_HA = 1e4


def layer_on_maps(
    maps: Maps, polygons: str | Path, layer: str | None, target: Path, overwrite: bool
) -> tuple[GeoDataFrame, GeoDataFrame]:
    """Read a user's layer as it was drawn, and as it lies on the maps, once its table can be written.

    Raises:
        OptionError: An unknown format.
        HieraRSError: The polygons cannot be read or touch no map, or the table cannot be written.
    """
    if target.suffix.lower() not in _SUFFIXES:
        raise OptionError(f"Expected the output to end in {', '.join(_SUFFIXES)}, but got '{target.name}'.")
    drawn = read_layer(polygons, layer)
    moved = onto_map(drawn, maps.grid, polygons)
    check_measurable(moved, maps.grid, str(polygons))
    check_writable_folder(target.parent)
    refuse_existing([target], overwrite, [polygons, *maps.files])
    return drawn, moved


def with_columns(table: GeoDataFrame, columns: Mapping[str, object]) -> GeoDataFrame:
    """Add columns to a layer; nothing of its own is lost."""
    joined = pd.concat([table, pd.DataFrame(columns, index=table.index)], axis=1)
    return GeoDataFrame(joined, geometry=table.geometry.name, crs=table.crs)


def write_layers(
    target: Path, rows: pd.DataFrame, layers: Mapping[str, pd.DataFrame], styles: Sequence[LayerStyle] = ()
) -> None:
    """Write rows as CSV, the first layer as GeoParquet, or all layers as a GeoPackage, by the suffix."""
    polygons = next(iter(layers.values()))
    with atomic_path(target) as path:
        if target.suffix.lower() == ".csv":
            rows.to_csv(path, index=False, float_format="%.10g", lineterminator="\n")
        elif target.suffix.lower() == ".parquet":
            polygons.to_parquet(path, index=False, schema_version="1.1.0", write_covering_bbox=True)
        else:
            multi = polygons.geometry.geom_type.eq("MultiPolygon").any()
            write_tables(path, layers, "MultiPolygon" if multi else "Polygon", styles)


@dataclass(frozen=True)
class AreaTables:
    """Areas per polygon.

    Attributes:
        classes: One row per polygon, level and class that occurs: the id, ``level``, ``class_value``,
            ``class_name``, ``area_m2``, ``area_ha``, ``share`` (of the mapped ground in the polygon, 0..1)
            and ``confidence`` (mean, per cent).
        polygons: One row per polygon, with all its attributes and its geometry in the CRS of the maps:
            ``polygon_m2``, ``mapped_m2``, ``outside_share`` (of the mapped ground, outside the area of
            applicability, where the maps have one), and per level ``L1_class`` (that of most ground),
            ``L1_value``, ``L1_share`` and ``L1_confidence``.
    """

    classes: pd.DataFrame
    polygons: GeoDataFrame


def class_areas(
    source: MapSource,
    polygons: str | Path,
    out: str | Path,
    taxonomy: Taxonomy | str | Path | None = None,
    levels: Iterable[int] | None = None,
    layer: str | None = None,
    id_column: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> AreaTables:
    """Measure the classes of a scene's maps inside polygons and write the tables.

    Args:
        source: Maps of one scene: a folder that predict wrote to, or a class raster.
        polygons: Layer of administrative units, fields, ...; any CRS.
        out: ``.csv`` for the rows per class; ``.gpkg`` for layers ``polygons`` and ``classes``; ``.parquet``
            (GeoParquet 1.1) for the rows per polygon.
        taxonomy: The class tree; default what comes with the maps.
        levels: Levels to measure; default all.
        layer: Layer of ``polygons``, where there are several.
        id_column: Column that names a polygon; default the row number, as ``polygon``.
        overwrite: Replace a file that exists.
        progress: Called with (polygons done, polygons in all).

    Raises:
        OptionError: An unknown format, level or column.
        HieraRSError: Maps or polygons cannot be read or do not overlap, or the table cannot be written.
    """
    target, opened = Path(out), Maps.open(source, taxonomy)
    tree = opened.taxonomy
    with opened.scene.open() as maps:
        finest = maps.decoder.paths.shape[1]
        chosen = tuple(range(1, finest + 1)) if levels is None else tuple(sorted(set(levels)))
        if not chosen or chosen[0] < 1 or chosen[-1] > finest:
            raise OptionError(f"Expected levels within 1..{finest}, but got {list(chosen)}.")
        drawn, table = layer_on_maps(opened, polygons, layer, target, overwrite)
        ids = _ids(table, id_column, polygons)
        table = fit_columns(
            table, _added_columns(chosen, maps.applicability is not None), target.suffix.lower()
        )
        measured = zonal_areas(maps, table, chosen, progress)
    whole_m2 = polygon_areas_m2(drawn.geometry.to_numpy(), drawn.crs)  # as they were drawn, not as moved
    tables = AreaTables(
        _class_rows(ids, measured, tree, target.suffix.lower()),
        _polygon_rows(table, whole_m2, measured, tree),
    )
    write_layers(target, tables.classes, {"polygons": tables.polygons, "classes": tables.classes})
    return tables


def _ids(table: GeoDataFrame, column: str | None, origin: str | Path) -> pd.Series:
    if column is None:
        return pd.Series(np.arange(len(table)), name="polygon")
    if column not in table.columns or column == table.geometry.name:
        known = ", ".join(str(name) for name in table.columns if name != table.geometry.name)
        raise OptionError(f"Expected a column of {origin} ({known}), but got '{column}'.")
    found: pd.Series = table[column]
    return found


def _class_rows(
    ids: pd.Series, measured: tuple[ZonalAreas, ...], tree: Taxonomy, suffix: str
) -> pd.DataFrame:
    (id_name,) = free_names([str(ids.name)], (*_CLASS_COLUMNS, *RESERVED.get(suffix, ())), suffix)
    parts = []
    for areas in measured:
        row, index = np.nonzero(areas.area_m2 > 0)
        area_m2 = areas.area_m2[row, index]
        parts.append(
            pd.DataFrame(
                {
                    id_name: ids.to_numpy()[row],
                    "level": areas.level,
                    "class_value": np.array(tree.class_values(areas.level))[index],
                    "class_name": np.array(tree.class_names(areas.level), dtype=object)[index],
                    "area_m2": area_m2,
                    "area_ha": area_m2 / _M2_PER_HA,
                    "share": area_m2 / areas.area_m2.sum(axis=1)[row],
                    "confidence": areas.confidence[row, index],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _polygon_rows(
    table: GeoDataFrame, whole_m2: NDArray[np.float64], measured: tuple[ZonalAreas, ...], tree: Taxonomy
) -> GeoDataFrame:
    """Add what a polygon holds and what it holds most."""
    columns: dict[str, object] = {
        "polygon_m2": whole_m2,
        "mapped_m2": (mapped_m2 := measured[0].area_m2.sum(axis=1)),
    }
    if (outside_m2 := measured[0].outside_m2) is not None:
        nothing = np.full(len(mapped_m2), np.nan)
        columns["outside_share"] = np.divide(outside_m2, mapped_m2, out=nothing, where=mapped_m2 > 0)
    for areas in measured:
        columns |= _majority(areas, tree)
    return with_columns(table, columns)


def _added_columns(levels: Sequence[int], applicability: bool) -> list[str]:
    """Name the columns that :func:`_polygon_rows` adds."""
    what = ("class", "value", "share", "confidence")
    whole = ["polygon_m2", "mapped_m2", *(["outside_share"] if applicability else [])]
    return [*whole, *(f"L{level}_{name}" for level in levels for name in what)]


def _majority(areas: ZonalAreas, tree: Taxonomy) -> dict[str, object]:
    level, rows = areas.level, np.arange(len(areas.area_m2))
    most = areas.area_m2.argmax(axis=1)
    total: NDArray[np.float64] = areas.area_m2.sum(axis=1)
    mapped = total > 0
    share = np.divide(areas.area_m2[rows, most], total, out=np.full(len(rows), np.nan), where=mapped)
    names = np.array(tree.class_names(level), dtype=object)[most]
    values = pd.array(np.array(tree.class_values(level))[most], dtype="Int32")
    values[~mapped] = pd.NA
    return {
        f"L{level}_class": np.where(mapped, names, None),
        f"L{level}_value": values,
        f"L{level}_share": share,
        f"L{level}_confidence": np.where(mapped, areas.confidence[rows, most], np.nan),
    }
