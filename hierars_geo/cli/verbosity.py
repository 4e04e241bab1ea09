"""How much a command says: by default notes and progress, with ``--quiet`` errors, with ``--debug`` all.

Results of commands that are there to print them are printed however quiet.
"""

import logging
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TextIO

from ..errors import HieraRSWarning

#: Closes the help of every command.
EVERYWHERE: Final = (
    "\nevery command:\n"
    "  --quiet   errors alone: no progress, no notes, no list of what was written\n"
    "  --debug   the traceback of an error, warnings of libraries\n"
)

#: Loggers of Lightning that advise; their parents would be set back to INFO when Lightning is imported.
_CHATTY: Final = (
    "lightning.fabric.utilities.rank_zero",
    "lightning.fabric.utilities.seed",
    "lightning.pytorch.utilities.rank_zero",
)

#: Commands, some with a sub-command, whose purpose is to print; the others write files.
_PRINTING: Final = (
    ("catalog", "list"),
    ("catalog", "show"),
    ("catalog", "validate"),
    ("taxonomy",),
    ("test",),
    ("validate",),
    ("view",),
)

#: Notes that differ in names and numbers alone are shown so many times by one command.
MOST_ALIKE: Final = 5

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


def is_quiet() -> bool:
    """Whether the command that runs was told to say nothing but errors and printed results."""
    return _quiet.get()


def complain(text: str) -> None:
    """Write an error to stderr as one line, however quiet the command is."""
    sys.stderr.write(f"hierars-geo: {' '.join(text.split())}\n")


def note(text: str) -> None:
    """Write a note to stderr, unless the command is to be quiet."""
    if not is_quiet():
        sys.stderr.write(f"hierars-geo: note: {text}\n")


@dataclass(frozen=True)
class Verbosity:
    """What was asked for.

    Attributes:
        quiet: Say errors alone.
        debug: Show tracebacks and what libraries warn of.
    """

    quiet: bool = False
    debug: bool = False

    @classmethod
    def take(cls, arguments: list[str]) -> tuple["Verbosity", list[str]]:
        """Split the options that every command has from the others; what follows ``--`` is no option."""
        end = arguments.index("--") if "--" in arguments else len(arguments)
        options = arguments[:end]
        rest = [argument for argument in options if argument not in ("--debug", "--quiet")]
        return cls("--quiet" in options, "--debug" in options), [*rest, *arguments[end:]]

    @contextmanager
    def of(self, arguments: list[str]) -> Iterator[None]:
        """Speak so while a command runs."""
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            stack.enter_context(_logging(self))
            stack.enter_context(_undecodable_messages_logged())
            token = _quiet.set(self.quiet)
            stack.callback(_quiet.reset, token)
            if not self.debug:  # warnings of libraries say nothing to who only runs commands
                warnings.simplefilter("ignore")
                warnings.showwarning = _Notes()
            if not self.debug and not self.quiet:
                warnings.simplefilter("always", HieraRSWarning)
            if self.quiet and not _prints(arguments):
                stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
            yield


def _prints(arguments: list[str]) -> bool:
    if "-h" in arguments or "--help" in arguments or any(a.startswith("--print_config") for a in arguments):
        return True
    return any(tuple(arguments[: len(words)]) == words for words in _PRINTING)


class _StderrLines(logging.Handler):
    """Writes what the package logs to whatever stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")


@contextmanager
def _undecodable_messages_logged() -> Iterator[None]:
    """Log what GDAL says in other bytes than UTF-8: rasterio shows a traceback on top of its error."""
    before = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        undecodable = isinstance(unraisable.exc_value, UnicodeDecodeError)
        if undecodable and unraisable.object == "rasterio._env.log_error":
            logging.getLogger(__name__).debug("A message of GDAL is no text: %s", unraisable.exc_value)
        else:
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def _logging(verbosity: Verbosity) -> Iterator[None]:
    """Show what this package logs, and of libraries only what says that something went wrong."""
    ours, handler = logging.getLogger(__package__.split(".")[0]), _StderrLines()
    before = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.ERROR if verbosity.quiet else logging.INFO)
    if not verbosity.debug:
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    finally:
        ours.removeHandler(handler)
        ours.setLevel(before)


class _Notes:
    """Shows warnings as notes; of those that say the same of one scene after the other the first few."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = str(message)
        alike = re.sub(r"\d+", "0", text.partition(": ")[2] or text)
        self._given[alike] += 1
        if self._given[alike] <= MOST_ALIKE:
            note(text)
        elif self._given[alike] == MOST_ALIKE + 1:
            note("more notes like the last ones follow and are left out; --debug shows all.")
