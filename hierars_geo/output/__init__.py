"""Files that are written whole or not at all, and locks on folders."""

from .output import (
    as_output_error,
    atomic_path,
    check_writable_folder,
    gdal_env,
    move_into_place,
    refuse_existing,
    write_json,
)
from .staging import LOCK, lock_in, remove_abandoned, staging_folder

__all__ = (
    "LOCK",
    "as_output_error",
    "atomic_path",
    "check_writable_folder",
    "gdal_env",
    "lock_in",
    "move_into_place",
    "refuse_existing",
    "remove_abandoned",
    "staging_folder",
    "write_json",
)
