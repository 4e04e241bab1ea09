"""Files that are written whole or not at all, and locks on folders."""

from .locking import is_still_at, lock_file
from .output import (
    as_output_error,
    atomic_path,
    check_writable_folder,
    gdal_env,
    move_into_place,
    refuse_existing,
)
from .staging import remove_abandoned, staging_folder

__all__ = (
    "as_output_error",
    "atomic_path",
    "check_writable_folder",
    "gdal_env",
    "is_still_at",
    "lock_file",
    "move_into_place",
    "refuse_existing",
    "remove_abandoned",
    "staging_folder",
)
