"""Summaries over seeds: mean and sample standard deviation of every figure, as Markdown, CSV and JSON."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any


@dataclass(frozen=True)
class Spread:
    """A figure over the seeds.

    Attributes:
        mean: Their mean.
        std: Sample standard deviation, None for a single seed.
    """

    mean: float
    std: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one value."""
        return cls(fmean(values), stdev(values) if len(values) > 1 else None)


@dataclass(frozen=True)
class VariantRow:
    """One configuration.

    Attributes:
        group: Its folder.
        variant: Its name.
        seeds: The seeds that have a result.
        figures: By name; shares in per cent, times in seconds. A figure that some seed lacks is absent.
        parameters: Trainable or not.
        steps: Optimiser steps.
        hardware: What the first result ran on.
    """

    group: str
    variant: str
    seeds: tuple[int, ...]
    figures: Mapping[str, Spread]
    parameters: int
    steps: int
    hardware: str


def summarise(results: Sequence[Mapping[str, Any]], rare_share: float) -> list[VariantRow]:
    """Summarise results over their seeds.

    Args:
        results: Contents of result files.
        rare_share: A leaf class with a smaller share of the labelled test pixels, but at least one, is rare.

    Returns:
        One row per group and variant, in the order of first appearance.
    """
    rows = []
    for group, variant in dict.fromkeys((r["group"], r["variant"]) for r in results):
        own = [r for r in results if (r["group"], r["variant"]) == (group, variant)]
        each = [_figures(result, rare_share) for result in own]
        common = [name for name in each[0] if all(name in figures for figures in each)]
        rows.append(
            VariantRow(
                group,
                variant,
                tuple(r["seed"] for r in own),
                {name: Spread.of([figures[name] for figures in each]) for name in common},
                own[0]["parameters"],
                own[0]["steps"],
                own[0]["hardware"],
            )
        )
    return rows


def _figures(result: Mapping[str, Any], rare_share: float) -> dict[str, float]:
    """Name the figures of one result."""
    decoded, argmax = result["decoded"], result["argmax"]
    found: dict[str, float | None] = {}
    for level, scores in decoded["levels"].items():
        found[f"{level} mIoU"] = _per_cent(scores["miou"])
        found[f"{level} OA"] = _per_cent(scores["oa"])
    found["rare F1"] = _rare_f1(decoded, rare_share)
    found["consistency"] = _per_cent(decoded["consistency"])
    found["tree distance"] = decoded["tree_distance"]["mean_all"]
    for level, scores in argmax["levels"].items():
        found[f"{level} mIoU, argmax"] = _per_cent(scores["miou"])
    found["train s"] = result["train_seconds"]["wall"]
    found["train CPU s"] = result["train_seconds"]["cpu"]
    return {name: value for name, value in found.items() if value is not None}


def _rare_f1(scores: Mapping[str, Any], rare_share: float) -> float | None:
    """Mean F1 of the rare leaf classes, None where there are none."""
    leaves = list(scores["levels"].values())[-1]["classes"]
    pixels = sum(leaf["support"] for leaf in leaves)
    rare = [leaf["f1"] for leaf in leaves if 0 < leaf["support"] < rare_share * pixels]
    return 100 * fmean(rare) if rare else None


def _per_cent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def to_markdown(rows: Sequence[VariantRow]) -> str:
    """Write a Markdown table per group."""
    parts = []
    for group in dict.fromkeys(row.group for row in rows):
        own = [row for row in rows if row.group == group]
        names = _columns(own)
        lines = [
            f"## {group}",
            "",
            "| " + " | ".join(["variant", "seeds", *names, "parameters, M", "steps"]) + " |",
            "|---|" + "---|" * (len(names) + 3),
        ]
        for row in own:
            cells = [_cell(name, row.figures.get(name)) for name in names]
            head = [row.variant, " ".join(map(str, row.seeds))]
            lines.append(
                "| " + " | ".join([*head, *cells, f"{row.parameters / 1e6:.2f}", str(row.steps)]) + " |"
            )
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def to_csv(rows: Sequence[VariantRow]) -> str:
    """Write one line per variant, with a column for the mean and one for the deviation of every figure."""
    names = _columns(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    figures = [f"{name} {what}" for name in names for what in ("mean", "std")]
    writer.writerow(["group", "variant", "seeds", "parameters", "steps", *figures])
    for row in rows:
        cells: list[float | None] = []
        for name in names:
            spread = row.figures.get(name)
            cells += [None, None] if spread is None else [spread.mean, spread.std]
        seeds = " ".join(map(str, row.seeds))
        writer.writerow([row.group, row.variant, seeds, row.parameters, row.steps, *cells])
    return text.getvalue()


def to_json(rows: Sequence[VariantRow]) -> str:
    """Write all rows as they are."""
    return json.dumps([asdict(row) for row in rows], indent=1) + "\n"


def _columns(rows: Sequence[VariantRow]) -> list[str]:
    """Names of the figures, in the order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.figures))


def _cell(name: str, spread: Spread | None) -> str:
    if spread is None:
        return "-"
    digits = 3 if name == "tree distance" else 0 if name.startswith("train") else 1
    spread_text = "" if spread.std is None else f" ± {spread.std:.{digits}f}"
    return f"{spread.mean:.{digits}f}{spread_text}"


__all__ = ("Spread", "VariantRow", "summarise", "to_csv", "to_json", "to_markdown")
