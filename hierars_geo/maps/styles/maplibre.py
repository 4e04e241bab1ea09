"""Map styles (JSON) of MapLibre GL and Mapbox GL: one fill layer per level, coloured by ``class_value``."""

from collections.abc import Mapping
from typing import Any

from ...taxonomy import Taxonomy

#: Fill of a polygon whose value is no class.
_TRANSPARENT = "rgba(0,0,0,0)"


def maplibre_style(taxonomy: Taxonomy, sources: Mapping[int, str], name: str = "") -> dict[str, Any]:
    """Style for GeoJSON polygons as ``vectorize`` writes them, one file per level.

    The finest level is visible, the others are there to be switched on. The legend is part of the style:
    ``metadata`` of every layer lists value, name and colour of its classes. For vector tiles replace
    ``sources`` and give every layer its ``source-layer``.

    Args:
        taxonomy: The class tree.
        sources: Level (1..N) -> URL of its GeoJSON, relative to the style.
        name: Of the style; default the title of the tree.

    Returns:
        A style of version 8 as plain values.

    Raises:
        TaxonomyError: There is no such level.
    """
    levels = sorted(sources)
    return {
        "version": 8,
        "name": name or taxonomy.title or taxonomy.name,
        "metadata": {"hierars:taxonomy": taxonomy.name},
        "sources": {f"L{level}": {"type": "geojson", "data": sources[level]} for level in levels},
        "layers": [_fill(taxonomy, level, visible=level == levels[-1]) for level in levels],
    }


def _fill(taxonomy: Taxonomy, level: int, visible: bool) -> dict[str, Any]:
    entries = sorted(
        zip(taxonomy.class_values(level), taxonomy.class_names(level), taxonomy.colors(level), strict=True)
    )
    classes = [
        {"value": value, "name": name, "color": "#{:02x}{:02x}{:02x}".format(*color)}
        for value, name, color in entries
    ]
    match: list[Any] = ["match", ["get", "class_value"]]
    for entry in classes:
        match += [entry["value"], entry["color"]]
    return {
        "id": f"L{level}",
        "type": "fill",
        "source": f"L{level}",
        "metadata": {"hierars:level": taxonomy.level_names[level - 1], "hierars:classes": classes},
        "layout": {"visibility": "visible" if visible else "none"},
        "paint": {"fill-color": [*match, _TRANSPARENT], "fill-opacity": 1},
    }


__all__ = ("maplibre_style",)
