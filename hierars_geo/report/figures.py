"""Maps as figures for slides and print: picture, legend, scale bar and north arrow, as PNG and as PDF."""

import re
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from PIL import Image

from ..output import atomic_path, check_writable_folder
from ..taxonomy import RGB
from .formats import per_cent
from .panels import Panel
from .scene_section import MapFrame, SceneSection

_DPI = 220
_FONT = "DejaVu Sans"  # ships with matplotlib
_INK, _SOFT = "#1d2329", "#4f5b66"
#: Inches: the longer side of a map, the legend beside it, a line of it, margins, the strip below the map.
_MAP_IN, _LEGEND_IN, _LINE_IN, _MARGIN_IN, _UNDER_IN, _TITLE_IN = 6.0, 2.9, 0.21, 0.15, 0.5, 0.4
_SUFFIXES = (".png", ".pdf")


def figure_paths(folder: Path, sections: Sequence[SceneSection]) -> list[Path]:
    """Name the figures of the scenes: ``SCENE_L1.png``, ``SCENE_L1.pdf``, ``SCENE_Confidence_at_L1.png``."""
    return [
        folder / f"{stem}{suffix}"
        for section in sections
        for stem, _ in _panels(section)
        for suffix in _SUFFIXES
    ]


def write_figures(folder: Path, sections: Sequence[SceneSection]) -> list[Path]:
    """Draw every map of the scenes into a folder, made where it is missing; figures that exist are replaced.

    Raises:
        OutputError: A file cannot be written.
    """
    check_writable_folder(folder)
    written = []
    for section in sections:
        for stem, panel in _panels(section):
            figure = draw_map(panel, section.frame, section.name)
            for suffix in _SUFFIXES:
                path = folder / f"{stem}{suffix}"
                with atomic_path(path) as unfinished:
                    _save(figure, unfinished)
                written.append(path)
    return written


def _panels(section: SceneSection) -> Iterator[tuple[str, Panel]]:
    panels = [panel for row in section.rows for panel in row.panels]
    if section.doubt is not None:
        panels.append(section.doubt.panel)
    for panel in panels:
        words = re.findall(r"[^\W_]+", panel.title)
        yield "_".join((section.name, *words)), panel


def _save(figure: Figure, path: Path) -> None:
    """Save without a time of making, so that the same maps give the same file; text in PDF stays text."""
    metadata = {"CreationDate": None} if path.suffix == ".pdf" else {"Software": "hierars-geo"}
    with rc_context({"pdf.fonttype": 42}):
        figure.savefig(path, dpi=_DPI, metadata=metadata, facecolor="white")


def draw_map(panel: Panel, frame: MapFrame, name: str) -> Figure:
    """Draw one map, its own pixels and none made up between them, with everything that explains it."""
    width = _MAP_IN * min(1.0, frame.aspect)
    height = _MAP_IN / max(1.0, frame.aspect)
    lines = 2 + len(panel.legend) + sum(entry.heading is not None for entry in panel.legend)
    inner = max(height + _UNDER_IN, lines * _LINE_IN)
    total = (width + _LEGEND_IN + 3 * _MARGIN_IN, inner + _TITLE_IN + 2 * _MARGIN_IN)
    figure = Figure(figsize=total)
    FigureCanvasAgg(figure)

    def axes(left: float, top: float, width_in: float, height_in: float) -> Axes:
        """Axes in inches from the upper left corner, without ticks and frame."""
        bottom = total[1] - top - height_in
        box = (left / total[0], bottom / total[1], width_in / total[0], height_in / total[1])
        made = figure.add_axes(box)
        made.set_axis_off()
        return made

    top = _MARGIN_IN + _TITLE_IN
    figure.text(
        _MARGIN_IN / total[0], 1 - (_MARGIN_IN + 0.18) / total[1], panel.title, family=_FONT, size=12,
        weight="bold", color=_INK, va="center", parse_math=False,
    )  # fmt: skip
    figure.text(
        1 - _MARGIN_IN / total[0], 1 - (_MARGIN_IN + 0.18) / total[1], name, family=_FONT, size=8,
        color=_SOFT, va="center", ha="right", parse_math=False,
    )  # fmt: skip
    _draw_picture(axes(_MARGIN_IN, top, width, height), panel)
    _draw_under(axes(_MARGIN_IN, top + height + 0.08, width, _UNDER_IN - 0.08), frame, width)
    legend_height = inner
    _draw_legend(axes(2 * _MARGIN_IN + width, top, _LEGEND_IN, legend_height), panel, legend_height)
    return figure


