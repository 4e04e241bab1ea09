"""Assets of a STAC item that are bands of an image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import RasterError
from .addresses import gdal_name, resolve_href
from .bands import canonical_band
from .stac_items import read_item

_RASTER_TYPES = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff")
_RASTER_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".img")
#: Roles of assets that show an image and are not its values.
_NOT_DATA = frozenset({"metadata", "overview", "thumbnail", "visual"})
#: Bands by the common names of STAC's electro-optical extension, and by those that large archives use.
_SENTINEL_2 = {
    "coastal": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge1": "B05",
    "rededge071": "B05",
    "rededge2": "B06",
    "rededge075": "B06",
    "rededge3": "B07",
    "rededge078": "B07",
    "nir": "B08",
    "nir08": "B8A",
    "nir09": "B09",
    "cirrus": "B10",
    "swir16": "B11",
    "swir22": "B12",
}


@dataclass(frozen=True)
class ItemAssets:
    """The rasters of an item.

    Attributes:
        address: The item.
        name: Its id.
        rasters: What GDAL opens, by key of the asset.
        bands: Canonical names of the bands of every asset, in order; each with all names it goes by: what the
            item calls it, of a lone band the key of its asset, and the sensor's own name of a common name.
        acquired: Time of the item, None where it has none.
        properties: Of the item.
    """

    address: str
    name: str
    rasters: dict[str, str]
    bands: dict[str, tuple[frozenset[str], ...]]
    acquired: datetime | None
    properties: Mapping[str, Any]


def read_item_assets(address: str) -> ItemAssets:
    """Read a STAC item.

    Args:
        address: Path or URL, see :func:`.read_item`; relative addresses in it count from its folder.

    Raises:
        MissingFileError: There is no such file.
        RasterError: It is no item, or holds no raster.
    """
    content, document = read_item(address)
    try:
        properties = content.get("properties") or {}
        found = {key: asset for key, asset in content["assets"].items() if _is_raster(asset)}
        rasters = {key: gdal_name(resolve_href(asset["href"], document)) for key, asset in found.items()}
        name = Path(str(content["id"])).name
        bands = {key: tuple(_bands(key, found[key], properties)) for key in found}
        acquired = _time(properties.get("datetime"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RasterError(
            f"Expected a STAC item with assets, but got {error!r} (in {address}). Give an item, or a raster."
        ) from error
    if not rasters:
        raise RasterError(
            f"Expected a STAC item with raster assets, but got {', '.join(content['assets']) or 'none'} "
            f"(in {address})."
        )
    return ItemAssets(address, name, rasters, bands, acquired, properties)


def stacked_asset(item: ItemAssets, bands: Sequence[str] | None) -> tuple[str, tuple[int, ...] | None] | None:
    """Find the one raster that holds all bands.

    Args:
        item: The item.
        bands: Wanted bands in reading order; None for all.

    Returns:
        What GDAL opens, and the 1-based bands where the item names them (None: the file has to say); or None
        where the bands are in several rasters.
    """
    wanted = [canonical_band(name) for name in bands or ()]
    for key, raster in item.rasters.items():
        listed = item.bands[key]
        places = [next((n for n, names in enumerate(listed, 1) if b in names), 0) for b in wanted]
        if len(listed) > 1 and wanted and all(places):
            return raster, tuple(places)
    if len(item.rasters) == 1:
        return next(iter(item.rasters.values())), None
    return None


def match_band_assets(item: ItemAssets, bands: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
    """Find the asset of every band.

    Args:
        item: The item.
        bands: Wanted bands in reading order; None for every asset, by its key.

    Returns:
        The bands in canonical spelling and what GDAL opens, in the same order.

    Raises:
        RasterError: A band has no asset.
    """
    if bands is None:
        return tuple(canonical_band(key) for key in item.rasters), list(item.rasters.values())
    wanted = tuple(canonical_band(name) for name in bands)
    files = []
    for name in wanted:
        # the key counts before what an asset says of itself: several may be called red
        keys = sorted(
            (key for key in item.rasters if len(item.bands[key]) == 1 and name in item.bands[key][0]),
            key=lambda k: canonical_band(k) != name,
        )
        if not keys:
            raise RasterError(
                f"Expected assets of the bands {', '.join(wanted)}, but got {', '.join(item.rasters)} "
                f"(in {item.address}): {name} missing. Give an item of the sensor the model was trained on."
            )
        files.append(item.rasters[keys[0]])
    return wanted, files


def _is_raster(asset: dict[str, Any]) -> bool:
    if _NOT_DATA & set(asset.get("roles") or ()):
        return False
    kind = str(asset.get("type", ""))
    return kind.startswith(_RASTER_TYPES) or str(asset["href"]).lower().endswith(_RASTER_SUFFIXES)


def _bands(key: str, asset: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[frozenset[str]]:
    described: list[Mapping[str, Any]] = asset.get("bands") or asset.get("eo:bands") or [{}]
    own_names = _SENTINEL_2 if _is_sentinel_2(properties) else {}
    for band in described:
        found = [str(band[field]) for field in ("name", "common_name", "eo:common_name") if band.get(field)]
        names = {canonical_band(name) for name in (*found, *([key] if len(described) == 1 else []))}
        yield frozenset(names | {own_names[name.lower()] for name in names if name.lower() in own_names})


def _is_sentinel_2(properties: Mapping[str, Any]) -> bool:
    missions = [properties.get("platform"), properties.get("constellation")]
    return any(str(mission).lower().replace("_", "-").startswith("sentinel-2") for mission in missions)


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


__all__ = ("ItemAssets", "match_band_assets", "read_item_assets", "stacked_asset")
