"""Turn what a user names (files, folders, patterns, lists of them) into a sorted list of raster files."""

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from ..errors import MissingFileError, list_some

#: One file, folder or pattern, or several.
Paths: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

#: What counts as a raster in a folder; a file that is named itself may have any suffix that GDAL opens.
RASTER_SUFFIXES = (".tif", ".tiff", ".jp2", ".img", ".vrt")


def find_rasters(
    paths: Paths, suffixes: tuple[str, ...] = RASTER_SUFFIXES
) -> tuple[list[str], frozenset[str]]:
    """List raster files, or files of other suffixes.

    Args:
        paths: Files, folders (searched to any depth; hidden ones are not), patterns
            such as ``scenes/*_S2.tif``, and names that only GDAL knows (``/vsizip/...``, ``vrt://...``).
        suffixes: What is looked for in folders, in small letters.

    Returns:
        All files, each once, sorted; and those of them that were named themselves, not found in a folder.

    Raises:
        MissingFileError: Something named does not exist, or holds no raster; all of them are listed.
    """
    named: set[str] = set()
    found: set[str] = set()
    missing: list[str] = []
    empty: list[str] = []
    for path in _as_list(paths):
        if path.startswith(("/vsi", "vrt://")) or os.path.isfile(path):
            named.add(path)
        elif os.path.isdir(path):
            inside = _search(path, suffixes)
            found.update(inside)
            empty += [] if inside else [path]
        elif glob.has_magic(path):
            matched = [match for match in glob.glob(path, recursive=True) if os.path.isfile(match)]
            named.update(matched)
            missing += [] if matched else [path]
        else:
            missing.append(path)
    if missing:
        raise MissingFileError(
            f"Expected {list_some(missing, 10)} to exist, but nothing is there. Check the path."
        )
    if empty:
        what = "rasters" if suffixes == RASTER_SUFFIXES else "files"
        raise MissingFileError(
            f"Expected {list_some(empty, 10)} to hold {what} ({', '.join(suffixes)}), but got none. "
            "Check the path, or name the files."
        )
    return sorted(named | found), frozenset(named)


def _as_list(paths: Paths) -> Sequence[str]:
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    listed = [os.fspath(path) for path in paths]
    if not listed:
        raise MissingFileError("Expected at least one raster file or folder, but got an empty list.")
    return listed


def _search(folder: str, suffixes: tuple[str, ...]) -> list[str]:
    return [
        str(path)
        for path in Path(folder).rglob("*")
        if path.suffix.lower() in suffixes and path.is_file() and not _is_hidden(path, folder)
    ]


def _is_hidden(path: Path, folder: str) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
