"""Commands in processes of their own, forked from one that has imported everything and runs no thread.

A hundred runs would else spend their time on a hundred imports. What is called is the entry of
``python -m hierars_geo``; each process leads a group, so that it is killed with all that it started.
"""

import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from hierars_geo.cli import main

_CONTEXT = multiprocessing.get_context("forkserver")
_PRELOAD = [
    "hierars_geo.cli.training_cli",
    "hierars_geo.catalog",
    "hierars_geo.predict",
    "hierars_geo.report",
    "hierars_geo.vector",
    "torchgeo.datasets",
]
#: A run that takes longer hangs.
HANG_S = 300.0


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: Exit status, below 0 the signal it was killed by, None where it hung.
        stderr: What it said there.
        seconds: From its start.
        peak_bytes: Most resident memory, imports included; 0 where it was killed.
    """

    status: int | None
    stderr: str
    seconds: float
    peak_bytes: int = 0

    @property
    def lines(self) -> list[str]:
        """What it said for itself, notes left out."""
        said = [line for line in self.stderr.splitlines() if line.startswith("hierars-geo: ")]
        return [line for line in said if not line.startswith("hierars-geo: note: ")]

    def refusal(self) -> str | None:
        """Say what is wrong with the way it failed: None for status 1 or 2 and one line of its own words."""
        if self.status is None:
            return "hangs"
        if "Traceback" in self.stderr:
            return f"traceback: {self.stderr.strip().splitlines()[-1]}"
        if self.status not in (1, 2):
            return f"status {self.status}: {self.stderr.strip()[-300:]}"
        if len(self.lines) != 1:
            return f"{len(self.lines)} lines: {' '.join(self.lines)[:300]}"
        return f"a library's words: {self.lines[0]}" if "--debug" in self.lines[0] else None


class Running:
    """A command at work.

    Args:
        words: Of the command line.
        trial: Folder that it runs in.
    """

    def __init__(self, words: Sequence[str], trial: Path) -> None:
        self._log = trial / f"stderr-{time.monotonic_ns()}.txt"
        self._peak = self._log.with_suffix(".peak")
        arguments = list(words), str(trial), str(self._log), str(self._peak)
        self._process: ForkServerProcess = _CONTEXT.Process(target=_run, args=arguments)
        self._process.start()
        self._wait_for_group()
        self.started = time.monotonic()

    @property
    def pid(self) -> int:
        """Of the process, which is that of its group, too."""
        assert self._process.pid is not None  # it was started
        return self._process.pid

    def _wait_for_group(self) -> None:
        while self._process.is_alive():
            try:
                if os.getpgid(self.pid) == self.pid:
                    return
            except ProcessLookupError:
                return
            time.sleep(0.001)

    def wait_until(self, seconds: float) -> None:
        """Wait until some time after the start, or until the command ends."""
        self._process.join(max(0.0, self.started + seconds - time.monotonic()))

    def signal_at(self, seconds: float, number: signal.Signals) -> bool:
        """Send a signal to the group some time after the start.

        Returns:
            False where the command had ended before.
        """
        self.wait_until(seconds)
        if not self._process.is_alive():
            return False
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def end(self, limit_s: float = HANG_S) -> Ended:
        """Wait until it ends; what takes longer than ``limit_s`` is killed."""
        self._process.join(limit_s)
        hangs = self._process.is_alive()
        if hangs:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.join()
        seconds = time.monotonic() - self.started
        stderr = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        peak = int(self._peak.read_text(encoding="ascii")) if self._peak.exists() else 0
        return Ended(None if hangs else self._process.exitcode, stderr, seconds, peak)


def prepare() -> None:
    """Start the process that the others are forked from."""
    _CONTEXT.set_forkserver_preload(_PRELOAD)


def run(words: Sequence[str], trial: Path, limit_s: float = HANG_S) -> Ended:
    """Run a command to its end."""
    return Running(words, trial).end(limit_s)


def _run(words: list[str], trial: str, log: str, peak: str) -> None:
    """Become a command: its own group, folder and output."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(trial)
    with open(log, "wb") as file, open(os.devnull, "wb") as nothing:
        os.dup2(file.fileno(), 2)
        os.dup2(nothing.fileno(), 1)
    os.environ["TMPDIR"] = str(Path(trial) / "tmp")  # what is left there is seen
    tempfile.tempdir = None
    os.setsid()
    status = main(words)
    Path(peak).write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024), encoding="ascii")
    sys.exit(status)


__all__ = ("HANG_S", "Ended", "Running", "prepare", "run")
