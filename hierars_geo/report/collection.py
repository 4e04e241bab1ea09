"""The STAC collection of a prediction folder: one item per scene, links both ways, everything relative."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pystac

from ..errors import OutputError, RasterError
from ..maps import SceneMaps
from ..maps.styles.stac import href_of, joint_bbox

COLLECTION_FILE = "collection.json"
_JSON = "application/json"
_OWN_LINKS = ("collection", "parent", "root")


def collect_items(folder: Path, scenes: Sequence[SceneMaps]) -> dict[Path, str]:
    """Describe the scenes of a folder as a collection, and link their items to it.

    Args:
        folder: Where the items lie.
        scenes: Their scenes.

    Returns:
        File -> new content: the items that change, then ``collection.json``; nothing without scenes.

    Raises:
        RasterError: An item is no STAC item with a place and a time.
        OutputError: A scene is named as the collection.
    """
    path = folder / COLLECTION_FILE
    if not scenes:
        return {}
    if any(scene.name == path.stem for scene in scenes):
        raise OutputError(
            f"Expected no scene of the name '{path.stem}' in a folder that gets a STAC collection, but got "
            f"one (in {folder}). Rename the raster and predict it again."
        )
    items = {folder / f"{scene.name}.json": _read(folder / f"{scene.name}.json") for scene in scenes}
    collection = make_collection(folder.resolve().name, list(items.values()))
    linked = {item: _linked(content, collection["id"]) for item, content in items.items()}
    changed = {item: _text(content) for item, content in linked.items() if content != items[item]}
    return {**changed, path: _text(collection)}


def make_collection(name: str, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Describe predictions that belong together.

    Args:
        name: Id of the collection.
        items: STAC items of predictions, at least one.

    Returns:
        A STAC collection as plain values: extent in space and time, the kinds of assets, and summaries of
        what the items have in common.
    """
    parsed = [pystac.Item.from_dict(dict(item), preserve_dict=True) for item in items]
    times = [moment for item in parsed for moment in _moments(item)]
    extent = pystac.Extent(
        pystac.SpatialExtent([joint_bbox(item.bbox for item in parsed if item.bbox is not None)]),
        pystac.TemporalExtent([[min(times), max(times)]]),
    )
    trees = _distinct(item.properties.get("hierars:taxonomy", {}).get("name") for item in parsed)
    collection = pystac.Collection(
        name,
        f"Class maps of {len(parsed)} scene(s) at every level of the class tree ({', '.join(trees)}), "
        "made by hierars-geo.",
        extent,
        license="other",
        providers=[pystac.Provider("hierars-geo", roles=[pystac.ProviderRole.PROCESSOR])],
        summaries=pystac.Summaries(_summaries(parsed)),
    )
    content: dict[str, Any] = collection.to_dict(include_self_link=False)
    links = [
        {"rel": "item", "href": href_of(f"./{item.id}.json"), "type": "application/geo+json"}
        for item in parsed
    ]
    return content | {"links": [{"rel": "root", "href": f"./{COLLECTION_FILE}", "type": _JSON}, *links]}


def _moments(item: pystac.Item) -> list[Any]:
    common = item.common_metadata
    return [moment for moment in (item.datetime, common.start_datetime, common.end_datetime) if moment]


def _summaries(items: Sequence[pystac.Item]) -> dict[str, list[Any]]:
    keys = ("gsd", "proj:code", "hierars:checkpoint_sha256", "hierars:bands")
    found = {key: _distinct(item.properties.get(key) for item in items) for key in keys}
    return {key: values for key, values in found.items() if values}


def _distinct(values: Any) -> list[Any]:  # noqa: ANN401
    """Values in order of first appearance, without None; lists are spelt out."""
    flat = [inner for value in values for inner in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(value for value in flat if value is not None))


def _linked(item: Mapping[str, Any], collection: str) -> dict[str, Any]:
    kept = [link for link in item.get("links", []) if link.get("rel") not in _OWN_LINKS]
    own = [{"rel": rel, "href": f"./{COLLECTION_FILE}", "type": _JSON} for rel in _OWN_LINKS]
    return dict(item) | {"links": [*own, *kept], "collection": collection}


def _read(path: Path) -> dict[str, Any]:
    """Read an item.

    Raises:
        RasterError: It is none, or has no place.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        item = pystac.Item.from_dict(content, preserve_dict=True)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RecursionError,
        pystac.STACError,
        pystac.STACTypeError,
    ) as error:
        raise RasterError(
            f"Expected {path} to be a STAC item, but got: {' '.join(str(error).split())}. Predict again."
        ) from error
    if item.bbox is None:
        raise RasterError(f"Expected {path} to have a bbox, but it has none. Predict again.")
    return content


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


__all__ = ("COLLECTION_FILE", "collect_items", "make_collection")
