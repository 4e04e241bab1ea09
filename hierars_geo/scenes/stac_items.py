"""STAC documents: items by themselves, in an item collection, and below a catalog or a collection."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pystac
from pystac.errors import STACError, STACTypeError

from ..errors import MissingFileError, RasterError
from .addresses import local_path

_SUFFIXES = (".geojson", ".json")


def is_stac(address: str) -> bool:
    """Tell by its name whether an address is a STAC document, or an item in one (``items.json#ID``)."""
    return document_of(address).partition("?")[0].lower().endswith(_SUFFIXES)


def document_of(address: str) -> str:
    """Return the document of an address, without the item that it names after ``#``."""
    return _split(address)[0]


def item_addresses(address: str) -> list[str]:
    """List the items of a document.

    Args:
        address: Path or URL of an item, an item collection, a catalog or a collection.

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
    """Read an item.

    Args:
        address: Path or URL of an item, or of an item collection with ``#ID`` of one of its items where there
            are several.

    Returns:
        Its content, and the document it stands in: addresses in it are relative to that.

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


__all__ = ("document_of", "is_stac", "item_addresses", "read_item")
