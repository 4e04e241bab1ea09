"""Files that cannot be used: all of them named in one error, or left out by name, never silently."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from ..errors import HieraRSError, MissingFileError, RasterError, check_choice, notice

#: What becomes of files that cannot be used: one error that names them all, or a notice and a kept list.
OnError = Literal["raise", "skip"]
_MOST_NAMED = 10
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class BadFile:
    """A file that cannot be used.

    Attributes:
        path: The file, or what the files of a scene have in common.
        error: Why.
    """

    path: str
    error: Exception


def sort_out(
    work: Callable[[Item], Result], items: Iterable[Item], name: Callable[[Item], str] = str
) -> tuple[list[Result], list[BadFile]]:
    """Apply a function to every item: results of those that can be used, and the others.

    Args:
        work: Raises a ``HieraRSError`` or an ``OSError`` for an item that cannot be used.
        items: Paths, or whatever stands for files.
        name: The path of an item.
    """
    results, bad = [], []
    for item in items:
        try:
            results.append(work(item))
        except (HieraRSError, OSError) as error:  # also of a file that is taken away meanwhile
            bad.append(BadFile(name(item), error))
    return results, bad


def map_all(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Apply a function to every item and raise one error for all that fail.

    Raises:
        MissingFileError: Every failure was one.
        RasterError: Otherwise; up to ten reasons are spelt out.
    """
    results, bad = sort_out(work, items)
    settle(bad, "raise", some_left=True)
    return results


def settle(bad: Sequence[BadFile], on_error: OnError, some_left: bool) -> None:
    """Do with files that cannot be used what was asked for.

    Args:
        bad: The files; none is fine.
        on_error: ``raise``, or ``skip`` to give a notice.
        some_left: Whether any file can be used; where none can, that is an error in any case.

    Raises:
        MissingFileError: Every failure was one.
        RasterError: Otherwise; up to ten reasons are spelt out. Of a single file its own error.
        OptionError: ``on_error`` is neither.
    """
    check_choice("on_error", on_error, get_args(OnError))
    if not bad:
        return
    more = f" | and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
    reasons = " | ".join(str(b.error) for b in bad[:_MOST_NAMED]) + more
    if on_error == "skip" and some_left:
        notice(f"Left out {len(bad)} files that cannot be used: {reasons}")
    elif len(bad) == 1:
        raise bad[0].error
    else:
        kind = MissingFileError if all(isinstance(b.error, MissingFileError) for b in bad) else RasterError
        raise kind(f"Expected every raster to be usable, but {len(bad)} are not: {reasons}")
