"""GeoPackages as QGIS 3.22 reads them, with the style of each layer; same input, same bytes."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyogrio
from geopandas.geodataframe import GeoDataFrame

from ..maps.styles.qml import vector_qml
from ..maps.styles.sld import vector_sld
from ..polygons.vector_file import TIMESTAMP, forget_times
from ..taxonomy import Taxonomy

#: Name of the column of polygons that QGIS and GDAL give it.
GEOMETRY = "geom"
#: Readers of 1.3 warn of 1.4, of which nothing is used, and may refuse to edit it.
VERSION = {"VERSION": "1.3"}

_CREATE_STYLES = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256),
    f_table_schema TEXT(256),
    f_table_name TEXT(256),
    f_geometry_column TEXT(256),
    styleName TEXT(30),
    styleQML TEXT,
    styleSLD TEXT,
    useAsDefault BOOLEAN,
    description TEXT,
    owner TEXT(30),
    ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)
"""
_REGISTER_STYLES = """
INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change)
VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)
"""
_INSERT_STYLE = """
INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName,
    styleQML, styleSLD, useAsDefault, description, owner, ui, update_time)
VALUES ('', '', ?, ?, ?, ?, ?, 1, ?, '', NULL, ?)
"""


class LayerStyle(NamedTuple):
    """Default style of a layer: its name, QML, SLD (or nothing) and a sentence about it."""

    layer: str
    qml: str
    sld: str
    about: str


def write_tables(
    path: Path, tables: Mapping[str, pd.DataFrame], geometry_type: str, styles: Sequence[LayerStyle] = ()
) -> None:
    """Write tables by the name of their layers, with geometry of one type or without, as a new GeoPackage."""
    for name, table in tables.items():
        spatial = isinstance(table, GeoDataFrame)
        pyogrio.write_dataframe(  # type: ignore[no-untyped-call]
            table,
            path,
            layer=name,
            driver="GPKG",
            geometry_type=geometry_type if spatial else None,
            promote_to_multi=spatial and geometry_type.startswith("Multi"),
            append=path.exists(),
            dataset_options=None if path.exists() else VERSION,
        )
    if styles:
        add_styles(path, styles)
    forget_times(path)


def class_styles(levels: Sequence[int], taxonomy: Taxonomy) -> list[LayerStyle]:
    """Style layers L1, L2, ... of class polygons."""
    return [
        LayerStyle(
            f"L{level}",
            vector_qml(taxonomy, level),
            vector_sld(taxonomy, level),
            f"Classes of {taxonomy.name}, level {taxonomy.level_names[level - 1]}",
        )
        for level in levels
    ]


def add_styles(path: Path, styles: Sequence[LayerStyle]) -> None:
    """Add the table that QGIS reads default styles from, and put fixed numbers in place of times."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(_CREATE_STYLES)
        database.execute(_REGISTER_STYLES, (TIMESTAMP,))
        for style in styles:
            row = (style.layer, GEOMETRY, style.layer, style.qml, style.sld, style.about, TIMESTAMP)
            database.execute(_INSERT_STYLE, row)
    forget_times(path)


def unindexed_layers(path: Path, levels: tuple[int, ...]) -> list[str]:
    """List the layers that have no spatial index, or one that lacks polygons.

    GDAL makes it when it closes the file; where the disk is full by then, it says nothing.
    """
    names = [f"L{level}" for level in levels]
    with closing(sqlite3.connect(path)) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

        def count(table: str) -> int:
            rows: int = database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
            return rows

        return [
            name
            for name in names
            if (index := f"rtree_{name}_{GEOMETRY}") not in tables or count(index) != count(name)
        ]
