"""Summaries over seeds: mean and sample standard deviation of every figure, as Markdown, CSV and JSON."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import fmean, stdev
from typing import Any, TypeVar

from scipy.stats import t as student  # type: ignore[attr-defined]

Score = TypeVar("Score")

#: Name of the group that averages the others.
MEAN = "mean"


@dataclass(frozen=True)
class Spread:
    """A figure over the seeds.

    Attributes:
        mean: Their mean.
        std: Sample standard deviation, None for a single seed.
        seeds: How many.
    """

    mean: float
    std: float | None
    seeds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one value."""
        return cls(fmean(values), stdev(values) if len(values) > 1 else None, len(values))

    def text(self, digits: int = 1) -> str:
        """Write mean and deviation."""
        spread = "" if self.std is None else f" ± {self.std:.{digits}f}"
        return f"{self.mean:.{digits}f}{spread}"

    def interval_text(self, digits: int = 1, bold: bool = False) -> str:
        """Write the mean and its 95 % confidence interval by Student's t, all with their signs.

        Args:
            digits: Behind the point.
            bold: Whether an interval that leaves 0 out is bold.
        """
        if self.std is None:
            return f"{self.mean:+.{digits}f}"
        half = float(student.ppf(0.975, self.seeds - 1)) * self.std / self.seeds**0.5
        text = f"{self.mean:+.{digits}f} [{self.mean - half:+.{digits}f}, {self.mean + half:+.{digits}f}]"
        return f"**{text}**" if bold and abs(self.mean) > half else text


@dataclass(frozen=True)
class VariantRow:
    """One variant.

    Attributes:
        group: Name of its base.
        variant: Names of its overlays.
        seeds: The seeds that have a result.
        figures: By name; shares in per cent, times in seconds. A figure that some seed lacks is absent.
        gains: By name, this variant minus the group's first, seed by seed; of seeds that both have.
        parameters: Trainable or not.
        steps: Optimiser steps.
        hardware: What the first result ran on.
    """

    group: str
    variant: str
    seeds: tuple[int, ...]
    figures: Mapping[str, Spread]
    gains: Mapping[str, Spread]
    parameters: int
    steps: int
    hardware: str


def summarise(results: Sequence[Mapping[str, Any]], rare_share: float) -> list[VariantRow]:
    """Summarise results over their seeds.

    Args:
        results: Contents of result files.
        rare_share: A leaf class with a smaller share of the labelled test pixels, but at least one, is rare.

    Returns:
        One row per group and variant, in the order of first appearance; of several groups also the mean over
        them of what the leaves score, for the variants and seeds that all of them have.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        groups.setdefault(result["group"], []).append({**result, "figures": _figures(result, rare_share)})
    if len(groups) > 1:
        groups[MEAN] = _mean_over(list(groups.values()))
    rows = []
    for group, own in groups.items():
        first = {r["seed"]: r["figures"] for r in own if r["variant"] == own[0]["variant"]}
        rows += [
            _row(group, [r for r in own if r["variant"] == variant], first)
            for variant in dict.fromkeys(r["variant"] for r in own)
        ]
    return rows


def _mean_over(groups: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Average what the leaves score over groups, for each variant and seed that all of them have."""
    found = []
    for result in groups[0]:
        same = [
            other["figures"]
            for group in groups
            for other in group
            if (other["variant"], other["seed"]) == (result["variant"], result["seed"])
        ]
        if len(same) == len(groups):
            means = {f"leaf {score}": fmean(_leaf(each, score) for each in same) for score in ("mIoU", "OA")}
            means["train CPU s"] = fmean(each["train CPU s"] for each in same)
            found.append({**result, "figures": means})
    return found


def _leaf(figures: Mapping[str, Score], score: str) -> Score:
    """Take a score of the finest level."""
    return [value for name, value in figures.items() if name.endswith(f" {score}")][-1]


