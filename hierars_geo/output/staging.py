"""Hidden folders that results are made in before they get their names."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import OutputError
from .locking import is_still_at, lock_file

_SUFFIX = ".part"
#: Held by the process that writes; what is not locked was left by one that was killed.
_LOCK = ".lock"


@contextmanager
def staging_folder(final: Path) -> Iterator[Path]:
    """Give a hidden folder on the same file system as ``final``, removed at the end whatever happens.

    Only a kill leaves it behind; the next one for the same ``final`` then takes it away.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        remove_abandoned(final.parent, final.name)
        folder, lock = _locked_folder(final)
    except OSError as error:
        raise OutputError(
            f"Expected {final} to be in a folder that can be written, but got: {error.strerror or error}. "
            "Choose another output folder."
        ) from error
    try:
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(parent: Path, name: str | None = None) -> None:
    """Remove hidden folders whose process was killed.

    Args:
        parent: Where they are.
        name: Of the file that was being made; None for any.

    Raises:
        OSError: The folder cannot be read.
    """
    what = ".+" if name is None else re.escape(name)
    ours = re.compile(rf"\.{what}\.[a-z0-9_]{{8}}{re.escape(_SUFFIX)}", re.DOTALL)
    with os.scandir(parent) as entries:
        found = [Path(entry.path) for entry in entries if ours.fullmatch(entry.name)]
    for folder in found:
        with suppress(OSError):  # somebody else was quicker, or may not
            lock = _open_lock(folder)
            try:
                if lock_file(lock):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _locked_folder(final: Path) -> tuple[Path, int]:
    """Make a folder and lock it; try another one where it was taken for abandoned in between."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=_SUFFIX, dir=final.parent))
        try:
            lock = _open_lock(folder)
        except FileNotFoundError:
            continue
        except OSError:
            folder.rmdir()
            raise
        try:
            if lock_file(lock) and is_still_at(lock, folder / _LOCK):
                return folder, lock
        except OSError:  # a file system without locks: nobody takes anything away there
            return folder, lock
        os.close(lock)


def _open_lock(folder: Path) -> int:
    return os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


__all__ = ("remove_abandoned", "staging_folder")
