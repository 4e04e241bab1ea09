"""Result files: one JSON per job, complete or absent; and what the heads of the files say was measured."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hierars_geo.output import atomic_path

from .jobs import Job
from .table import MEAN, VariantRow


def result_path(out: Path, job: Job) -> Path:
    """Return where a job's result lies."""
    return out / "results" / f"{job.name}.json"


def write_result(out: Path, job: Job, result: dict[str, Any]) -> Path:
    """Write a job's result under its final name only when it is complete.

    Returns:
        The file.
    """
    path = result_path(out, job)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as unfinished:
        unfinished.write_text(
            json.dumps(result, indent=1, allow_nan=False, ensure_ascii=False), encoding="utf-8"
        )
    return path


def read_results(out: Path, jobs: Iterable[Job]) -> list[dict[str, Any]]:
    """Read the results of the jobs that have one, in the jobs' order."""
    paths = (result_path(out, job) for job in jobs)
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def record_measured(rows: Sequence[VariantRow], path: Path) -> None:
    """Enter hardware, time and score of every row as ``GROUP/VARIANT``; others stay as they are.

    Args:
        rows: Of a table.
        path: ``measured.json``.
    """
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known |= {f"{row.group}/{row.variant}": _measured(row) for row in rows if row.group != MEAN}
    with atomic_path(path) as unfinished:
        unfinished.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8")


def _measured(row: VariantRow) -> dict[str, str]:
    miou, oa = (
        " / ".join(figure.text() for name, figure in row.figures.items() if name.endswith(f" {score}"))
        for score in ("mIoU", "OA")
    )
    legal = row.figures.get("consistency")
    more = "" if legal is None else f"; legal before decoding {legal.text()} %"
    seeds = len(row.seeds)
    return {
        "hardware": row.hardware,
        "time": f"{row.figures['train CPU s'].mean:.0f} s of CPU a training",
        "score": f"test chips, {seeds} seed{'s' * (seeds > 1)}, coarse to fine: mIoU {miou}; OA {oa}{more}",
    }
