"""Fault drill: what is killed, interrupted, cut off or crowded goes on to the same files as if nothing was.

Run: make drill (or python tests/drill/drill.py). It prints a Markdown table for docs/reliability.md, a
row as soon as it is known, and ends with status 1 where a fault was not survived. ``--only`` takes parts:
kill, interrupt, disk, readonly, deleted, truncated, clock, workers, together, many, sparse; ``--commands``
takes some of the commands; ``--kills`` says how often each is killed.

The commands run on synthetic scenes in a folder of their own, each in a process forked from one that has
imported everything, so that a hundred runs do not cost a hundred imports. After a fault every file under a
final name has to be that of an undisturbed run, byte for byte; of the STAC item of a prediction the time of
making is left out, of a report its minute. Checkpoints are compared by their step and every tensor; records
of a training that grow line by line (metrics.csv, events, hparams.yaml) are not results.
"""

import argparse
import os
import platform
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from survival.commands import COMMANDS, VECTORIZE, Command, polygons_as
from survival.disks import FULL_AT, disk_full, read_only
from survival.inputs import clock_back, deleted, truncated
from survival.killing import Tick, interrupted, killed
from survival.outcome import HEADER, Outcome
from survival.running import prepare
from survival.sizes import many_rasters, sparse_raster
from survival.together import two_runs, worker_killed
from survival.trial import Bench, NotUndisturbedError, make_bench

#: Part -> what is done to a command.
_PER_COMMAND: dict[str, Callable[[Bench, Command, Tick], Outcome]] = {
    "interrupt": interrupted,
    "disk": disk_full,
    "readonly": read_only,
    "deleted": deleted,
    "truncated": truncated,
    "clock": clock_back,
    "together": two_runs,
}
_PARTS = ("kill", *_PER_COMMAND, "workers", "many", "sparse")
#: Trials of a command in a part, for the bar.
_TRIALS = {"interrupt": 5, "disk": len(FULL_AT), "readonly": 1, "deleted": 5, "truncated": 5, "clock": 2}


def outcomes(
    bench: Bench, args: argparse.Namespace, commands: list[Command], tick: Tick
) -> Iterator[Outcome]:
    """Yield rows as they are known."""
    formats = [polygons_as(suffix) for suffix in (".parquet", ".fgb", ".geojson")]
    for part in args.only:
        if part == "kill":
            for number, command in enumerate(commands):
                yield killed(bench, command, args.kills, random.Random(args.seed + number), tick)
        elif part == "workers":
            yield worker_killed(bench, tick)
        elif part == "many":
            yield from many_rasters(bench, args.many, args.predicted, tick)
        elif part == "sparse":
            yield from sparse_raster(bench, args.sparse_px, tick)
        else:
            more = formats if part == "disk" and VECTORIZE in commands else []
            for command in (*commands, *more):
                if command.name not in bench.whole:
                    bench.learn(command)
                yield _PER_COMMAND[part](bench, command, tick)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", choices=_PARTS, default=list(_PARTS), help="parts (default: all)"
    )
    names = [command.name for command in COMMANDS]
    parser.add_argument("--commands", nargs="+", choices=names, default=names, help="commands (default: all)")
    parser.add_argument("--kills", type=int, default=20, help="kills of each command (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills (default: 0)")
    parser.add_argument("--steps", type=int, default=24, help="of the training (default: 24)")
    parser.add_argument("--size-m", type=int, default=2560, help="side of the scenes (default: 2560)")
    parser.add_argument("--many", type=int, default=10_000, help="tiny rasters (default: 10000)")
    parser.add_argument(
        "--predicted", type=int, default=1000, help="of them predicted one by one (default: 1000)"
    )
    parser.add_argument("--sparse-px", type=int, default=60_000, help="side of the sparse raster")
    parser.add_argument("--folder", type=Path, help="empty folder to work in (default: a temporary one)")
    return parser.parse_args()


def main() -> int:
    """Run the drill.

    Returns:
        1 where a fault was not survived.
    """
    args = _parsed()
    prepare()
    commands = [command for command in COMMANDS if command.name in args.commands]
    bad = 0
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    with (
        tempfile.TemporaryDirectory(prefix="drill_", dir=args.folder) as folder,
        Progress(*columns, console=console, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("making scenes, a model and maps", total=None)
        bench = make_bench(Path(folder) / "bench", args.steps, args.size_m)
        if any(part not in ("workers", "many", "sparse") for part in args.only):
            for command in commands:
                bench.learn(command)
        total = sum(len(commands) * (args.kills if p == "kill" else _TRIALS.get(p, 3)) for p in args.only)
        bar.update(task, description="drilling", total=total)
        took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in bench.seconds.items())
        print(f"{os.cpu_count()} CPU cores, {platform.machine()}; undisturbed: {took}\n")
        print(HEADER, flush=True)
        for outcome in outcomes(bench, args, commands, lambda: bar.advance(task)):
            print(outcome, flush=True)
            for problem in outcome.problems:
                print(f"{outcome.fault}, {outcome.command}: {problem}", file=sys.stderr, flush=True)
            bad += len(outcome.problems)
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotUndisturbedError as error:
        sys.exit(f"without any fault: {error}")
