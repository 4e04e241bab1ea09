"""A plot per group: mIoU and OA of every variant at every level, with their spread."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hierars_geo.output import atomic_path

from .table import VariantRow

#: Of the variants, told apart also by readers who see no red and green (Okabe and Ito, and one more).
COLORS = ("#999999", "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7", "#000000", "#882255")


def draw_scores(rows: Sequence[VariantRow], path: Path) -> None:
    """Draw one group: a panel per score and level, a line per variant.

    Points with whiskers (one standard deviation), not bars: the axes do not begin at 0, for differences of
    a few points are what is looked at. A dashed line carries the first variant's mean through its panel.

    Args:
        rows: Its variants.
        path: PNG to write.
    """
    scores = ("mIoU", "OA")
    levels = [name.split()[0] for name in rows[0].figures if name.endswith(" OA")]
    size = (1.9 + 2.9 * len(levels), 1.1 + 0.24 * len(scores) * (len(rows) + 2))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(scores), len(levels), sharey=True, squeeze=False)
    for score, line in zip(scores, panels, strict=True):
        for level, axes in zip(levels, line, strict=True):
            _draw_panel(axes, rows, f"{level} {score}")
    figure.suptitle(f"{rows[0].group}: per cent, mean and one standard deviation over the seeds (how many)")
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=120)


def _draw_panel(axes: Axes, rows: Sequence[VariantRow], name: str) -> None:
    axes.axvline(rows[0].figures[name].mean, color="#999999", linewidth=0.8, linestyle="--")
    for number, row in enumerate(rows):
        figure = row.figures[name]
        axes.errorbar(
            figure.mean,
            number,
            xerr=figure.std or 0.0,
            fmt="o",
            markersize=5,
            capsize=3,
            color=COLORS[number % len(COLORS)],
        )
    axes.set_yticks(range(len(rows)), [f"{row.variant} ({len(row.seeds)})" for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_title(name, fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
