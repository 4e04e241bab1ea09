"""Locks on files that end with their process, however that ends."""

import errno
import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_file(descriptor: int) -> bool:
    """Lock an open file for this process alone, without waiting.

    Args:
        descriptor: Of a file that is open for writing; closing it unlocks it.

    Returns:
        False where another process holds the lock.

    Raises:
        OSError: The file system knows no locks.
    """
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            raise
        return False
    return True


def is_still_at(descriptor: int, path: Path) -> bool:
    """Tell whether a path is that of an open file: who waits for a lock may get that of a removed file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


__all__ = ("is_still_at", "lock_file")
