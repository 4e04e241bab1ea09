"""STAC: items by themselves, in collections and catalogs, and their assets that are bands of an image."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pystac
from pystac.errors import STACError, STACTypeError

from ..errors import MissingFileError, RasterError, RecipeError
from .bands import canonical_band
from .dates import moment_of
from .products import BEFORE_OFFSETS, baseline_in_name, baseline_text
from .quality import QualityBand
from .raster_paths import RASTER_SUFFIXES, gdal_name, local_path, resolve_href
from .sensors import GENERIC, Sensor, find_sensor

_SUFFIXES = (".geojson", ".json")


def is_stac(address: str) -> bool:
    """Tell by its name whether an address is a STAC document, or an item in one (``items.json#ID``)."""
    return document_of(address).partition("?")[0].lower().endswith(_SUFFIXES)


def scene_addresses(address: str) -> list[str]:
    """Write out what stands for several scenes: the items of a STAC document; else the address itself.

    A folder of documents alone, as ``catalog build`` writes it, stands for its collection or catalog.

    Raises:
        HieraRSError: As of :func:`item_addresses`.
    """
    inside = [Path(address) / name for name in ("collection.json", "catalog.json")]
    listed = next((path for path in inside if path.is_file()), None)
    alone = listed is not None and not any(
        path.suffix.lower() in RASTER_SUFFIXES for path in Path(address).rglob("*")
    )
    found = str(listed) if alone else address
    return item_addresses(found) if is_stac(found) else [address]


def document_of(address: str) -> str:
    """Return the document of an address, without the item that it names after ``#``."""
    return _split(address)[0]


def item_addresses(address: str) -> list[str]:
    """List the items of an item, an item collection, a catalog or a collection, by its path or URL.

    Returns:
        One address per item, for :func:`read_item`: its own, or ``items.json#ID`` in an item collection.

    Raises:
        MissingFileError: There is no such file.
        RasterError: It is no STAC document, or holds no item.
    """
    document, item_id = _split(address)
    content = _read(document)
    kind = content.get("type")
    if item_id is not None or kind == "Feature":
        return [address]
    if kind == "FeatureCollection":
        found = [f"{document}#{feature['id']}" for feature in _features(content, document)]
    elif kind in ("Catalog", "Collection"):
        found = _items_below(document)
    else:
        raise RasterError(
            f"Expected a STAC item, item collection, catalog or collection, but got type '{kind}' "
            f"(in {document}). Give one of them, or a raster."
        )
    if not found:
        raise RasterError(
            f"Expected STAC items, but got none (in {document}). Check its links of rel 'item'."
        )
    return found


def read_item(address: str) -> tuple[Mapping[str, Any], str]:
    """Read an item, and the document it stands in: addresses in it are relative to that.

    Args:
        address: Path or URL of an item, or of an item collection with ``#ID`` of one of its items where there
            are several.

    Raises:
        MissingFileError: There is no such file.
        RasterError: It is no item, or several.
    """
    document, item_id = _split(address)
    content = _read(document)
    if content.get("type") == "FeatureCollection":
        features = _features(content, document)
        chosen = [feature for feature in features if item_id is None or str(feature["id"]) == item_id]
        if len(chosen) != 1:
            names = ", ".join(str(feature["id"]) for feature in features[:4]) or "none"
            raise RasterError(
                f"Expected one STAC item, but got {len(chosen)} of {len(features)} ({names}; in {document}). "
                f"Name one of them: {document}#ID."
            )
        content = chosen[0]
    if content.get("type") != "Feature" or not isinstance(content.get("assets"), dict):
        raise RasterError(
            f"Expected a STAC item with assets, but got type '{content.get('type')}' (in {address}). "
            "Give an item, or a raster."
        )
    return content, document


def _split(address: str) -> tuple[str, str | None]:
    """Return document and id; a file whose own name holds ``#`` is a document."""
    document, separator, item_id = address.rpartition("#")
    if not separator or not document.partition("?")[0].lower().endswith(_SUFFIXES):
        return address, None
    return document, item_id


def _read(document: str) -> dict[str, Any]:
    local = local_path(document)
    if "://" not in local and not Path(local).is_file():
        raise MissingFileError(f"Expected {document} to be a STAC document, but it does not exist.")
    try:
        content = json.loads(pystac.StacIO.default().read_text(local))
    except (OSError, ValueError, RecursionError) as error:  # urllib's errors are OSErrors
        reason = " ".join(str(error).split())
        raise RasterError(f"Expected {document} to be a STAC document, but {reason}.") from error
    if not isinstance(content, dict):
        raise RasterError(f"Expected {document} to be a STAC document, but it is no JSON object.")
    return content


def _features(content: Mapping[str, Any], document: str) -> list[dict[str, Any]]:
    features = content.get("features")
    if not isinstance(features, list) or not all(isinstance(f, dict) and "assets" in f for f in features):
        raise RasterError(
            f"Expected STAC items, but got features without assets (in {document}). "
            "Polygons are given with --region."
        )
    return [feature | {"id": feature.get("id", number)} for number, feature in enumerate(features)]


def _items_below(document: str) -> list[str]:
    """Walk the links of a catalog, children of children too."""
    try:
        catalog = pystac.read_file(local_path(document))
        if not isinstance(catalog, pystac.Catalog):
            raise TypeError(f"it is a {type(catalog).__name__}")
        hrefs = [item.get_self_href() for item in catalog.get_items(recursive=True)]
    except (STACError, STACTypeError, OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise RasterError(
            f"Expected a STAC catalog whose links can be followed, but {reason} (in {document})."
        ) from error
    return [href for href in hrefs if href is not None]


_RASTER_TYPES = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff")
#: Roles of assets that show an image and are not its values.
_NOT_DATA = frozenset({"metadata", "overview", "thumbnail", "visual"})


@dataclass(frozen=True)
class Asset:
    """A raster of an item.

    Attributes:
        key: Its key.
        path: What GDAL opens.
        bands: Names of its bands, in order; each with all that it goes by: what the item calls it, of a lone
            band the key of its asset, and the sensor's own name of it.
        nodata: Value without data per band, None where the item says nothing.
    """

    key: str
    path: str
    bands: tuple[frozenset[str], ...]
    nodata: tuple[float | None, ...]


@dataclass(frozen=True)
class ItemAssets:
    """The rasters of an item.

    Attributes:
        address: The item.
        name: Its id.
        assets: Its rasters.
        masks: Those of them that only tell clouds and the like.
        sensor: As asked for, else that of its platform; generic where neither says it.
        acquired: Time of the item, None where it has none.
        baseline: Processing baseline, None where it says nothing.
    """

    address: str
    name: str
    assets: tuple[Asset, ...]
    masks: tuple[Asset, ...]
    sensor: Sensor
    acquired: datetime | None
    baseline: str | None


def read_item_assets(address: str, sensor: Sensor) -> ItemAssets:
    """Read a STAC item whose assets are bands of a sensor; addresses in it count from its folder.

    Raises:
        MissingFileError: There is no such file.
        RasterError: It is no item, or holds no raster.
    """
    content, document = read_item(address)
    try:
        properties = content.get("properties") or {}
        sensor = sensor if sensor.bands else _sensor_of(properties)
        rasters = {
            key: Asset(
                key,
                gdal_name(resolve_href(asset["href"], document)),
                tuple(_names(key, asset, sensor)),
                tuple(_nodata(asset)),
            )
            for key, asset in content["assets"].items()
            if _is_raster(asset)
        }
        masking = {key for key in rasters if "data-mask" in (content["assets"][key].get("roles") or ())}
        assets = tuple(asset for key, asset in rasters.items() if key not in masking)
        masks = tuple(asset for key, asset in rasters.items() if key in masking)
        name = Path(str(content["id"])).name
        when = properties.get("datetime")
        acquired = None if when is None else moment_of(when)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RasterError(
            f"Expected a STAC item with assets, but got {error!r} (in {address}). Give an item, or a raster."
        ) from error
    if not assets:
        raise RasterError(
            f"Expected a STAC item with raster assets, but got {', '.join(content['assets']) or 'none'} "
            f"(in {address})."
        )
    return ItemAssets(
        address, name, assets, masks, sensor, acquired, _baseline(properties) or baseline_in_name(f"{name}_")
    )


def stacked_asset(item: ItemAssets, wanted: Sequence[str]) -> tuple[Asset, tuple[int, ...] | None] | None:
    """Find the one raster that holds all bands.

    Args:
        item: The item.
        wanted: Canonical names in reading order; empty for all.

    Returns:
        The asset, and the 1-based bands where the item names them (None: the file has to say); or None where
        the bands are in several rasters.
    """
    for asset in item.assets:
        places = [next((n for n, names in enumerate(asset.bands, 1) if b in names), 0) for b in wanted]
        if len(asset.bands) > 1 and wanted and all(places):
            return asset, tuple(places)
    return (item.assets[0], None) if len(item.assets) == 1 else None


def band_assets(item: ItemAssets, wanted: Sequence[str]) -> dict[str, list[Asset]]:
    """Find the assets of every band; several where an item offers several resolutions.

    Args:
        item: The item.
        wanted: Canonical names in reading order; empty for every asset, by its key.

    Raises:
        RasterError: A band has no asset.
    """
    if not wanted:
        return {item.sensor.canonical(asset.key): [asset] for asset in item.assets}
    found = {}
    for name in wanted:
        # the key counts before what an asset says of itself: several may be called red
        assets = [asset for asset in item.assets if len(asset.bands) == 1 and name in asset.bands[0]]
        by_key = [asset for asset in assets if item.sensor.canonical(asset.key) == name]
        if not assets:
            raise RecipeError(
                f"Expected assets of the bands {', '.join(wanted)}, but got "
                f"{', '.join(asset.key for asset in item.assets)} (in {item.address}): {name} missing. Give "
                "an item of the sensor the model was trained on."
            )
        found[name] = by_key or assets
    return found


def quality_asset(item: ItemAssets, band: QualityBand) -> str | None:
    """Return the path of a quality band, by the key of its asset or its name; None without one."""
    for asset in (*item.masks, *item.assets):
        own = [asset.key, *(name for names in asset.bands for name in names)]
        if len(asset.bands) == 1 and band.name.lower() in (name.lower() for name in own):
            return asset.path
    return None


def _is_raster(asset: dict[str, Any]) -> bool:
    if _NOT_DATA & set(asset.get("roles") or ()):
        return False
    kind = str(asset.get("type", ""))
    return kind.startswith(_RASTER_TYPES) or str(asset["href"]).lower().endswith(RASTER_SUFFIXES)


def _described(asset: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(asset.get("bands") or asset.get("eo:bands") or [{}])


def _names(key: str, asset: Mapping[str, Any], sensor: Sensor) -> Iterator[frozenset[str]]:
    described = _described(asset)
    for band in described:
        found = [str(band[field]) for field in ("name", "common_name", "eo:common_name") if band.get(field)]
        names = [*found, *([key] if len(described) == 1 else [])]
        yield frozenset(
            spelled for name in names for spelled in (canonical_band(name), sensor.canonical(name))
        )


def _nodata(asset: Mapping[str, Any]) -> Iterator[float | None]:
    rasters = asset.get("raster:bands") or []
    for number, band in enumerate(_described(asset)):
        raster = rasters[number] if number < len(rasters) else {}
        value = next(
            (part["nodata"] for part in (raster, band, asset) if part.get("nodata") is not None), None
        )
        yield None if value is None else float(value)


def _sensor_of(properties: Mapping[str, Any]) -> Sensor:
    """Find the catalog's sensor of a platform: ``Sentinel-2A``, ``landsat-8``."""
    for key in ("platform", "constellation"):
        words = re.sub(r"[^a-z0-9]", "", str(properties.get(key) or "").lower())
        for name in (words, words[:-1]):
            if name in ("sentinel1", "sentinel2", "landsat5", "landsat7", "landsat8", "landsat9"):
                return find_sensor(name)
    return GENERIC


def _baseline(properties: Mapping[str, Any]) -> str | None:
    """Return the baseline by which values are stored; an old one where the archive took the offset off."""
    if properties.get("earthsearch:boa_offset_applied") is True:
        return BEFORE_OFFSETS
    return baseline_text(properties.get("s2:processing_baseline")) or baseline_text(
        properties.get("processing:version")
    )
