"""Where the tables of levels go: a GeoPackage, or one GeoParquet, FlatGeobuf or GeoJSON file per level."""

import json
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.lib as pa
import pyarrow.parquet as pq
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyproj import CRS

from ..errors import HieraRSError, OptionError, OutputError
from ..grid import GeoGrid, ground_frame
from ..grid.reprojection import to_lonlat
from ..maps.styles.stac import METRES_PER_DEGREE
from ..output import atomic_path
from ..taxonomy import Taxonomy
from .attributes import GEOMETRY, SCHEMA
from .geopackage import GEOMETRY as GEOPACKAGE_GEOMETRY
from .geopackage import VERSION, add_styles, class_styles, unindexed_layers

#: Column that readers find polygons by without reading them (the covering of the specification).
BBOX = "bbox"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_BBOX_TYPE = pa.struct([(side, pa.float64()) for side in _SIDES])


def write_geoparquet(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema, crs: CRS) -> None:
    """Write a table of polygons (WKB, shells anticlockwise, in a CRS), one row group per batch."""
    extent = np.array([np.inf, np.inf, -np.inf, -np.inf])
    extended = schema.append(pa.field(BBOX, _BBOX_TYPE))
    with pq.ParquetWriter(path, extended, compression="zstd") as writer:  # type: ignore[no-untyped-call]
        for batch in batches:
            bounds = shapely.bounds(shapely.from_wkb(batch.column(GEOMETRY).to_numpy(zero_copy_only=False)))
            extent[:2] = np.minimum(extent[:2], bounds[:, :2].min(axis=0))
            extent[2:] = np.maximum(extent[2:], bounds[:, 2:].max(axis=0))
            boxes = pa.StructArray.from_arrays([pa.array(side) for side in bounds.T], fields=list(_BBOX_TYPE))
            writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, boxes], schema=extended))
        writer.add_key_value_metadata({"geo": json.dumps(_describe(extent.tolist(), crs))})


def _describe(extent: list[float], crs: CRS) -> dict[str, Any]:
    """Return the file's metadata as the specification wants it (geoparquet.org, 1.1.0)."""
    column = {
        "encoding": "WKB",
        "geometry_types": ["Polygon"],
        "crs": crs.to_json_dict(),
        "orientation": "counterclockwise",
        "edges": "planar",
        "bbox": extent,
        "covering": {"bbox": {side: [BBOX, side] for side in _SIDES}},
    }
    return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}


#: Write the polygons of a level, batch by batch.
WriteLevel = Callable[[int, Iterable[pa.RecordBatch]], None]

#: Driver of GDAL and options of a layer, by suffix. GeoJSON is of RFC 7946: longitude and latitude of WGS 84
#: to 7 decimals (1 cm), shells anticlockwise.
_DRIVERS = {
    ".gpkg": ("GPKG", {"GEOMETRY_NAME": GEOPACKAGE_GEOMETRY}),
    ".fgb": ("FlatGeobuf", {}),
    ".geojson": ("GeoJSON", {"RFC7946": "YES", "COORDINATE_PRECISION": "7"}),
}
_SUFFIXES = (".gpkg", ".parquet", ".fgb", ".geojson")
#: The low byte of SQLite's codes says what went wrong, the others where.
_PRIMARY = 0xFF
#: Most that an edge may leave its curve by in longitude and latitude, in pixels.
_EDGE_PX = 0.1
_DISK_ERRORS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)


