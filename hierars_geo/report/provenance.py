"""How a map was made, as rows of label and text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .formats import UNDEFINED

_LABELS = {
    "created": "Predicted",
    "hierars:bands": "Bands",
    "hierars:checkpoint": "Checkpoint",
    "hierars:checkpoint_sha256": "Checkpoint SHA-256",
    "hierars:model": "Model",
    "hierars:notes": "Notes",
    "hierars:options": "Options",
    "hierars:sensor": "Sensor",
    "hierars:source": "Source",
    "processing:level": "Processing level (of data, not classes)",
    "processing:software": "Software",
}


def flatten_provenance(properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield label and text of what a STAC item says about its making, nested values one per row.

    Args:
        properties: Properties of the item; those of other kinds (projection, time) are left out.

    Examples:
        >>> dict(flatten_provenance({"hierars:options": {"window": 512, "tta": False}, "gsd": 10.0}))
        {'Options, window': '512', 'Options, tta': 'no'}
    """
    for key, value in properties.items():
        if key == "created" or key.startswith(("hierars:", "processing:")):
            yield from _leaves(_LABELS.get(key, key.partition(":")[2].replace("_", " ").capitalize()), value)


def _leaves(label: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{label}, {str(key).replace('_', ' ')}", inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        if any(isinstance(inner, Mapping | list | tuple) for inner in value):
            for number, inner in enumerate(value, start=1):
                yield from _leaves(f"{label}, {number}", inner)
        elif value:
            yield label, ", ".join(_text(inner) for inner in value)
    else:
        yield label, _text(value)


def _text(value: object) -> str:
    if value is None:
        return UNDEFINED
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


__all__ = ("flatten_provenance",)
