"""What the splits hold, written into the folder of a run."""

import csv
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..datasets.survey import Survey
from ..errors import list_some
from ..output.output import as_output_error, atomic_path, check_writable_folder
from ..taxonomy import Taxonomy

_LOG = logging.getLogger(__name__)


def write_split_report(folder: str | Path, surveys: Mapping[str, Survey], taxonomy: Taxonomy) -> None:
    """Write ``class_histograms.csv``, ``class_histograms.json`` and ``statistics.json``, and log a summary.

    Args:
        folder: Made where it is missing.
        surveys: By split.
        taxonomy: Tree of the labels.

    Raises:
        OutputError: The folder cannot be written.
    """
    target = check_writable_folder(folder)
    rows = _rows(surveys, taxonomy)
    with (
        atomic_path(target / "class_histograms.csv") as path,
        as_output_error(target / "class_histograms.csv"),
        path.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    windows = {
        name: {"windows_read": found.windows, "windows_in_all": found.windows_in_all}
        for name, found in surveys.items()
    }
    _write_json(target / "class_histograms.json", {"splits": windows, "classes": rows})
    bands = {name: found.bands.to_dict() for name, found in surveys.items() if found.bands is not None}
    _write_json(target / "statistics.json", bands)
    if any(sum(found.classes[0]) for found in surveys.values()):  # a training on nothing is refused in a line
        _log_summary(surveys, taxonomy)


def _log_summary(surveys: Mapping[str, Survey], taxonomy: Taxonomy) -> None:
    names = taxonomy.class_names(taxonomy.num_levels)
    for split, found in surveys.items():
        leaves = found.classes[-1]
        missing = [name for name, count in zip(names, leaves, strict=True) if not count]
        without = f", without {list_some(missing)}" if missing else ""
        present = len(leaves) - len(missing)
        labelled = sum(found.classes[0])
        _LOG.info(
            "%s: %d labelled pixels, %d of %d classes%s", split, labelled, present, len(leaves), without
        )


def _rows(surveys: Mapping[str, Survey], taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """One row per level and class: pixels and share of every split."""
    rows = []
    for level, level_name in enumerate(taxonomy.level_names, start=1):
        names, values = taxonomy.class_names(level), taxonomy.class_values(level)
        for index, (name, value) in enumerate(zip(names, values, strict=True)):
            row: dict[str, Any] = {"level": level_name, "value": value, "class": name}
            for split, found in surveys.items():
                counts = found.classes[level - 1]
                row[f"{split}_px"] = counts[index]
                row[f"{split}_share"] = round(counts[index] / max(1, sum(counts)), 6)
            rows.append(row)
    return rows


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_path(path) as unfinished, as_output_error(path):
        unfinished.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


__all__ = ("write_split_report",)
