"""Full disks and folders that cannot be written: a small file system in memory, which only root may mount."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .commands import Command
from .contents import differences, half_written, leftovers
from .killing import Tick, goes_on
from .outcome import Outcome, counted
from .running import run
from .trial import Bench

#: Shares of the bytes that the results need: full at the start, in the middle, and just before the end.
FULL_AT = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.97)
_ROOM = 64 * 2**20


def can_mount() -> bool:
    """Tell whether a file system can be mounted here."""
    return os.name == "posix" and os.geteuid() == 0 and Path("/bin/mount").exists()


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[None]:
    """Put an empty file system of a size in place of a folder."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def most_bytes(bench: Bench, command: Command) -> int:
    """Return what a finished run leaves on the disk; while it works it needs more."""
    with bench.trial() as trial:
        run(command.words, trial)
        files = [path for path in (trial / "out").rglob("*") if path.is_file()]
        return sum(-(-path.stat().st_size // 4096) * 4096 for path in files)


def disk_full(bench: Bench, command: Command, tick: Tick) -> Outcome:
    """Run on disks that are too small by different amounts, then give them room and go on."""
    fault = "disk full"
    if not can_mount():
        return Outcome(fault, command.name, 0, note="mounting a small file system needs root")
    needed, problems, seen = most_bytes(bench, command), [], []
    for share in FULL_AT:
        size = max(4096, int(needed * share))
        with bench.trial() as trial, small_disk(trial / "out", size):
            ended = run(command.words, trial)
            if ended.status == 0:
                seen.append("fitted")
                changed = differences(trial / "out", bench.whole[command.name])
                problem = f"differs: {', '.join(changed[:3])}" if changed else None
            else:
                seen.append("one line")
                problem = ended.refusal()
                if not problem and (bad := half_written(trial / "out", bench.whole[command.name])):
                    problem = f"half-written: {', '.join(bad[:3])}"
                _remount(trial / "out", f"size={_ROOM}")
                problem = problem or goes_on(bench, command, trial)
            if problem:
                problems.append(f"with room for {share:.0%}: {problem}")
        tick()
    sizes = f"room for {FULL_AT[0]:.0%} to {FULL_AT[-1]:.0%} of the results"
    note = f"{sizes}: {counted(seen)}; with more room it goes on to the same files"
    return Outcome(fault, command.name, len(FULL_AT), tuple(problems), note)


def read_only(bench: Bench, command: Command, tick: Tick) -> Outcome:
    """Run into a file system that is mounted read-only: root cannot write there either."""
    fault = "read-only output folder"
    if not can_mount():
        return Outcome(fault, command.name, 0, note="mounting a small file system needs root")
    with bench.trial() as trial, small_disk(trial / "out", _ROOM):
        _remount(trial / "out", "ro")
        ended = run(command.words, trial)
        problem = ended.refusal()
        if not problem and (left := leftovers(trial)):
            problem = f"left over: {', '.join(left)}"
    tick()
    line = ended.lines[-1] if ended.lines else ""
    return Outcome(fault, command.name, 1, (problem,) if problem else (), f"`{line}`")


__all__ = ("can_mount", "disk_full", "read_only")
