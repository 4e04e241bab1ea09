"""Assets of a STAC item that are bands of an image."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RasterError
from .bands import canonical_band

_RASTER_TYPES = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff")
_RASTER_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".img")
#: Roles of assets that show an image and are not its values.
_NOT_DATA = frozenset({"metadata", "overview", "thumbnail", "visual"})


@dataclass(frozen=True)
class ItemAssets:
    """The rasters of an item.

    Attributes:
        path: The item.
        name: Its id.
        rasters: What GDAL opens, by key of the asset.
        bands: Canonical band names of every asset that has one band: its key and what the item calls it.
    """

    path: Path
    name: str
    rasters: dict[str, str]
    bands: dict[str, tuple[str, ...]]


def read_item_assets(path: Path) -> ItemAssets:
    """Read a STAC item.

    Args:
        path: The file; relative addresses in it count from its folder.

    Raises:
        RasterError: It is no item, or holds no raster.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["type"] != "Feature":
            raise ValueError(f"type '{content['type']}'")
        assets = content["assets"]
        found = {key: asset for key, asset in assets.items() if _is_raster(asset)}
        rasters = {key: _address(asset["href"], path.parent) for key, asset in found.items()}
        name = Path(str(content["id"])).name
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RasterError(
            f"Expected a STAC item with assets, but got {error} (in {path}). Give an item, or a raster."
        ) from error
    if not rasters:
        raise RasterError(
            f"Expected a STAC item with raster assets, but got {', '.join(assets) or 'none'} (in {path})."
        )
    return ItemAssets(path, name, rasters, {key: tuple(_names(key, found[key])) for key in found})


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
            (key for key in item.rasters if name in item.bands[key]), key=lambda k: canonical_band(k) != name
        )
        if not keys:
            raise RasterError(
                f"Expected assets of the bands {', '.join(wanted)}, but got {', '.join(item.rasters)} "
                f"(in {item.path}): {name} missing. Give an item of the sensor the model was trained on."
            )
        files.append(item.rasters[keys[0]])
    return wanted, files


def _is_raster(asset: dict[str, Any]) -> bool:
    if _NOT_DATA & set(asset.get("roles") or ()):
        return False
    kind = str(asset.get("type", ""))
    return kind.startswith(_RASTER_TYPES) or str(asset["href"]).lower().endswith(_RASTER_SUFFIXES)


def _names(key: str, asset: dict[str, Any]) -> Iterable[str]:
    yield canonical_band(key)
    described = asset.get("bands") or asset.get("eo:bands") or []
    if len(described) == 1:
        for field in ("name", "common_name", "eo:common_name"):
            if described[0].get(field):
                yield canonical_band(str(described[0][field]))


def _address(href: str, folder: Path) -> str:
    """Return what GDAL opens: addresses as they are, paths from the item's folder."""
    return href if "://" in href or href.startswith("/vsi") else str(folder / href)


__all__ = ("ItemAssets", "match_band_assets", "read_item_assets")
