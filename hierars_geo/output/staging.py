"""Hidden folders that results are made in before they get their names."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from ..errors import OutputError

_SUFFIX = ".part"
#: Held by the process that writes; what is not locked was left by one that was killed.
LOCK = ".lock"


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
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


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
        # at work, or somebody else was quicker, or may not
        with suppress(OSError, Timeout):
            lock = lock_in(folder)
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()


def lock_in(folder: Path) -> BaseFileLock:
    """Take the lock of a folder for this process alone, without waiting; it ends with the process.

    Returns:
        The lock, to be released.

    Raises:
        Timeout: Another process holds it.
        OSError: There is no such folder, or it cannot be written.
    """
    lock = FileLock(folder / LOCK, timeout=0, thread_local=False)
    lock.acquire()
    return lock


def _locked_folder(final: Path) -> tuple[Path, BaseFileLock]:
    """Make a folder and lock it; try another one where it was taken for abandoned in between."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=_SUFFIX, dir=final.parent))
        try:
            return folder, lock_in(folder)
        except (FileNotFoundError, Timeout):
            continue
        except OSError:
            folder.rmdir()
            raise


__all__ = ("LOCK", "lock_in", "remove_abandoned", "staging_folder")
