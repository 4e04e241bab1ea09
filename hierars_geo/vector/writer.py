"""Where the tables of levels go: a GeoPackage, or one GeoParquet or FlatGeobuf file per level."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyogrio
from geopandas.geodataframe import GeoDataFrame
from pyogrio.errors import DataSourceError, FeatureError, FieldError, GeometryError

from ..errors import OptionError, OutputError
from ..raster import atomic_path
from ..taxonomy import Taxonomy
from .geopackage import add_styles, append_layer

#: Write the polygons of a level.
WriteLevel = Callable[[int, GeoDataFrame], None]

#: What SQLite leaves beside a database that was not closed; it would take it for part of the new one.
_SQLITE_REMAINS = ("-journal", "-shm", "-wal")


def output_files(out: Path, levels: tuple[int, ...]) -> dict[int, Path]:
    """Name the file of each level.

    Args:
        out: ``.gpkg`` (one file for all levels), ``.parquet`` or ``.fgb`` (one per level).
        levels: Levels to write.

    Returns:
        By level: ``out`` itself for a GeoPackage or a single level, else ``<stem>_L<level><suffix>`` beside
        it.

    Raises:
        OptionError: Another suffix.
    """
    suffix = out.suffix.lower()
    if suffix not in _SUFFIXES:
        raise OptionError(
            f"Expected the output to end in {', '.join(_SUFFIXES)}, but got '{out.name}'. "
            "Choose one of these formats by the file's name."
        )
    if suffix == ".gpkg" or len(levels) == 1:
        return dict.fromkeys(levels, out)
    return {level: out.with_name(f"{out.stem}_L{level}{out.suffix}") for level in levels}


@contextmanager
def open_writer(out: Path, levels: tuple[int, ...], taxonomy: Taxonomy) -> Iterator[WriteLevel]:
    """Open the output: files get their final names together, and only if the block ends well.

    Args:
        out: As for :func:`output_files`; its folder exists.
        levels: Levels to write.
        taxonomy: The class tree.

    Yields:
        A function to call once per level.

    Raises:
        OptionError: A suffix that stands for no format.
        OutputError: A file cannot be written.
    """
    files = output_files(out, levels)
    with ExitStack() as stack:
        unfinished = {path: stack.enter_context(atomic_path(path)) for path in dict.fromkeys(files.values())}
        paths = {level: unfinished[path] for level, path in files.items()}
        with _as_output_error(out):
            if out.suffix.lower() == ".gpkg":
                yield lambda level, table: append_layer(paths[level], table, level, taxonomy)
                add_styles(unfinished[out], levels, taxonomy)
                for remains in _SQLITE_REMAINS:
                    out.with_name(out.name + remains).unlink(missing_ok=True)
            else:
                write = _WRITE[out.suffix.lower()]
                yield lambda level, table: write(paths[level], table, f"L{level}")


def _write_parquet(path: Path, table: GeoDataFrame, layer: str) -> None:
    """GeoParquet 1.1 with a bounding box per row, so that readers skip what they do not need."""
    table.to_parquet(path, index=False, schema_version="1.1.0", write_covering_bbox=True, compression="zstd")


def _write_flatgeobuf(path: Path, table: GeoDataFrame, layer: str) -> None:
    pyogrio.write_dataframe(  # type: ignore[no-untyped-call]
        table, path, layer=layer, driver="FlatGeobuf", geometry_type="Polygon", use_arrow=True
    )


_WRITE: Mapping[str, Callable[[Path, GeoDataFrame, str], None]] = {
    ".parquet": _write_parquet,
    ".fgb": _write_flatgeobuf,
}
_SUFFIXES = (".gpkg", *_WRITE)


@contextmanager
def _as_output_error(out: Path) -> Iterator[None]:
    try:
        yield
    except (DataSourceError, FeatureError, FieldError, GeometryError, OSError) as error:
        raise OutputError(
            f"Expected {out} to be writable, but got: {' '.join(str(error).split()).rstrip('.')}. "
            "Check permissions and free space."
        ) from error


__all__ = ("WriteLevel", "open_writer", "output_files")
