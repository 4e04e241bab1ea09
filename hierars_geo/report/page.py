"""From sections to one HTML text: all content is escaped by the template, all pictures are inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from .. import __version__
from ..maps import MAX_SIDE_PX
from ..taxonomy import RGB
from .accuracy_section import MEASURES, AccuracySection
from .estimates_section import EstimatesSection
from .formats import area_decimals, hectares, per_cent, square_kilometres
from .png import data_uri
from .scene_section import SceneSection


@dataclass(frozen=True)
class Page:
    """What a report holds.

    Attributes:
        title: Heading.
        created: When it was made.
        scenes: One section each.
        accuracy: Scores, if there are any.
        estimates: Estimates from points, if there are any.
    """

    title: str
    created: datetime
    scenes: Sequence[SceneSection]
    accuracy: AccuracySection | None
    estimates: EstimatesSection | None = None


def render_page(page: Page) -> str:
    """Lay a report out as one self-contained HTML document."""
    environment = Environment(
        loader=PackageLoader("hierars_geo.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"color": _css_color, "data_uri": data_uri, "per_cent": per_cent}
    template = environment.get_template("report.html.jinja")
    return template.render(
        page=page,
        areas=[_area_table(scene) for scene in page.scenes],
        measures=[label for _, label in MEASURES],
        total_area=square_kilometres(sum(scene.area_m2 for scene in page.scenes)),
        max_side_px=MAX_SIDE_PX,
        version=__version__,
    )


@dataclass(frozen=True)
class AreaLine:
    """One line of an area table as text."""

    name: str
    levels: str
    depth: int
    color: RGB
    area: str
    share: str


@dataclass(frozen=True)
class AreaTable:
    """The area table of a scene as text; the rows of every level add up to the total."""

    lines: tuple[AreaLine, ...]
    total: str


def _area_table(scene: SceneSection) -> AreaTable:
    decimals = area_decimals(scene.area_m2)
    lines = tuple(
        AreaLine(
            name=row.name,
            levels=_span(scene, row.levels),
            depth=row.depth,
            color=row.color,
            area=hectares(row.area_m2, decimals),
            share=per_cent(row.area_m2 / scene.area_m2),
        )
        for row in scene.area_rows
    )
    return AreaTable(lines, hectares(scene.area_m2, decimals))


def _span(scene: SceneSection, levels: tuple[int, ...]) -> str:
    """Name of a level, or ``L1-L3`` with an en dash where a row stands for several."""
    names = [scene.level_names[scene.levels.index(level)] for level in levels]
    return names[0] if len(names) == 1 else f"{names[0]}\N{EN DASH}{names[-1]}"


def _css_color(color: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


__all__ = ("Page", "render_page")
