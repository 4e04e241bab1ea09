"""Files of PyTorch that strangers wrote: what reading them safely can end in, and archives that grow."""

import pickle
import struct
import zipfile
from pathlib import Path

from ..errors import CheckpointError

#: What PyTorch's safe unpickler raises on bytes that are no pickle of its kind: text, a truncated file, sizes
#: that no memory holds.
NO_PICKLE = (
    pickle.UnpicklingError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    struct.error,
)


def refuse_growing_archive(path: Path) -> None:
    """Refuse a file of PyTorch that unpacks to more than it holds; PyTorch itself stores without compression.

    Raises:
        CheckpointError: A few kilobytes would become gigabytes, or the archive is damaged.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(
            f"Expected {path} to be a PyTorch checkpoint, but: {error}. The file is damaged or incomplete: "
            "get it again."
        ) from error
    if unpacked > path.stat().st_size:
        raise CheckpointError(
            f"Expected {path} to hold what it weighs, {path.stat().st_size} bytes, but it would grow to "
            f"{unpacked}. It was not written by PyTorch and is not loaded for safety."
        )


__all__ = ("NO_PICKLE", "refuse_growing_archive")
