"""Items and collections of STAC 1.1: projection, raster, eo, classification and file extensions."""

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pystac
import shapely
from shapely.geometry.base import BaseGeometry

from ..grid import GeoGrid
from ..maps.styles.stac import classification_classes, extent_of, geojson_place, href_of
from ..output import sha256_of
from ..scenes.bands import canonical_band
from ..scenes.sensors import find_sensor
from ..taxonomy import Taxonomy
from .headers import BandHeader, Header, footprint
from .scenes import SCALES, ItemPlan

#: How the multihash of the file extension marks 32 bytes of SHA-256.
_MULTIHASH_SHA256 = "1220"

_SCHEMAS = "https://stac-extensions.github.io"
PROJECTION = f"{_SCHEMAS}/projection/v2.0.0/schema.json"
RASTER = f"{_SCHEMAS}/raster/v2.0.0/schema.json"
EO = f"{_SCHEMAS}/eo/v2.0.0/schema.json"
CLASSIFICATION = f"{_SCHEMAS}/classification/v2.0.0/schema.json"
FILE = f"{_SCHEMAS}/file/v2.1.0/schema.json"

_COLOURS = frozenset({"blue", "green", "red", "nir"})
_MEDIA = {".jp2": "image/jp2", ".png": "image/png", ".tif": "image/tiff; application=geotiff"}


def make_item(
    plan: ItemPlan,
    fallback: tuple[datetime, datetime] | None,
    taxonomy: Taxonomy | None = None,
    checksums: bool = False,
) -> pystac.Item:
    """Describe a scene, with absolute paths as hrefs; ``fallback`` is its first and last moment if none says.

    Raises:
        RasterError: A file is damaged.
    """
    files = [header for _, header in plan.images or plan.labels]
    outlines = [outline for header in files[:1] if (outline := footprint(header)) is not None]
    if len({header.shape for header in files}) > 1 or len(files) > 1:
        outlines = _different_outlines(files, outlines)
    geometry, bbox = geojson_place(shapely.union_all(outlines)) if outlines else (None, None)
    start, end = _interval(plan, fallback)
    item = pystac.Item(
        id=plan.id,
        geometry=geometry,
        bbox=bbox,
        datetime=start if start == end else None,
        properties={} if start == end else {"start_datetime": _text(start), "end_datetime": _text(end)},
        stac_extensions=[PROJECTION, RASTER, EO, FILE],
    )
    resolutions = [header.grid.gsd_m() for header in files if header.grid is not None]
    if resolutions:
        item.properties["gsd"] = round(min(resolutions), 6)
    for key, header in plan.images:
        item.add_asset(key, _asset(header, "data", None, checksums))
    for key, header in plan.labels:
        item.add_asset(key, _asset(header, "labels", taxonomy, checksums))
    for key, header in plan.others:
        item.add_asset(key, _asset(header, "metadata" if key == SCALES else "data-mask", None, checksums))
    if plan.labels and taxonomy is not None:
        item.stac_extensions.append(CLASSIFICATION)
        item.properties["hierars:taxonomy"] = taxonomy.name
    return item


def _different_outlines(files: Sequence[Header], first: list[BaseGeometry]) -> list[BaseGeometry]:
    """Outline further files only where their grid is another: bands of one scene share their footprint."""
    bounds = {header.grid.bounds for header in files if header.grid is not None}
    if len(bounds) <= 1:
        return first
    return [found for header in files if (found := footprint(header)) is not None]


def _interval(plan: ItemPlan, fallback: tuple[datetime, datetime] | None) -> tuple[datetime, datetime]:
    if plan.times:
        return plan.times[0], plan.times[-1]
    if fallback is None:
        raise ValueError(f"item {plan.id} has no time")  # the builder asks for one before
    return fallback


