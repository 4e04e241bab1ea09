"""The section of one scene: facts, maps, areas, provenance, as values that the template lays out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..grid import GroundFrame, ground_frame
from ..maps import ClassAreas, SceneMaps, thumbnail_shape
from ..maps.scene_maps import CALIBRATION_PROPERTY
from ..types import IGNORE_INDEX
from .class_order import AreaRow, absent_classes, area_rows
from .confidence import (
    ConfidenceSurvey,
    DoubtSection,
    build_doubt_section,
    build_trust_section,
    outside_of,
    survey_confidence,
)
from .formats import (
    UNDEFINED,
    ScaleBar,
    TableRow,
    area_decimals,
    count,
    fit_scale_bar,
    hectares,
    kilometres,
    metres,
    per_cent,
    square_kilometres,
)
from .panels import (
    Panel,
    adaptive_panel,
    agreement_panel,
    class_panel,
    confidence_panel,
    depth_panel,
    image_panel,
)
from .reference import ReferenceSurvey, survey_reference
from .source_image import read_true_color
from .survey import read_palette, survey_maps, survey_values

_LABELS = {
    "created": "Predicted",
    "hierars:bands": "Bands",
    "hierars:checkpoint": "Checkpoint",
    "hierars:checkpoint_sha256": "Checkpoint SHA-256",
    "hierars:model": "Model",
    "hierars:notes": "Notes",
    "hierars:options": "Options",
    "hierars:outside": "Outside the area of applicability",
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
        if key == CALIBRATION_PROPERTY:  # drawn, not listed
            continue
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


_TIMES = "\N{NO-BREAK SPACE}\N{MULTIPLICATION SIGN}\N{NO-BREAK SPACE}"
#: Classes that a summary names.
_SUMMARISED = 5
#: Widest and highest a map gets on the page, CSS pixels; its scale bar follows.
_MAX_WIDTH_PX, _MAX_HEIGHT_PX = 560, 640


@dataclass(frozen=True)
class PanelRow:
    """Maps that stand side by side; with ``finest_large`` the last one above the others, as wide as fits."""

    title: str
    panels: tuple[Panel, ...]
    finest_large: bool = False


@dataclass(frozen=True)
class MapFrame:
    """What all maps of a scene share.

    Attributes:
        aspect: Width over height on the ground.
        max_width_px: Widest the map may be so that it is not too high.
        scale_bar: The scale bar.
        north_deg: Direction of true north, degrees clockwise from up.
    """

    aspect: float
    max_width_px: int
    scale_bar: ScaleBar
    north_deg: float


@dataclass(frozen=True)
class SceneSection:
    """Everything the page says about a scene.

    Attributes:
        name: Name of the scene.
        summary: The map in one sentence.
        facts: Label and value, in order.
        frame: Geometry of the maps.
        rows: Rows of maps.
        area_rows: The tree of areas: levels, hectares and share of each class.
        area_m2: Mapped area, the same at every level.
        area_total: The same in hectares.
        absent: Classes of the finest level that are nowhere on the map.
        doubt: Where the model is unsure; None without confidences.
        trust: What :func:`.build_trust_section` says of how far the map can be trusted, if anything.
        outside_total: Share of the mapped ground outside the area of applicability; None where unknown.
        provenance: Key and value, in order.
        has_image: The image touches the scene.
        has_reference: The labels touch the scene.
    """

    name: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    frame: MapFrame
    rows: tuple[PanelRow, ...]
    area_rows: tuple[TableRow, ...]
    area_m2: float
    area_total: str
    absent: tuple[str, ...]
    doubt: DoubtSection | None
    trust: Mapping[str, object] | None
    outside_total: str | None
    provenance: tuple[tuple[str, str], ...]
    has_image: bool
    has_reference: bool

    @property
    def columns(self) -> int:
        """Columns of the page's map grid: all maps of a scene are shown at one size."""
        return max(len(row.panels) for row in self.rows)


def build_scene_section(scene: SceneMaps, image: Path | None, labels: Path | None) -> SceneSection:
    """Read a scene's rasters, an image to show and reference labels, if any, and prepare its section.

    Raises:
        HieraRSError: A file cannot be read or does not fit; it is named.
    """
    areas, shown = survey_maps(scene)
    outside = outside_of(scene)
    ground = ground_frame(scene.grid)
    reference = survey_reference(scene, labels) if labels is not None else None
    picture = _image(scene, shown[scene.levels[0]] != IGNORE_INDEX, image)
    sure = survey_confidence(scene)
    decimals = area_decimals(areas.mapped_area_m2)
    return SceneSection(
        name=scene.name,
        summary=summarise(scene, areas),
        facts=_facts(scene, areas, ground),
        frame=_frame(scene, ground),
        rows=tuple(
            row for row in _rows(scene, areas, shown, sure, reference, picture, outside) if row.panels
        ),
        area_rows=tuple(_area_row(row, scene, areas, decimals) for row in area_rows(scene.taxonomy, areas)),
        area_m2=areas.mapped_area_m2,
        area_total=hectares(areas.mapped_area_m2, decimals),
        absent=absent_classes(scene.taxonomy, areas),
        doubt=build_doubt_section(sure, scene.taxonomy),
        trust=build_trust_section(scene, areas),
        outside_total=None if areas.outside_m2 is None else per_cent(areas.outside_share()),
        provenance=tuple(flatten_provenance(scene.properties)),
        has_image=picture is not None,
        has_reference=reference is not None,
    )


