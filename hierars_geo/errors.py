"""Errors of the toolkit: one base, each leaf also a builtin, so that callers may catch either.

The message is one line of the form ``Expected X to be A, but got B (in FILE). Remedy.``; the command line
prints it as it is and exits with ``exit_status``.
"""

import warnings
from collections.abc import Sequence
from difflib import get_close_matches


def list_some(names: Sequence[object], most: int = 6) -> str:
    """List names for a message, no more than ``most``: ``a, b and 3 more``."""
    shown = ", ".join(map(str, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def unknown_name(what: str, name: str, options: Sequence[str]) -> str:
    """Compose one line for an unknown name: it lists the nearest names there are, else the first."""
    distinct = tuple(dict.fromkeys(options))
    near = get_close_matches(name, distinct, n=5, cutoff=0.4) or distinct[:8]
    return f"Expected a known {what}, but got '{name}'. Near ones: {', '.join(near)}."


class HieraRSError(Exception):
    """Base of every error this package raises on purpose.

    Attributes:
        exit_status: What the command line returns to the shell: 1 the work failed, 2 it was called wrongly.
    """

    exit_status = 1


class TaxonomyError(HieraRSError, ValueError):
    """A class tree is malformed, or a value or name is not in it."""


class RasterError(HieraRSError, ValueError):
    """A raster cannot be read, or is not what was asked for (bands, CRS, values)."""


class RecipeError(RasterError):
    """A scene cannot meet what it is to be read as: a band is missing, or it has another processing level."""


class ClusterError(HieraRSError, RuntimeError):
    """A Dask cluster cannot be reached, or lost too many workers."""


class DataError(HieraRSError, ValueError):
    """Scenes and labels do not fit each other (empty intersection, no valid pixel)."""


class CheckpointError(HieraRSError, ValueError):
    """A checkpoint is unsafe, damaged, or of another tree, band set or version."""


class MissingFileError(HieraRSError, FileNotFoundError):
    """A file or folder that was named does not exist."""


class OutputError(HieraRSError, OSError):
    """An output cannot be written, or stands in the way."""


class DeviceMemoryError(HieraRSError, MemoryError):
    """Not even a single window fits into the memory of the device."""


class OptionError(HieraRSError, ValueError):
    """An option is out of range or contradicts another; exit status 2."""

    exit_status = 2


class HieraRSWarning(UserWarning):
    """Something a careful user should know; the work goes on. The command line prints it as one line."""


class DataNotice(HieraRSWarning):
    """Something was assumed about files, or files of a folder were left out; the data are used anyway."""


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Refuse what is none of the choices.

    Raises:
        OptionError: It is none.
    """
    if value not in choices:
        raise OptionError(f"Expected {name} to be one of {', '.join(map(str, choices))}, but got '{value}'.")


def require_with(option: str, said: bool, other: str, there: bool) -> None:
    """Refuse an option that counts beside another alone, where it would be passed over in silence.

    Args:
        option: As the user writes it.
        said: Whether it was.
        other: What it belongs to.
        there: Whether that is so.

    Raises:
        OptionError: The option was said without the other.
    """
    if said and not there:
        raise OptionError(f"Expected {other} with {option}, but got it alone. Say both, or leave it out.")


def notice(message: str) -> None:
    """Say once, and never silently, what was assumed or left out while data were opened."""
    warnings.warn(message, DataNotice, stacklevel=4)


__all__ = (
    "CheckpointError",
    "ClusterError",
    "DataError",
    "DataNotice",
    "DeviceMemoryError",
    "HieraRSError",
    "HieraRSWarning",
    "MissingFileError",
    "OptionError",
    "OutputError",
    "RasterError",
    "RecipeError",
    "TaxonomyError",
    "check_choice",
    "list_some",
    "notice",
    "require_with",
    "unknown_name",
)