def _asset(header: Header, role: str, taxonomy: Taxonomy | None, checksums: bool) -> pystac.Asset:
    extra: dict[str, Any] = {"file:size": header.size_bytes, "proj:shape": list(header.shape)}
    if header.grid is not None:
        extra |= _projection(header.grid)
    if checksums:
        extra["file:checksum"] = multihash(header.path)
    if role == "labels" and taxonomy is not None:
        extra["classification:classes"] = classification_classes(taxonomy, taxonomy.num_levels)
    if header.acquired is not None and role == "data":
        extra["datetime"] = _text(header.acquired)
    asset = pystac.Asset(
        href=href_of(header.path.resolve()),
        media_type=_MEDIA.get(header.path.suffix.lower().replace("tiff", "tif")),
        roles=[role],
        extra_fields=extra,
    )
    asset.extra_fields["bands"] = [_band(band, header.grid) for band in header.bands]
    return asset


def _projection(grid: GeoGrid) -> dict[str, Any]:
    authority = grid.crs.to_authority(min_confidence=100)
    named: dict[str, Any] = (
        {"proj:code": ":".join(authority)}
        if authority
        else {"proj:code": None, "proj:wkt2": grid.crs.to_wkt()}
    )
    return {
        **named,
        "proj:transform": [*list(grid.transform)[:6]],
        "proj:bbox": list(grid.bounds),
    }


def _band(band: BandHeader, grid: GeoGrid | None) -> dict[str, Any]:
    content: dict[str, Any] = {"name": band.name, "data_type": band.dtype}
    if band.nodata is not None:
        content["nodata"] = _number(band.nodata)
    if (band.scale, band.offset) != (1.0, 0.0):
        content |= {"raster:scale": band.scale, "raster:offset": band.offset}
    if grid is not None:
        content["raster:spatial_resolution"] = round(grid.gsd_m(), 6)
    return content | optics(band.name)


def optics(band: str) -> dict[str, Any]:
    """Return what the eo extension says of a band by its name; empty where the name is none it knows."""
    name = canonical_band(band)
    if name in _COLOURS:
        return {"eo:common_name": name}
    known = next((known for known in find_sensor("sentinel2").bands if known.name == name), None)
    if known is None:
        return {}
    named = {
        "eo:common_name": known.common,
        "eo:center_wavelength": None if known.center_nm is None else round(known.center_nm / 1000, 6),
        "eo:full_width_half_max": None if known.width_nm is None else round(known.width_nm / 1000, 6),
    }
    return {key: value for key, value in named.items() if value is not None}


def _number(value: float) -> float | int | str:
    """Write a nodata value as JSON can: NaN and infinity as words."""
    if math.isfinite(value):
        return int(value) if float(value).is_integer() else value
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def make_collection(
    name: str,
    description: str,
    items: Sequence[pystac.Item],
    title: str | None = None,
    extra: dict[str, Any] | None = None,
) -> pystac.Collection:
    """Gather items, at least one, as a collection with their extent in space and time."""
    collection = pystac.Collection(
        name, description, extent_of(items), title=title, license="other", extra_fields=extra
    )
    collection.add_items(items)
    return collection


def save_collection(collection: pystac.Collection, final: Path, staging: Path) -> None:
    """Write a collection whose assets are absolute paths into a staging folder.

    Its hrefs become relative to the folder that it will lie in.
    """
    collection.normalize_hrefs(final.resolve().as_posix())
    for item in collection.get_items():
        item.make_asset_hrefs_relative()
    collection.save(pystac.CatalogType.SELF_CONTAINED, dest_href=staging.resolve().as_posix())


def _text(moment: datetime) -> str:
    return pystac.utils.datetime_to_str(moment, timespec="seconds")


def multihash(path: Path) -> str:
    """Return the SHA-256 of a file as ``file:checksum`` wants it."""
    return _MULTIHASH_SHA256 + sha256_of(path)


def sha256_in(checksum: str) -> str | None:
    """Return the SHA-256 in a multihash, None where it is of another kind."""
    digest = checksum.removeprefix(_MULTIHASH_SHA256)
    return digest if len(digest) == 64 and len(checksum) == 68 else None
