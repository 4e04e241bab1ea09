"""GeoParquet 1.1, written in batches, with the bounding box of every polygon."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.lib as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS

from .attributes import GEOMETRY

#: Column that readers find polygons by without reading them (the covering of the specification).
BBOX = "bbox"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_BBOX_TYPE = pa.struct([(side, pa.float64()) for side in _SIDES])


def write_geoparquet(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema, crs: CRS) -> None:
    """Write a table of polygons, one row group per batch.

    Args:
        path: The file.
        batches: Rows, with polygons as WKB, shells anticlockwise.
        schema: Of the batches.
        crs: CRS of the polygons.
    """
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


__all__ = ("BBOX", "write_geoparquet")
