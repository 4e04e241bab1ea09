"""GeoPackages without the time of writing: the same tables give the same bytes."""

import sqlite3
from contextlib import closing
from pathlib import Path

from .geopackage import TIMESTAMP


def forget_times(path: Path) -> None:
    """Put a fixed time in place of the times at which the tables of a GeoPackage were written.

    Args:
        path: A GeoPackage that nobody has open.
    """
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE gpkg_contents SET last_change = ?", (TIMESTAMP,))


__all__ = ("forget_times",)