def _draw_picture(axes: Axes, panel: Panel) -> None:
    with Image.open(BytesIO(panel.png)) as image:
        pixels = np.asarray(image.convert("RGBA"))
    axes.set_axis_on()
    axes.set_facecolor("#e9edef")
    axes.imshow(pixels, interpolation="nearest", aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#7d8891")
    axes.spines[:].set_linewidth(0.6)


def _draw_under(axes: Axes, frame: MapFrame, width_in: float) -> None:
    """Scale bar on the left, north arrow on the right; units are inches."""
    height_in = _UNDER_IN - 0.08
    axes.set_xlim(0, width_in)
    axes.set_ylim(-height_in, 0)
    bar = frame.scale_bar
    length, thick = bar.share * width_in, 0.07
    for number, color in enumerate((_INK, "white")):
        corner = (number * length / 2, -thick)
        axes.add_patch(Rectangle(corner, length / 2, thick, fc=color, ec=_INK, lw=0.6, clip_on=False))
    for at, text in ((0, "0"), (length / 2, bar.half_label), (length, bar.label)):
        align = "left" if at == 0 else "center"
        axes.text(at, -thick - 0.04, text, family=_FONT, size=7, color=_INK, va="top", ha=align)
    _draw_north(axes, frame.north_deg, (width_in - 0.2, -0.17))


def _draw_north(axes: Axes, degrees: float, centre: tuple[float, float]) -> None:
    angle = np.deg2rad(-degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tip, notch, foot = (0.0, 0.17), (0.0, -0.09), 0.075
    for side, color in ((1, _INK), (-1, "white")):
        corners = np.array([tip, (side * foot, -0.15), notch]) @ turn.T + centre
        axes.add_patch(Polygon(corners.tolist(), closed=True, fc=color, ec=_INK, lw=0.7, clip_on=False))
    axes.text(
        centre[0] - 0.16, centre[1], "N", family=_FONT, size=9, weight="bold", color=_INK, va="center",
        ha="right",
    )  # fmt: skip


def _draw_legend(axes: Axes, panel: Panel, height_in: float) -> None:
    """Classes under their parents with their shares, or the ramp; units are inches from the top."""
    axes.set_xlim(0, _LEGEND_IN)
    axes.set_ylim(-height_in, 0)
    line = -_LINE_IN / 2
    for entry in panel.legend:
        if entry.heading is not None:
            _write(axes, 0.0, line, entry.heading, color=_SOFT)
            line -= _LINE_IN
        left = 0.12 if entry.grouped else 0.0
        _swatch(axes, left, line, entry.color)
        _write(axes, left + 0.28, line, entry.name)
        _write(axes, _LEGEND_IN, line, per_cent(entry.share), align="right")
        line -= _LINE_IN
    if panel.ramp is not None:
        _draw_ramp(axes, panel.ramp, line)
        line -= 2.2 * _LINE_IN
    if panel.gap is not None:
        _swatch(axes, 0.0, line, (233, 237, 239))
        _write(axes, 0.28, line, panel.gap)


def _draw_ramp(axes: Axes, ramp: bytes, line: float) -> None:
    with Image.open(BytesIO(ramp)) as image:
        pixels = np.asarray(image.convert("RGBA"))
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(pixels, extent=(0, _LEGEND_IN, line - 0.06, line + 0.08), aspect="auto")
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])
    for share, align in ((0, "left"), (50, "center"), (100, "right")):
        _write(axes, _LEGEND_IN * share / 100, line - 0.16, f"{share} %", align=align)


def _swatch(axes: Axes, left: float, line: float, color: RGB) -> None:
    face = tuple(channel / 255 for channel in color)
    axes.add_patch(Rectangle((left, line - 0.065), 0.2, 0.13, fc=face, ec="#6b757e", lw=0.5, clip_on=False))


def _write(axes: Axes, at: float, line: float, text: str, color: str = _INK, align: str = "left") -> None:
    axes.text(at, line, text, family=_FONT, size=8, color=color, va="center", ha=align, parse_math=False)
