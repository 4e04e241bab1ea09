"""The STAC item of a prediction: where it lies, what its values mean, and how it was made."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pystac import Asset, Item, Link, MediaType, RelType

from ..grid.reprojection import outline
from ..maps.outside import applicability_taxonomy
from ..maps.scene_maps import CALIBRATION_PROPERTY
from ..maps.styles.stac import classification_classes, geojson_place, href_of, lonlat_outline
from ..models.record import ModelFile, ModelRecord
from ..scenes.scene import Scene
from ..taxonomy import Taxonomy
from ..taxonomy.depth import adaptive_taxonomy, depth_taxonomy
from .layers import Layer, LayerKind
from .maps import layer_nodata, stored_layer
from .options import PredictOptions

_EXTENSIONS = (
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
)
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_TITLES: dict[LayerKind, str] = {
    "adaptive": "Every pixel's class at the finest level that is sure enough",
    "applicability": "Where the map can be trusted: ground like the training's",
    "depth": "Finest level that is sure enough",
    "dissimilarity": "How unlike the training ground, in per cent of what still counts as like it",
    "entropy": "Entropy of the paths in per cent of the largest possible",
    "sets": "Every pixel's class, or smallest set of sibling classes, that is sure enough",
    "probabilities": "Probability of every path in per cent",
    "stack": "Classes at all levels, one band each",
}


def prediction_item(
    scene: Scene,
    files: Mapping[Layer, str],
    loaded: ModelFile,
    options: PredictOptions,
    software: Mapping[str, str],
    created: datetime | None = None,
    folder: Path | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Describe a finished prediction.

    Args:
        scene: What was predicted.
        files: File name of every layer, relative to the item.
        loaded: The model.
        options: How it was predicted.
        software: Versions of all that maps depend on, by name.
        created: When; default now.
        notes: What else a careful user should know.
        folder: Where the item will lie; a link to the STAC item of the source is relative to it.

    Returns:
        A STAC item (GeoJSON feature) as plain values. ``hierars:taxonomy`` holds the complete class tree. It
        links to the item of the source (``derived_from``) where one of the same stem lies beside the source.
    """
    created = created or datetime.now(UTC)
    grid, record = scene.grid, loaded.record
    geometry, bbox = geojson_place(lonlat_outline(outline(grid, grid.crs), grid.crs, grid.gsd_m()))
    epsg = grid.crs.to_epsg()
    days = scene.days
    item = Item(
        id=scene.name,
        geometry=geometry,
        bbox=bbox,
        datetime=None if len(days) > 1 else scene.acquired or created,
        start_datetime=_midnight(days[0]) if len(days) > 1 else None,
        end_datetime=_midnight(days[-1]) if len(days) > 1 else None,
        properties={
            "created": created.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "gsd": round(grid.gsd_m(), 6),
            "proj:code": f"EPSG:{epsg}" if epsg else None,
            "proj:wkt2": None if epsg else grid.crs.to_wkt(),
            "proj:shape": list(grid.shape),
            "proj:transform": list(grid.transform)[:6],
            "processing:level": "L4",  # output of a model
            "processing:lineage": f"Classes at {record.taxonomy.num_levels} levels of {record.taxonomy.name} "
            f"by {loaded.path.name}, decoded by joint semantic path search.",
            "processing:software": dict(software),
            "hierars:taxonomy": record.taxonomy.to_dict(),
            "hierars:checkpoint": loaded.path.name,
            "hierars:checkpoint_sha256": loaded.sha256,
            "hierars:model": record.describe_model(),
            "hierars:bands": list(record.bands),
            **({} if record.read.sensor is None else {"hierars:sensor": record.read.sensor}),
            "hierars:options": options.to_dict(),
            **({} if record.calibration is None else {CALIBRATION_PROPERTY: record.calibration.to_dict()}),
            **({"hierars:dates": [day.isoformat() for day in days]} if days else {}),
            "hierars:source": [path.name for path in scene.paths],
            "hierars:notes": [*notes, *scene.notes, *scene.assumptions, *_promise(record, options)],
        },
        stac_extensions=list(_EXTENSIONS),
    )
    for layer, name in files.items():
        item.add_asset(layer.name, _asset(layer, name, record.taxonomy, grid.gsd_m()))
    if (source := source_item(scene)) is not None:
        href = href_of(_relative(source, folder))
        item.add_link(Link(RelType.DERIVED_FROM, href, MediaType.GEOJSON, title=source.stem))
    return item.to_dict(include_self_link=False)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _promise(record: ModelRecord, options: PredictOptions) -> tuple[str, ...]:
    """Say what the adaptive map promises, where it does."""
    if record.calibration is None or options.output.risk is None:
        return ()
    return (f"Adaptive map: {record.calibration.describe(options.output.risk, options.output.sets)}",)


def source_item(scene: Scene) -> Path | None:
    """Find the STAC item of a source: a feature of the same stem beside it, or inside a folder of bands."""
    first = scene.paths[0]
    for path in (first.with_suffix(".json"), first.parent / f"{scene.name}.json"):
        if not path.is_file():
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):  # some other file of that name
            continue
        if isinstance(content, dict) and content.get("type") == "Feature" and "stac_version" in content:
            return path
    return None


def _relative(path: Path, folder: Path | None) -> str:
    """Path from the folder of the item, with ``/``; absolute where there is no way or no folder."""
    absolute = path.resolve()
    if folder is None:
        return absolute.as_posix()
    try:
        return Path(os.path.relpath(absolute, folder.resolve())).as_posix()
    except ValueError:  # another drive
        return absolute.as_posix()


def _asset(layer: Layer, name: str, taxonomy: Taxonomy, gsd_m: float) -> Asset:
    kept = stored_layer(layer, taxonomy)
    extra: dict[str, Any] = {
        "data_type": kept.dtype,
        "nodata": layer_nodata(layer, taxonomy),
        "raster:spatial_resolution": round(gsd_m, 6),
    }
    title = _TITLES.get(layer.kind, "")
    legend = _legend(layer, taxonomy)
    if legend is not None:
        extra["classification:classes"] = classification_classes(*legend)
    if layer.kind == "class" and layer.level is not None:
        title = f"Classes at level {taxonomy.level_names[layer.level - 1]}"
    elif layer.kind == "confidence" and layer.level is not None:
        title = f"Confidence at level {taxonomy.level_names[layer.level - 1]} in per cent"
    if layer.kind in ("confidence", "entropy", "probabilities", "dissimilarity"):
        extra["unit"] = "%"
    return Asset(href=href_of(f"./{name}"), title=title, media_type=_COG, roles=["data"], extra_fields=extra)


def _legend(layer: Layer, taxonomy: Taxonomy) -> tuple[Taxonomy, int] | None:
    """The tree and the level whose values a layer holds, None where they are no classes."""
    if layer.kind == "class" and layer.level is not None:
        return taxonomy, layer.level
    if layer.kind == "depth":
        return depth_taxonomy(taxonomy), 1
    if layer.kind == "applicability":
        return applicability_taxonomy(), 1
    if layer.kind in ("adaptive", "sets"):
        return adaptive_taxonomy(taxonomy, layer.kind == "sets"), 1
    return None
