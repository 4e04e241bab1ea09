"""Where results go: folders that can be written, files that stand in the way, all or nothing."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import rasterio
from rasterio._err import (
    CPLE_BaseError,
)  # rasterio.shutil.copy raises these bare; rasterio.errors has no name for them
from rasterio.errors import RasterioError

from ..errors import HieraRSError, OptionError, OutputError, list_some
from .staging import staging_folder

#: Journal, shared memory and write-ahead log of a SQLite database that was not closed.
_SQLITE_REMAINS = ("-journal", "-shm", "-wal")


def gdal_env() -> AbstractContextManager[object]:
    """Return the GDAL environment of the calling thread: GDAL's messages go to logging, not to stderr."""
    env: AbstractContextManager[object] = rasterio.Env()  # type: ignore[no-untyped-call]
    return env


def check_writable_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder where it is missing, and try it by writing and removing a file.

    Returns:
        The folder.

    Raises:
        OutputError: It cannot be made or written; path and reason are named.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"Expected {folder} to be a folder that can be written, but got: {error.strerror or error}. "
            "Choose another output folder."
        ) from error
    return folder


def refuse_existing(
    paths: Iterable[str | os.PathLike[str]],
    overwrite: bool,
    inputs: Iterable[str | os.PathLike[str] | None] = (),
) -> None:
    """Stop before work starts when results would replace files that exist.

    Args:
        paths: Results.
        overwrite: Whether files that exist may be replaced.
        inputs: Files that the results are made from, which are never replaced; None is left out.

    Raises:
        OptionError: A path is one of the inputs.
        OutputError: A path exists and ``overwrite`` is False; up to five are listed.
    """
    there = [path for path in map(Path, paths) if path.exists()]
    read = [Path(path) for path in inputs if path is not None and Path(path).exists()]
    own = [str(path) for path in there if any(path.samefile(other) for other in read)]
    if own:
        raise OptionError(
            f"Expected outputs in other files than the inputs, but got {', '.join(own)} for both. "
            "Choose another output."
        )
    standing = [str(path) for path in there]
    if standing and not overwrite:
        raise OutputError(
            f"Expected outputs that do not exist yet, but got {list_some(standing, 5)}. "
            "Remove them, choose another folder, or give --overwrite."
        )


@contextmanager
def atomic_path(final: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path that becomes ``final`` if, and only if, the block ends well.

    The temporary file has the final name in a hidden folder beside it: formats that name layers after a file
    or need helper files of their own (journals, overviews) work, and nothing of them is left behind.

    Args:
        final: Where the file shall be; its folder exists.

    Yields:
        The path to write.

    Raises:
        OutputError: The folder or the file cannot be written, or the block wrote no file.
    """
    target = Path(final)
    with staging_folder(target) as folder:
        with as_output_error(target):
            yield folder / target.name
        move_into_place(folder / target.name, target)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all.

    Args:
        path: The file; its folder exists.
        content: Plain values, no NaN among them.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_path(path) as unfinished:
        text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
        unfinished.write_text(text, encoding="utf-8")


@contextmanager
def as_output_error(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors of GDAL and of the system into one line that names the file; GDAL keeps off stderr.

    Args:
        path: What is being written.

    Raises:
        OutputError: In place of those errors.
    """
    try:
        with gdal_env():
            yield
    except HieraRSError:
        raise
    except (RasterioError, CPLE_BaseError, OSError) as error:
        reason = " ".join(str(error.__cause__ or error).split()).rstrip(".")
        raise OutputError(
            f"Expected {path} to be writable, but got: {reason}. Check permissions and free space."
        ) from error


def move_into_place(temporary: Path, final: Path) -> None:
    """Rename a finished file to its final name.

    What SQLite left beside a GeoPackage that was open elsewhere goes with the old one: it would be taken for
    part of the new one.

    Raises:
        OutputError: It cannot be renamed.
    """
    try:
        for remains in _SQLITE_REMAINS if final.suffix.lower() == ".gpkg" else ():
            final.with_name(final.name + remains).unlink(missing_ok=True)
        os.replace(temporary, final)
    except OSError as error:
        raise OutputError(
            f"Expected {final} to be writable, but got: {error.strerror or error}. "
            "Choose another output folder."
        ) from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits; it is read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


__all__ = (
    "as_output_error",
    "atomic_path",
    "check_writable_folder",
    "gdal_env",
    "move_into_place",
    "refuse_existing",
    "sha256_of",
    "write_json",
)