def _area_row(row: AreaRow, scene: SceneMaps, areas: ClassAreas, decimals: int) -> TableRow:
    """Name the level of a row, or ``L1-L3`` with an en dash where it stands for several."""
    names = [scene.taxonomy.level_labels[level - 1] for level in row.levels]
    span = names[0] if len(names) == 1 else f"{names[0]}\N{EN DASH}{names[-1]}"
    cells = [span, hectares(row.area_m2, decimals), per_cent(row.area_m2 / areas.mapped_area_m2)]
    if areas.outside_m2 is not None:
        cells.append(per_cent(areas.outside_share(row.levels[-1], row.index)))
    return TableRow(row.name, tuple(cells), row.color, row.depth)


def _image(scene: SceneMaps, mapped: NDArray[np.bool_], image: Path | None) -> Panel | None:
    if image is None:
        return None
    picture = read_true_color(image, scene.grid, thumbnail_shape(scene.grid.shape), mapped, scene.sensor)
    return None if picture is None else image_panel(*picture)


def _rows(
    scene: SceneMaps,
    areas: ClassAreas,
    shown: Mapping[int, NDArray[np.int64]],
    sure: Mapping[int, ConfidenceSurvey],
    reference: ReferenceSurvey | None,
    picture: Panel | None,
    outside: NDArray[np.bool_] | None,
) -> Iterator[PanelRow]:
    tree = scene.taxonomy
    overview = [] if picture is None else [picture]
    if reference is not None:
        names = tuple(tree.level_names[level - 1] for level in scene.levels)
        overview.append(agreement_panel(reference, names))
    if scene.depth is not None:
        depth = survey_values(scene.depth, tree.num_levels, scene)
        palette = read_palette(scene.depth)
        overview.append(depth_panel(depth, tree.level_labels, palette, scene.depth_threshold))
    if scene.adaptive is not None:
        legend = scene.adaptive_legend
        mixed = survey_values(scene.adaptive, max(legend.class_values(1)), scene)
        overview.append(adaptive_panel(mixed, legend, read_palette(scene.adaptive), outside))
    yield PanelRow("Overview", tuple(overview))
    yield PanelRow(
        "Predicted classes",
        tuple(
            class_panel(tree.level_labels[level - 1], shown[level], tree, areas, level, outside=outside)
            for level in scene.levels
        ),
        finest_large=True,
    )
    if reference is not None:
        yield PanelRow(
            "Reference labels",
            tuple(
                class_panel(
                    f"Reference, {tree.level_labels[level - 1]}",
                    reference.maps[level],
                    tree,
                    reference.areas,
                    level,
                    gap="No label",
                )
                for level in scene.levels
            ),
        )
    yield PanelRow(
        "Confidence",
        tuple(
            confidence_panel(f"Confidence at {tree.level_labels[level - 1]}", confidence.values)
            for level, confidence in sure.items()
        ),
    )


def _frame(scene: SceneMaps, ground: GroundFrame) -> MapFrame:
    width_m, height_m = ground.col_m * scene.grid.width, ground.row_m * scene.grid.height
    aspect = width_m / height_m
    max_width = max(120, round(min(_MAX_WIDTH_PX, _MAX_HEIGHT_PX * aspect)))
    return MapFrame(aspect, max_width, fit_scale_bar(width_m), ground.north_deg)


def _facts(scene: SceneMaps, areas: ClassAreas, ground: GroundFrame) -> tuple[tuple[str, str], ...]:
    grid = scene.grid
    authority = grid.crs.to_authority()
    crs = f"{':'.join(authority)} ({grid.crs.name})" if authority else grid.crs.name
    pixel = metres(grid.gsd_m())
    if abs(ground.col_m / ground.row_m - 1) > 0.01:
        pixel = f"{metres(ground.col_m)}{_TIMES}{metres(ground.row_m)}"
    return (
        ("Acquired", scene.date or "not stated"),
        ("Coordinate reference system", crs),
        ("Ground sampling distance", pixel),
        (
            "Size",
            f"{count(grid.width)}{_TIMES}{count(grid.height)} px, "
            f"{kilometres(ground.col_m * grid.width)}{_TIMES}{kilometres(ground.row_m * grid.height)}",
        ),
        (
            "Mapped",
            f"{square_kilometres(areas.mapped_area_m2)}, {per_cent(areas.mapped_share)} of the pixels",
        ),
        *(
            [("Unlike the training ground", f"{per_cent(areas.outside_share())} of the mapped ground")]
            if areas.outside_m2 is not None
            else []
        ),
        ("Class tree", _tree_text(scene)),
    )


def _tree_text(scene: SceneMaps) -> str:
    tree = scene.taxonomy
    sizes = " / ".join(str(tree.num_classes[level - 1]) for level in scene.levels)
    plural = "levels" if len(scene.levels) > 1 else "level"
    return f"{tree.title or tree.name}: {len(scene.levels)} {plural}, {sizes} classes"


def summarise(scene: SceneMaps, areas: ClassAreas) -> str:
    """Say in one sentence what covers the scene: the largest classes of its coarsest level."""
    level = scene.levels[0]
    measured = areas.class_area_m2(level)
    total = sum(measured.values())
    if not total:
        return "No pixel of this scene has a class."
    names = scene.taxonomy.class_names(level)
    largest = sorted(measured, key=lambda index: measured[index], reverse=True)[:_SUMMARISED]
    parts = [f"{names[index]} {per_cent(measured[index] / total)}" for index in largest]
    rest = sum(area for index, area in measured.items() if index not in largest)
    if rest:
        parts.append(f"other classes {per_cent(rest / total)}")
    return f"{square_kilometres(total)} mapped: {', '.join(parts)}."
