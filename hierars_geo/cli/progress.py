"""The one progress bar of the command line: on stderr, with time left, quiet when nobody looks."""

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


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the block runs, from the first step on.

    What fails before its first step leaves its one line of error alone on the terminal.

    Args:
        description: What is going on.

    Yields:
        A function to call with (done, in all).
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, disable=not console.is_terminal)
    task = bar.add_task(description, total=None)

    def update(done: int, total: int) -> None:
        bar.start()  # does nothing once it runs
        bar.update(task, completed=done, total=total)

    try:
        yield update
    finally:
        bar.stop()


__all__ = ("progress_bar",)
