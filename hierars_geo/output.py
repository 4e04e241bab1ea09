"""Where results go: folders that can be written, files that stand in the way, all or nothing.

What takes long is made in a hidden folder beside the target before it gets its name.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import rasterio
from filelock import BaseFileLock, FileLock, Timeout
from rasterio._err import CPLE_BaseError  # raised bare by rasterio.shutil.copy; rasterio.errors lacks it
from rasterio.errors import RasterioError

from .errors import HieraRSError, OptionError, OutputError, list_some

#: Journal, shared memory and write-ahead log of a SQLite database that was not closed.
_SQLITE_REMAINS = ("-journal", "-shm", "-wal")


def gdal_env() -> AbstractContextManager[object]:
    """Return the GDAL environment of the calling thread: GDAL's messages go to logging, not to stderr."""
    env: AbstractContextManager[object] = rasterio.Env()  # type: ignore[no-untyped-call]
    return env


def check_writable_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder where it is missing, try it by writing and removing a file, and return it.

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
    """Give a path to write that becomes ``final``, in an existing folder, if and only if the block ends well.

    The temporary file has the final name in a hidden folder beside it: formats that name layers after a file
    or need helper files of their own (journals, overviews) work, and nothing of them is left behind.

    Raises:
        OutputError: The folder or the file cannot be written, or the block wrote no file.
    """
    target = Path(final)
    with staging_folder(target) as folder:
        with as_output_error(target):
            yield folder / target.name
        move_into_place(folder / target.name, target)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain values, no NaN among them, as a JSON file in an existing folder, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_path(path) as unfinished:
        text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
        unfinished.write_text(text, encoding="utf-8")


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write rows as a CSV file in an existing folder, whole or not at all.

    Numbers have ten digits; columns are those of the rows where none are named.

    Raises:
        OutputError: It cannot be written.
    """
    import pandas as pd  # seconds that most commands do without

    table = pd.DataFrame([*map(dict, rows)], columns=None if columns is None else list(columns))
    with atomic_path(path) as unfinished:
        table.to_csv(unfinished, index=False, float_format="%.10g", lineterminator="\n")


@contextmanager
def as_output_error(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors of GDAL and of the system into one line that names the file; GDAL keeps off stderr.

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
    """Take the lock of a folder for this process alone, without waiting, to be released or end with it.

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
    "sha256_of",
    "staging_folder",
    "write_csv",
    "write_json",
)