def output_files(out: Path, levels: tuple[int, ...]) -> dict[int, Path]:
    """Name the file of each level.

    Args:
        out: ``.gpkg`` (one file for all levels); ``.parquet``, ``.fgb`` or ``.geojson`` (one per level).
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
def open_writer(
    out: Path, levels: tuple[int, ...], taxonomy: Taxonomy, grid: GeoGrid
) -> Iterator[WriteLevel]:
    """Open the output: files get their final names together, and only if the block ends well.

    Args:
        out: As for :func:`output_files`; its folder exists.
        levels: Levels to write.
        taxonomy: The class tree.
        grid: Of the maps; the polygons are in its CRS. GeoJSON is in WGS 84 whatever this is.

    Yields:
        A function to call once per level.

    Raises:
        OptionError: A suffix that stands for no format.
        OutputError: A file cannot be written.
    """
    files = output_files(out, levels)
    suffix = out.suffix.lower()
    with ExitStack() as stack:
        unfinished = {path: stack.enter_context(atomic_path(path)) for path in dict.fromkeys(files.values())}
        with _as_output_error(out):

            def write_level(level: int, batches: Iterable[pa.RecordBatch]) -> None:
                about = f"{taxonomy.name}, level {taxonomy.level_names[level - 1]}"
                lonlat = suffix == ".geojson"
                source = _Batches(_to_lonlat(batches, grid) if lonlat else batches)
                crs = CRS.from_epsg(4326) if lonlat else grid.crs
                try:
                    if suffix == ".parquet":
                        write_geoparquet(unfinished[files[level]], source, SCHEMA, crs)
                    else:
                        _write_by_gdal(unfinished[files[level]], source, suffix, f"L{level}", about, crs)
                except Exception as error:
                    # the library that pulls the batches hides what went wrong in making them
                    raise (source.error or error) from None

            yield write_level
            if suffix == ".gpkg":
                if bare := unindexed_layers(unfinished[out], levels):
                    raise OutputError(
                        f"Expected {out} to be writable, but its spatial index could not be written whole "
                        f"({', '.join(bare)}). Check free space."
                    )
                add_styles(unfinished[out], class_styles(levels, taxonomy))


@dataclass
class _Batches:
    """Batches on their way into a file, and the error that ended them."""

    batches: Iterable[pa.RecordBatch]
    error: BaseException | None = field(default=None, init=False)

    def __iter__(self) -> Generator[Any, None, None]:
        watched = self._watched()
        next(watched)  # an interrupt at the very start of a generator would be outside its try
        return watched

    def _watched(self) -> Generator[Any, None, None]:
        try:
            yield None
            yield from self.batches
        except GeneratorExit:  # who pulls has failed, and does not want more
            raise
        except BaseException as error:
            self.error = error
            raise


def _to_lonlat(batches: Iterable[pa.RecordBatch], grid: GeoGrid) -> Iterator[pa.RecordBatch]:
    """Move polygons to longitude and latitude, their edges bent to a tenth of a pixel.

    An edge gets the same points in every polygon and at every level, so that the levels stay coverages.
    """
    ground = ground_frame(grid)
    tolerance = _EDGE_PX * min(ground.col_m, ground.row_m) / METRES_PER_DEGREE
    for batch in batches:
        place = batch.schema.get_field_index(GEOMETRY)
        polygons = shapely.from_wkb(batch.column(place).to_numpy(zero_copy_only=False))
        moved = pa.array(shapely.to_wkb(to_lonlat(polygons, grid.crs, tolerance)), pa.binary())
        columns = [moved if index == place else column for index, column in enumerate(batch.columns)]
        yield pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _write_by_gdal(
    path: Path, batches: Iterable[pa.RecordBatch], suffix: str, name: str, about: str, crs: CRS
) -> None:
    driver, options = _DRIVERS[suffix]
    described = {} if suffix == ".fgb" else {"DESCRIPTION": about}  # FlatGeobuf has no place for it
    epsg = crs.to_epsg()
    pyogrio.write_arrow(  # type: ignore[no-untyped-call]
        pa.RecordBatchReader.from_batches(SCHEMA, batches),
        path,
        layer=name,
        driver=driver,
        geometry_name=GEOMETRY,
        geometry_type="Unknown" if suffix == ".geojson" else "Polygon",  # some may be cut at 180 degrees
        crs=f"EPSG:{epsg}" if epsg else crs.to_wkt(),
        append=path.exists(),
        dataset_options=VERSION if driver == "GPKG" and not path.exists() else None,
        layer_options=options | described,
    )


@contextmanager
def _as_output_error(out: Path) -> Iterator[None]:
    try:
        yield
    except HieraRSError:
        raise
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _DISK_ERRORS:
            raise OutputError(
                f"Expected {out} to be writable, but got: {error}. Check permissions and free space."
            ) from error
        # GDAL gives some names a meaning and writes another file
        raise OutputError(
            f"Expected {out} to become a GeoPackage, but got: {error}. Choose a name of letters, digits, "
            "blanks, dots and dashes."
        ) from error
    except (DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError, OSError) as error:
        raise OutputError(
            f"Expected {out} to be writable, but got: {' '.join(str(error).split()).rstrip('.')}. "
            "Check permissions and free space."
        ) from error
