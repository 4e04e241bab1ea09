"""Area tables: how much of each class lies in each polygon of a user's layer, and what is there most."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from geopandas.geodataframe import GeoDataFrame
from numpy.typing import NDArray

from ..errors import OptionError
from ..maps import Maps, MapSource
from ..output.output import atomic_path, check_writable_folder, refuse_existing
from ..polygons.moved_polygons import onto_map, read_layer
from ..taxonomy import Taxonomy
from .areas import polygon_areas_m2
from .geopackage import write_tables
from .user_columns import RESERVED, fit_columns, free_names
from .zonal import ZonalAreas, check_measurable, zonal_areas

_CLASS_COLUMNS = ("level", "class_value", "class_name", "area_m2", "area_ha", "share", "confidence")
_SUFFIXES = (".csv", ".gpkg", ".parquet")
_M2_PER_HA = 1e4


@dataclass(frozen=True)
class AreaTables:
    """Areas per polygon.

    Attributes:
        classes: One row per polygon, level and class that occurs: the id, ``level``, ``class_value``,
            ``class_name``, ``area_m2``, ``area_ha``, ``share`` (of the mapped ground in the polygon, 0..1)
            and ``confidence`` (mean, per cent).
        polygons: One row per polygon, with all its attributes and its geometry in the CRS of the maps:
            ``polygon_m2``, ``mapped_m2``, and per level ``L1_class`` (that of most ground), ``L1_value``,
            ``L1_share`` and ``L1_confidence``.
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
    progress: Callable[[int, int], None] | None = None,
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

    Returns:
        The tables.

    Raises:
        OptionError: An unknown format, level or column.
        HieraRSError: Maps or polygons cannot be read or do not overlap, or the table cannot be written.
    """
    target = Path(out)
    if target.suffix.lower() not in _SUFFIXES:
        raise OptionError(f"Expected the output to end in {', '.join(_SUFFIXES)}, but got '{target.name}'.")
    scene = Maps.open(source, taxonomy).scene
    tree = scene.taxonomy
    with scene.open() as maps:
        finest = maps.decoder.paths.shape[1]
        chosen = tuple(range(1, finest + 1)) if levels is None else tuple(sorted(set(levels)))
        if not chosen or chosen[0] < 1 or chosen[-1] > finest:
            raise OptionError(f"Expected levels within 1..{finest}, but got {list(chosen)}.")
        drawn = read_layer(polygons, layer)
        table = onto_map(drawn, maps.grid, polygons)
        ids = _ids(table, id_column, polygons)
        check_measurable(table, maps.grid, str(polygons))
        check_writable_folder(target.parent)
        refuse_existing([target], overwrite, [polygons, *scene.files])
        table = fit_columns(table, _added_columns(chosen), target.suffix.lower())
        measured = zonal_areas(maps, table, chosen, progress)
    whole_m2 = polygon_areas_m2(drawn.geometry.to_numpy(), drawn.crs)  # as they were drawn, not as moved
    tables = AreaTables(
        _class_rows(ids, measured, tree, target.suffix.lower()),
        _polygon_rows(table, whole_m2, measured, tree),
    )
    _write(tables, target)
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
    """Add what a polygon holds and what it holds most; nothing of the layer's own columns is lost."""
    columns: dict[str, object] = {
        "polygon_m2": whole_m2,
        "mapped_m2": measured[0].area_m2.sum(axis=1),
    }
    for areas in measured:
        columns |= _majority(areas, tree)
    joined = pd.concat([table, pd.DataFrame(columns, index=table.index)], axis=1)
    return GeoDataFrame(joined, geometry=table.geometry.name, crs=table.crs)


def _added_columns(levels: Sequence[int]) -> list[str]:
    """Name the columns that :func:`_polygon_rows` adds."""
    what = ("class", "value", "share", "confidence")
    return ["polygon_m2", "mapped_m2", *(f"L{level}_{name}" for level in levels for name in what)]


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


def _write(tables: AreaTables, target: Path) -> None:
    with atomic_path(target) as path:
        if target.suffix.lower() == ".csv":
            tables.classes.to_csv(path, index=False, float_format="%.10g", lineterminator="\n")
        elif target.suffix.lower() == ".parquet":
            tables.polygons.to_parquet(path, index=False, schema_version="1.1.0", write_covering_bbox=True)
        else:
            multi = tables.polygons.geometry.geom_type.eq("MultiPolygon").any()
            write_tables(
                path,
                {"polygons": tables.polygons, "classes": tables.classes},
                "MultiPolygon" if multi else "Polygon",
            )


__all__ = ("AreaTables", "class_areas")