def _row(
    group: str, results: Sequence[Mapping[str, Any]], first: Mapping[int, Mapping[str, float]]
) -> VariantRow:
    """Summarise one variant beside the figures of the group's first, by seed."""
    each = {r["seed"]: r["figures"] for r in results}
    paired = [(figures, first[seed]) for seed, figures in each.items() if seed in first]
    gains = {
        name: Spread.of([ours[name] - theirs[name] for ours, theirs in paired])
        for name in _common([figures for pair in paired for figures in pair])
    }
    return VariantRow(
        group=group,
        variant=results[0]["variant"],
        seeds=tuple(each),
        figures={
            name: Spread.of([figures[name] for figures in each.values()])
            for name in _common(list(each.values()))
        },
        gains=gains,
        parameters=results[0]["parameters"],
        steps=results[0]["steps"],
        hardware=results[0]["hardware"],
    )


def _common(figures: Sequence[Mapping[str, float]]) -> list[str]:
    """Names that all have, in the first one's order."""
    return [name for name in figures[0] if all(name in others for others in figures)] if figures else []


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
    """Write two Markdown tables per group: the figures, and what each variant gains on the first."""
    parts = []
    for group in dict.fromkeys(row.group for row in rows):
        own = [row for row in rows if row.group == group]
        names = _columns(own)
        parts.append(f"## {group}\n")
        parts.append(
            layout_table(
                ["variant", "seeds", *names, "parameters, M", "steps"],
                [
                    [row.variant, _seeds(row)]
                    + [_cell(name, row.figures.get(name)) for name in names]
                    + [f"{row.parameters / 1e6:.2f}", str(row.steps)]
                    for row in own
                ],
            )
        )
        gains = [name for name in names if not name.startswith("train") and name != "consistency"]
        parts.append(f"Minus {own[0].variant}, seed by seed, with the 95 % interval of the mean:\n")
        parts.append(
            layout_table(
                ["variant", *gains],
                [[row.variant, *(_gain(name, row.gains.get(name)) for name in gains)] for row in own[1:]],
            )
        )
    return "\n".join(parts)


def leaves_markdown(rows: Sequence[VariantRow]) -> str:
    """Write what the leaves score, and in two tables what they gain on the first, with a column per group."""
    of = {(row.group, row.variant): row for row in rows}
    groups, variants = (list(dict.fromkeys(names)) for names in zip(*of, strict=True))

    def table(title: str, shown: Sequence[str], cell: Callable[[VariantRow], str]) -> str:
        lines = []
        for variant in shown:
            own = [of.get((group, variant)) for group in groups]
            seeds = sorted({len(row.seeds) for row in own if row})
            lines.append([variant, " or ".join(map(str, seeds)), *(cell(row) if row else "" for row in own)])
        return f"{title}:\n\n{layout_table(['variant', 'seeds', *groups], lines)}"

    def score(row: VariantRow) -> str:
        return " / ".join(_leaf(row.figures, name).text() for name in ("mIoU", "OA"))

    def gain(name: str, row: VariantRow) -> str:
        return _leaf(row.gains, name).interval_text(bold=True) if row.gains else ""

    minus = f"minus {variants[0]}, seed by seed, with the 95 % interval of the mean"
    gains = [table(f"{name} {minus}", variants[1:], partial(gain, name)) for name in ("mIoU", "OA")]
    return "\n".join([table("mIoU / OA", variants, score), *gains])


def layout_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lay cells out as Markdown."""
    rule = ["---"] * len(head)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *lines))


def _seeds(row: VariantRow) -> str:
    return " ".join(map(str, row.seeds))


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
        writer.writerow([row.group, row.variant, _seeds(row), row.parameters, row.steps, *cells])
    return text.getvalue()


def to_json(rows: Sequence[VariantRow]) -> str:
    """Write all rows as they are."""
    return json.dumps([asdict(row) for row in rows], indent=1) + "\n"


def _columns(rows: Sequence[VariantRow]) -> list[str]:
    """Names of the figures, in the order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.figures))


def _cell(name: str, spread: Spread | None) -> str:
    """Write mean and deviation."""
    return "-" if spread is None else spread.text(_digits(name))


def _gain(name: str, spread: Spread | None) -> str:
    """Write a difference and its interval."""
    return "-" if spread is None else spread.interval_text(_digits(name))


def _digits(name: str) -> int:
    return 3 if name == "tree distance" else 0 if name.startswith("train") else 1
