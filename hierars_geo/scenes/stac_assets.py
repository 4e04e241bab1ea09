"""Assets of a STAC item that are bands of an image."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import RasterError
from .addresses import gdal_name, resolve_href
from .bands import canonical_band
from .baselines import BEFORE_OFFSETS, baseline_in_name, baseline_text
from .sensors import GENERIC, Sensor, find_sensor
from .stac_items import read_item

_RASTER_TYPES = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff")
_RASTER_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".img")
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
        sensor: As asked for, else that of its platform; generic where neither says it.
        acquired: Time of the item, None where it has none.
        baseline: Processing baseline, None where it says nothing.
    """

    address: str
    name: str
    assets: tuple[Asset, ...]
    sensor: Sensor
    acquired: datetime | None
    baseline: str | None


def read_item_assets(address: str, sensor: Sensor) -> ItemAssets:
    """Read a STAC item.

    Args:
        address: Path or URL, see :func:`.read_item`; relative addresses in it count from its folder.
        sensor: Whose bands its assets are.

    Raises:
        MissingFileError: There is no such file.
        RasterError: It is no item, or holds no raster.
    """
    content, document = read_item(address)
    try:
        properties = content.get("properties") or {}
        sensor = sensor if sensor.bands else _sensor_of(properties)
        assets = tuple(
            Asset(
                key,
                gdal_name(resolve_href(asset["href"], document)),
                tuple(_names(key, asset, sensor)),
                tuple(_nodata(asset)),
            )
            for key, asset in content["assets"].items()
            if _is_raster(asset)
        )
        name = Path(str(content["id"])).name
        acquired = _time(properties.get("datetime"))
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
        address, name, assets, sensor, acquired, _baseline(properties) or baseline_in_name(f"{name}_")
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
            raise RasterError(
                f"Expected assets of the bands {', '.join(wanted)}, but got "
                f"{', '.join(asset.key for asset in item.assets)} (in {item.address}): {name} missing. Give "
                "an item of the sensor the model was trained on."
            )
        found[name] = by_key or assets
    return found


def _is_raster(asset: dict[str, Any]) -> bool:
    if _NOT_DATA & set(asset.get("roles") or ()):
        return False
    kind = str(asset.get("type", ""))
    return kind.startswith(_RASTER_TYPES) or str(asset["href"]).lower().endswith(_RASTER_SUFFIXES)


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


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


__all__ = ("Asset", "ItemAssets", "band_assets", "read_item_assets", "stacked_asset")
