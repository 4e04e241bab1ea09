"""Inputs that are deleted or cut off while they are read; clocks that go backwards."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from .commands import Command
from .contents import differences, half_written, results
from .killing import Tick, goes_on
from .outcome import Outcome, counted
from .running import Ended, Running, run
from .trial import Bench

#: Shares of the undisturbed time at which the input goes.
_MOMENTS = (0.05, 0.2, 0.4, 0.6, 0.8)
#: Seconds since 1970: 1 January 1990 and 1 January 2090.
PAST, FUTURE = 631_152_000, 3_786_912_000


def deleted(bench: Bench, command: Command, tick: Tick) -> Outcome:
    """Delete what is read while the command runs."""
    return _disturbed(bench, command, "input deleted while running", _delete, tick)


def truncated(bench: Bench, command: Command, tick: Tick) -> Outcome:
    """Cut every raster that is read off in the middle while the command runs."""
    return _disturbed(bench, command, "input truncated while running", _truncate, tick)


def _disturbed(
    bench: Bench, command: Command, fault: str, disturb: Callable[[Path], None], tick: Tick
) -> Outcome:
    problems, seen = [], []
    for share in _MOMENTS:
        with bench.trial() as trial:
            running = Running(command.words, trial)
            running.wait_until(share * bench.seconds[command.name])
            for name in command.inputs:
                disturb(trial / name)
            ended = running.end()
            problem = _settled(bench, command, trial, ended)
            seen.append("one line" if ended.status else "same files")
        if problem:
            problems.append(f"at {share:.0%} of the run: {problem}")
        tick()
    return Outcome(fault, command.name, len(_MOMENTS), tuple(problems), counted(seen))


def _settled(bench: Bench, command: Command, trial: Path, ended: Ended) -> str | None:
    """After a success all has to be as undisturbed, after a refusal nothing may be wrong."""
    whole = bench.whole[command.name]
    if ended.status == 0:
        changed = differences(trial / "out", whole)
        return f"a wrong result without a word: {', '.join(changed[:3])}" if changed else None
    bad = half_written(trial / "out", whole)
    return ended.refusal() or (f"half-written: {', '.join(bad[:3])}" if bad else None)


def _delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _truncate(path: Path) -> None:
    for raster in path.rglob("*.tif") if path.is_dir() else (path,):
        os.truncate(raster, raster.stat().st_size // 2)


def clock_back(bench: Bench, command: Command, tick: Tick) -> Outcome:
    """Run with inputs of 2090, kill, set what was written so far to 1990, and go on.

    The times of files stand for a clock that jumps: setting the machine's own would hit everything else
    that runs on it.
    """
    problems = []
    for inputs_s, written_s in ((FUTURE, PAST), (PAST, FUTURE)):
        with (
            bench.trial() as trial
        ):  # the item of a prediction holds a checksum of what tells its input apart
            _set_times(trial / "in", inputs_s)
            run(command.words, trial)
            whole = results(trial / "out")
        with bench.trial() as trial:
            _set_times(trial / "in", inputs_s)
            running = Running(command.words, trial)
            running.signal_at(0.6 * bench.seconds[command.name], signal.SIGKILL)
            running.end()
            _set_times(trial / "out", written_s)
            problem = None if not differences(trial / "out", whole) else goes_on(bench, command, trial, whole)
        if problem:
            problems.append(problem)
        tick()
    note = "inputs dated 2090 and what was written dated 1990, and the other way round; killed and gone on"
    return Outcome("clock set back (times of files)", command.name, 2, tuple(problems), note)


def _set_times(folder: Path, seconds: int) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (seconds, seconds))


__all__ = ("clock_back", "deleted", "truncated")
