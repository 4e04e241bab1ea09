"""The STAC item of a prediction: where it lies, what its values mean, and how it was made."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import rasterio
import torch
from pyproj import Transformer
from pystac import Asset, Item
from shapely import box, to_geojson
from shapely.geometry import Polygon

from .. import __version__
from ..grid import GeoGrid
from ..raster import SceneReader
from ..styles import classification_classes
from ..taxonomy import Taxonomy
from .checkpoint import LoadedModel
from .layers import Layer
from .options import PredictOptions

_EXTENSIONS = (
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
)
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def prediction_item(
    scene: SceneReader,
    files: Mapping[Layer, str],
    loaded: LoadedModel,
    options: PredictOptions,
    created: datetime | None = None,
) -> dict[str, Any]:
    """Describe a finished prediction.

    Args:
        scene: What was predicted.
        files: File name of every layer, relative to the item.
        loaded: The checkpoint.
        options: How it was predicted.
        created: When; default now.

    Returns:
        A STAC item (GeoJSON feature) as plain values. ``hierars:taxonomy`` holds the complete class tree.
    """
    created = created or datetime.now(UTC)
    grid, record = scene.grid, loaded.record
    footprint = lonlat_footprint(grid)
    epsg = grid.crs.to_epsg()
    item = Item(
        id=scene.name,
        geometry=json.loads(to_geojson(footprint)),
        bbox=list(footprint.bounds),
        datetime=scene.acquired or created,
        properties={
            "created": created.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "gsd": round(grid.gsd_m(), 6),
            "proj:code": f"EPSG:{epsg}" if epsg else None,
            "proj:wkt2": None if epsg else grid.crs.to_wkt(),
            "proj:shape": list(grid.shape),
            "proj:transform": list(grid.transform)[:6],
            "processing:software": {
                "hierars-geo": __version__,
                "torch": torch.__version__,
                "gdal": rasterio.__gdal_version__,
            },
            "hierars:taxonomy": record.taxonomy.to_dict(),
            "hierars:checkpoint": loaded.path.name,
            "hierars:checkpoint_sha256": loaded.sha256,
            "hierars:model": record.model.to_dict(),
            "hierars:bands": list(record.bands),
            "hierars:options": options.to_dict(),
            "hierars:source": [path.name for path in scene.paths],
            "hierars:notes": list(scene.notes),
        },
        stac_extensions=list(_EXTENSIONS),
    )
    for layer, name in files.items():
        item.add_asset(layer.name, _asset(layer, name, record.taxonomy))
    return item.to_dict(include_self_link=False)


def lonlat_footprint(grid: GeoGrid) -> Polygon:
    """Outline of a grid in longitude and latitude (EPSG:4326), its edges followed by intermediate points."""
    left, bottom, right, top = 0, 0, grid.width, grid.height
    outline = box(left, bottom, right, top).segmentize(max(grid.shape) / 8)
    points = [grid.transform @ (col, row) for col, row in outline.exterior.coords]
    to_lonlat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_lonlat.transform([x for x, _ in points], [y for _, y in points], errcheck=True)
    polygon = Polygon(zip([round(v, 8) for v in lon], [round(v, 8) for v in lat], strict=True))
    return polygon if polygon.exterior.is_ccw else polygon.reverse()


def _asset(layer: Layer, name: str, taxonomy: Taxonomy) -> Asset:
    extra: dict[str, Any] = {}
    title = "Finest level that is sure enough"
    if layer.kind == "class" and layer.level is not None:
        title = f"Classes at level {taxonomy.level_names[layer.level - 1]}"
        extra["classification:classes"] = classification_classes(taxonomy, layer.level)
        extra["nodata"] = taxonomy.nodata_value
    elif layer.kind == "confidence" and layer.level is not None:
        title = f"Confidence at level {taxonomy.level_names[layer.level - 1]} in per cent"
        extra["unit"] = "%"
    return Asset(href=f"./{name}", title=title, media_type=_COG, roles=["data"], extra_fields=extra)


__all__ = ("lonlat_footprint", "prediction_item")
