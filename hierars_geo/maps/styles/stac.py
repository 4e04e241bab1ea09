"""Raster value -> name and colour as the classification extension of STAC wants them."""

from typing import Any

from ...taxonomy import Taxonomy


def classification_classes(taxonomy: Taxonomy, level: int) -> list[dict[str, Any]]:
    """Return ``classification:classes`` of a level's raster.

    Args:
        taxonomy: The class tree.
        level: 1..N.

    Returns:
        One entry per class, in index order: value, name (letters, digits, hyphen and underscore), title and
        colour (hexadecimal).

    Raises:
        TaxonomyError: There is no such level.
    """
    entries = zip(
        taxonomy.class_values(level), taxonomy.class_names(level), taxonomy.colors(level), strict=True
    )
    return [
        {
            "value": value,
            "name": _slug(name),
            "title": name,
            "color_hint": "{:02X}{:02X}{:02X}".format(*color),
        }
        for value, name, color in entries
    ]


def _slug(name: str) -> str:
    """Keep what the extension allows in a name: letters, digits, hyphen and underscore."""
    return "_".join("".join(c if c.isascii() and c.isalnum() else " " for c in name).split()) or "class"


__all__ = ("classification_classes",)
