"""Files that are written whole or not at all, and locks on folders."""

from .output import (
    LOCK,
    as_output_error,
    atomic_path,
    check_writable_folder,
    gdal_env,
    lock_in,
    refuse_existing,
    staging_folder,
    write_json,
)

__all__ = (
    "LOCK",
    "as_output_error",
    "atomic_path",
    "check_writable_folder",
    "gdal_env",
    "lock_in",
    "refuse_existing",
    "staging_folder",
    "write_json",
)
