"""Result files: one JSON per job, complete or absent."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hierars_geo.output import atomic_path

from .jobs import Job


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


__all__ = ("read_results", "result_path", "write_result")
