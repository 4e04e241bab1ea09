"""What the page is told about a view: levels, the class tree, colours, addresses of tiles."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..maps.scene_maps import SceneMaps
from ..taxonomy import Taxonomy, hex_color
from ..taxonomy.depth import adaptive_classes, either
from .painting import ramp_colors, view_layers
from .scene_pixels import UNSURE, UNSURE_COLOR, level_offsets
from .views import View

_RAMP_STEPS = range(0, 101, 10)


def describe_view(view: View) -> dict[str, Any]:
    """Describe a view as plain values for JSON.

    Returns:
        ``levels`` with all classes by index, ``tree`` with the classes as the legend nests them, ``layers``
        (name -> address of its tiles), bounds, zoom, and where the maps come from.
    """
    scene = view.scene
    tree = scene.taxonomy
    version, first = view.version(), level_offsets(scene)
    return {
        "number": view.number,
        "version": version,
        "note": view.note,
        "title": view.title,
        "date": scene.date,
        "taxonomy": tree.title or tree.name,
        "bounds": view.bounds,
        "maxZoom": view.max_zoom,
        "levels": [
            {
                "level": level,
                "name": tree.level_names[level - 1],
                "confidence": level in scene.confidence,
                "classes": [
                    {"name": name, "color": hex_color(color), "pale": hex_color(paler)}
                    for name, color, paler in zip(
                        tree.class_names(level),
                        tree.colors(level),
                        view.adaptive_colors[first[level] - UNSURE :],
                        strict=False,
                    )
                ],
            }
            for level in scene.levels
        ],
        "tree": class_tree(tree, scene.levels),
        "layers": {name: _address(view, name, version) for name in view_layers(view)},
        "adaptive": _adaptive_note(scene),
        "promise": _promise(scene),
        "image": None if view.backdrop is None else ", ".join(view.backdrop.bands),
        "unsureColor": hex_color(UNSURE_COLOR),
        "confidenceRamp": [hex_color(ramp_colors()[step]) for step in _RAMP_STEPS],
    }


def describe_code(view: View, code: int) -> dict[str, Any]:
    """Say what a code of :class:`.ScenePixels` stands for.

    Returns:
        ``level``, 0 for the unsure, and class ``index`` there, or ``members`` of a set; ``name`` and
        ``color`` in a picture that mixes levels.
    """
    seen = {"color": hex_color(view.adaptive_colors[code - UNSURE])}
    if code == UNSURE:
        return {"level": 0, "index": 0, "name": "not sure of any level", **seen}
    tree = view.scene.taxonomy
    level, members = adaptive_classes(tree, view.scene.shows_sets)[code]
    what = {"index": members[0]} if len(members) == 1 else {"members": list(members)}
    return {"level": level, **what, "name": either(tree, level, members), **seen}


def class_tree(taxonomy: Taxonomy, levels: tuple[int, ...]) -> list[dict[str, Any]]:
    """Nest the classes of some levels, coarsest first.

    A class that the level below only repeats (its one child, of the same name) shares the entry with it.

    Returns:
        Entries with ``level`` and ``index`` of the class, ``indices`` by each of the levels that it stands
        for, ``name``, ``color`` (that of the finest of these levels) and ``children``.
    """
    paths = np.unique(taxonomy.paths[:, [level - 1 for level in levels]], axis=0)
    return _branches(taxonomy, levels, paths, 0)


def _branches(
    taxonomy: Taxonomy, levels: tuple[int, ...], paths: NDArray[np.int64], column: int
) -> list[dict[str, Any]]:
    if column == len(levels):
        return []
    entries = []
    for index in np.unique(paths[:, column]).tolist():
        name = taxonomy.class_names(levels[column])[index]
        below = paths[paths[:, column] == index]
        last = column
        while last + 1 < len(levels):
            children = np.unique(below[:, last + 1])
            if len(children) > 1 or taxonomy.class_names(levels[last + 1])[children[0]] != name:
                break
            last += 1
        entries.append(
            {
                "level": levels[column],
                "index": index,
                "indices": {levels[at]: int(below[0, at]) for at in range(column, last + 1)},
                "name": name,
                "color": hex_color(taxonomy.colors(levels[last])[below[0, last]]),
                "children": _branches(taxonomy, levels, below, last + 1),
            }
        )
    return entries


def _adaptive_note(scene: SceneMaps) -> str | None:
    """Say what the adaptive map as it was written shows; None where there is none."""
    if scene.adaptive is None:
        return None
    sets = " or set of sibling classes" * scene.shows_sets
    sure = "sure enough of"
    if scene.depth_threshold is not None:
        sure = f"at least {100 * scene.depth_threshold:.0f} % sure of"
    shows = f"Each pixel shows the finest class{sets} that the model is {sure}."
    return shows if scene.promise is None else f"{shows} {scene.promise}"


def _promise(scene: SceneMaps) -> dict[str, Any] | None:
    """Per cent of confidence from which the page keeps the promise of the adaptive map, and the promise."""
    if scene.promise is None or scene.depth_threshold is None or scene.shows_sets:
        return None  # by a threshold the page shows classes alone
    return {"threshold": round(100 * scene.depth_threshold), "text": scene.promise}


def _address(view: View, layer: str, version: str) -> str:
    return f"/tiles/{view.number}/{layer}/{{z}}/{{x}}/{{y}}.png?v={version}"
