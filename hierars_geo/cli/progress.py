"""The progress of a command, on stderr: a bar on a terminal, a line a minute in logs and pipes."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .verbosity import is_quiet

#: Seconds between two lines where there is no terminal.
LINE_EVERY_S = 60.0

Update = Callable[[int, int], None]


@contextmanager
def progress_bar(description: str, afterwards: str = "") -> Iterator[Update]:
    """Show how far the block is while it runs; nothing with ``--quiet``.

    What fails before its first step leaves its one line of error alone on the terminal.

    Args:
        description: What is going on.
        afterwards: What goes on once all is done that is counted, such as the writing of files.

    Yields:
        A function to call with (done, in all).
    """
    console = Console(stderr=True)
    if is_quiet():
        yield lambda done, total: None
    elif console.is_terminal:
        with _bar(console, description, afterwards) as update:
            yield update
    else:
        yield ProgressLines(description, afterwards)


@contextmanager
def _bar(console: Console, description: str, afterwards: str) -> Iterator[Update]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console)
    task = bar.add_task(description, total=None)

    def update(done: int, total: int) -> None:
        bar.start()  # does nothing once it runs
        told = afterwards if afterwards and done >= total else description
        bar.update(task, completed=done, total=total, description=told)

    try:
        yield update
    finally:
        bar.stop()


class ProgressLines:
    """Says at intervals how far something is; what is done within the first interval is not worth a line.

    Args:
        description: What is going on.
        afterwards: What goes on once all is done.
        clock: Seconds, rising.
    """

    def __init__(
        self, description: str, afterwards: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._description, self._afterwards, self._clock = description, afterwards, clock
        self._start = self._said = clock()

    def __call__(self, done: int, total: int) -> None:
        """Say it where it is time to."""
        now = self._clock()
        if self._afterwards and done >= total and now - self._start >= LINE_EVERY_S:
            sys.stderr.write(f"{self._afterwards}\n")
            return
        if now - self._said < LINE_EVERY_S or not done:
            return
        self._said = now
        left_min = (now - self._start) / done * (total - done) / 60
        sys.stderr.write(f"{self._description}: {done} of {total}, {left_min:.0f} min left\n")
