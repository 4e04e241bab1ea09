"""Label efficiency: scores over the share of labels, for variants named after theirs, ``translu_010``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hierars_geo.output import atomic_path

from .plots import COLORS
from .table import Spread, layout_table

_NAMED = re.compile(r"(?P<variant>.+)_(?P<per_cent>\d{3})$")


@dataclass(frozen=True)
class EfficiencyRow:
    """One variant under one share of the labels.

    Attributes:
        group: Name of its base.
        variant: Its name without the share.
        per_cent: Share of the labelled blocks, or the number of points.
        seeds: How many.
        miou: At the leaves, per cent.
        iou: By leaf class, per cent; classes that the test ground lacks are left out.
    """

    group: str
    variant: str
    per_cent: int
    seeds: int
    miou: Spread
    iou: Mapping[str, Spread]


def efficiency(results: Sequence[Mapping[str, Any]]) -> list[EfficiencyRow]:
    """Summarise the results whose configuration says a share of labels, over their seeds.

    Args:
        results: Contents of result files.

    Returns:
        Rows by group, then variant in the order of first appearance, then share.
    """
    found: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for result in results:
        match = _NAMED.match(result["variant"])
        if match:
            key = (result["group"], match["variant"], int(match["per_cent"]))
            found.setdefault(key, []).append(list(result["decoded"]["levels"].values())[-1])
    variants = list(dict.fromkeys(key[:2] for key in found))
    ordered = sorted(found, key=lambda key: (variants.index(key[:2]), key[2]))
    return [_row(key, found[key]) for key in ordered]


def _row(key: tuple[str, str, int], leaves: Sequence[Mapping[str, Any]]) -> EfficiencyRow:
    classes = [{c["name"]: c["iou"] for c in level["classes"] if c["support"]} for level in leaves]
    names = [name for name in classes[0] if all(c.get(name) is not None for c in classes)]
    return EfficiencyRow(
        *key,
        seeds=len(leaves),
        miou=Spread.of([100 * level["miou"] for level in leaves]),
        iou={name: Spread.of([100 * c[name] for c in classes]) for name in names},
    )


def efficiency_markdown(rows: Sequence[EfficiencyRow]) -> str:
    """Write a table per group and share: mIoU, then IoU of every class."""
    parts = []
    for group in dict.fromkeys(row.group for row in rows):
        own = [row for row in rows if row.group == group]
        names = list(dict.fromkeys(name for row in own for name in row.iou))
        for per_cent in sorted({row.per_cent for row in own}):
            parts.append(f"## {group}, labels_{per_cent:03d}\n")
            lines = [
                [
                    row.variant,
                    str(row.seeds),
                    row.miou.text(),
                    *(row.iou[name].text() if name in row.iou else "-" for name in names),
                ]
                for row in own
                if row.per_cent == per_cent
            ]
            parts.append(layout_table(["variant", "seeds", "mIoU", *(f"IoU {n}" for n in names)], lines))
    return "\n".join(parts)


def draw_efficiency(rows: Sequence[EfficiencyRow], path: Path) -> None:
    """Draw one group: mIoU over the share of labels, logarithmic, a line with its spread per variant.

    Args:
        rows: Of the group.
        path: PNG to write.
    """
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    for number, variant in enumerate(dict.fromkeys(row.variant for row in rows)):
        own = [row for row in rows if row.variant == variant]
        axes.errorbar(
            # a few per cent aside, so that the whiskers of variants do not hide each other
            [row.per_cent * 1.025**number for row in own],
            [row.miou.mean for row in own],
            yerr=[row.miou.std or 0.0 for row in own],
            fmt="o-",
            markersize=4,
            capsize=2,
            linewidth=1.2,
            color=COLORS[number % len(COLORS)],
            label=variant,
        )
    ticks = sorted({row.per_cent for row in rows})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("labels: per cent of the blocks, or points of a scene")
    axes.set_ylabel("mIoU of the leaves, per cent")
    axes.set_title(f"{rows[0].group}: mean and one standard deviation over the seeds", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    figure.legend(loc="outside right upper", frameon=False)
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=120)
