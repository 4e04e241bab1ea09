"""Write every generated configuration under experiments/.

    python experiments/make_matrix.py                          # write them
    python experiments/make_matrix.py --check                  # exit 1 where one is out of date
    python experiments/make_matrix.py --record runs/gewata     # enter measured times and scores, then write

Times and scores live in measured.json beside this file; ``--record`` takes them from the table.json of a
folder that run.py wrote.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matrix import Experiment, all_experiments, render
from matrix.experiment import Measured

EXPERIMENTS = Path(__file__).resolve().parent
MEASURED = EXPERIMENTS / "measured.json"


def main(argv: Sequence[str]) -> int:
    """Write or check the files.

    Returns:
        0, or 1 where a file is out of date.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--record", type=Path, nargs="+", default=[], help="folders of run.py")
    args = parser.parse_args(argv)
    for folder in args.record:
        _record(json.loads((folder / "table.json").read_text(encoding="utf-8")))
    stale = outdated()
    if args.check:
        sys.stderr.writelines(f"make_matrix.py: {path} is out of date\n" for path in stale)
        return 1 if stale else 0
    for path, text in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(EXPERIMENTS)}\n")
    return 0


def outdated() -> dict[Path, str]:
    """Return the files that differ from what they should say, with what they should say."""
    known: dict[str, dict[str, str]] = {}
    if MEASURED.is_file():
        known = json.loads(MEASURED.read_text(encoding="utf-8"))
    texts = {
        EXPERIMENTS / e.path: render(e, Measured(**known[e.path]) if e.path in known else None)
        for e in all_experiments()
    }
    return {
        path: text
        for path, text in texts.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }


def _record(rows: Sequence[dict[str, Any]]) -> None:
    """Enter the rows of a table."""
    paths = {experiment.path for experiment in all_experiments()}
    known = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.is_file() else {}
    for row in rows:
        path = f"{row['group']}/{row['variant']}.yaml"
        if path in paths:
            known[path] = asdict(_measured(row))
    MEASURED.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8")


def _measured(row: dict[str, Any]) -> Measured:
    figures = row["figures"]
    miou, oa = (
        " / ".join(_cell(figure) for name, figure in figures.items() if name.endswith(f" {score}"))
        for score in ("mIoU", "OA")
    )
    legal = f"; legal before decoding {_cell(figures['consistency'])} %" if "consistency" in figures else ""
    seeds = len(row["seeds"])
    return Measured(
        hardware=row["hardware"],
        time=f"{figures['train CPU s']['mean']:.0f} s of CPU a training",
        score=f"test chips, {seeds} seed{'s' * (seeds > 1)}, coarse to fine: mIoU {miou}; OA {oa}{legal}",
    )


def _cell(figure: dict[str, float | None]) -> str:
    spread = "" if figure["std"] is None else f" ± {figure['std']:.1f}"
    return f"{figure['mean']:.1f}{spread}"


__all__ = ("Experiment", "main", "outdated")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
