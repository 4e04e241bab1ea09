"""Train and score a base with each of its overlays; skip what is done; collect tables and plots.

    python experiments/run.py experiments/base/gewata.yaml --with experiments/head/*.yaml -o runs/gewata

leaves in runs/gewata one JSON per training (results/), and over all of them table.md, table.csv, table.json,
leaves.md with the bases side by side, and a plot per base. ``--with`` given again crosses its overlays with
those before; ``A.yaml+B.yaml`` go together, and in their names ``{base}`` is that of the base. With
``--label-shares`` every variant is trained on these per cent of the labels; efficiency.md and a plot over the
share come on top. With ``--cpu-seconds`` all trainings take the same time in place of the same steps.
Stop it at any time and start it again: a result that exists is not computed twice, one whose files changed
is. Options after ``--`` go to every training, as they would to ``fit``.
"""

import argparse
import json
import logging
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from runner import (
    Job,
    draw_efficiency,
    draw_scores,
    efficiency,
    efficiency_markdown,
    leaves_markdown,
    plan_jobs,
    read_results,
    record_measured,
    run_job,
    summarise,
    to_csv,
    to_json,
    to_markdown,
    write_result,
)
from runner.results import result_path

from hierars_geo.errors import HieraRSError
from hierars_geo.output import atomic_path

EXPERIMENTS = Path(__file__).resolve().parent


def main(argv: Sequence[str]) -> int:
    """Run the jobs that have no result yet, then collect what there is.

    Returns:
        0, or 1 where a training failed.
    """
    own, overrides = _split(argv)
    for library in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(library).setLevel(logging.WARNING)  # their greetings, once per training
    args = _parser().parse_args(own)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    if args.cpu_seconds is not None:
        limit = {"class_path": "runner.training.CpuSeconds", "init_args": {"seconds": args.cpu_seconds}}
        overrides += ["--trainer.max_steps", "1000000", f"--trainer.callbacks+={json.dumps(limit)}"]
    try:
        jobs = plan_jobs(args.bases, args.overlays, args.seeds, args.label_shares, overrides)
        failed = 0 if args.collect else _run_all(jobs, args.out, overrides, args.keep_checkpoints)
        _collect(jobs, args.out, args.rare_share, args.record)
    except HieraRSError as error:
        sys.stderr.write(f"run.py: error: {error}\n")
        return 1
    return 1 if failed else 0


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Cut at ``--``: own options, and those of every training."""
    cut = list(argv).index("--") if "--" in argv else len(argv)
    return list(argv[:cut]), list(argv[cut + 1 :])


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("bases", type=Path, nargs="+", help="configurations of fit that the overlays complete")
    p.add_argument(
        "--with",
        dest="overlays",
        type=Path,
        nargs="+",
        action="append",
        default=[],
        help="overlays; every base is trained with each",
    )
    p.add_argument(
        "--label-shares",
        type=int,
        nargs="+",
        default=[],
        help="per cent of the labels: files labels_001.tif ... beside labels_100.tif of the base",
    )
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    p.add_argument("-o", "--out", type=Path, required=True, help="folder of results, tables and plots")
    p.add_argument("--collect", action="store_true", help="train nothing, collect what there is")
    p.add_argument("--record", action="store_true", help="enter what was measured into measured.json")
    p.add_argument("--cpu-seconds", type=float, help="end every training after so many, not after max_steps")
    p.add_argument("--threads", type=int, help="threads of one training (default: torch's)")
    p.add_argument("--keep-checkpoints", action="store_true", help="keep them after scoring")
    p.add_argument(
        "--rare-share",
        type=float,
        default=0.03,
        help="leaf classes with a smaller share of the test labels are rare (default: 0.03)",
    )
    return p


def _run_all(jobs: Sequence[Job], out: Path, overrides: Sequence[str], keep_checkpoints: bool) -> int:
    """Run what has no result; a training that fails does not hold up the others.

    Returns:
        How many failed.
    """
    failed = 0
    for number, job in enumerate(jobs, start=1):
        head = f"[{number}/{len(jobs)}] {job.group}/{job.variant} seed {job.seed}"
        if result_path(out, job).is_file():
            _say(f"{head}: done before")
            continue
        _say(f"{head}: {time.strftime('%H:%M:%S')}")
        try:
            with warnings.catch_warnings():
                # Lightning's advice about workers and its own deprecated calls: hundreds of lines
                warnings.simplefilter("ignore")
                result = run_job(job, out / "work" / job.name, overrides, keep_checkpoints)
        except Exception as error:  # whatever it is, the other trainings are worth as much as before
            failed += 1
            sys.stderr.write(f"{head}: error: {_cause(error)}\n")
            continue
        write_result(out, job, result)
        scores = result["decoded"]["levels"]
        miou = " ".join(f"{100 * level['miou']:.1f}" for level in scores.values())
        _say(f"{head}: mIoU {miou}, {result['train_seconds']['wall']:.0f} s")
    return failed


def _cause(error: BaseException) -> str:
    """Say what went wrong: our own words where a library wrapped them."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, HieraRSError):
        cause = cause.__cause__ or cause.__context__
    return f"{type(error).__name__}: {error}" if cause is None else str(cause)


def _collect(jobs: Sequence[Job], out: Path, rare_share: float, record: bool) -> None:
    """Write the tables and plots over all results."""
    results = read_results(out, jobs)
    rows = summarise(results, rare_share)
    if not rows:
        _say("no result yet")
        return
    if record:
        record_measured(rows, EXPERIMENTS / "measured.json")
    out.mkdir(parents=True, exist_ok=True)
    tables = {
        "table.md": to_markdown,
        "leaves.md": leaves_markdown,
        "table.csv": to_csv,
        "table.json": to_json,
    }
    for name, write in tables.items():
        with atomic_path(out / name) as unfinished:
            unfinished.write_text(write(rows), encoding="utf-8")
        _say(str(out / name))
    for group in dict.fromkeys(row.group for row in rows):
        path = out / f"{group}.png"
        draw_scores([row for row in rows if row.group == group], path)
        _say(str(path))
    _collect_efficiency(results, out)


def _collect_efficiency(results: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Write table and plots over the share of labels, where variants are named by one."""
    rows = efficiency(results)
    if not rows:
        return
    path = out / "efficiency.md"
    with atomic_path(path) as unfinished:
        unfinished.write_text(efficiency_markdown(rows), encoding="utf-8")
    _say(str(path))
    for group in dict.fromkeys(row.group for row in rows):
        path = out / f"{group}-efficiency.png"
        draw_efficiency([row for row in rows if row.group == group], path)
        _say(str(path))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
