"""ResultCache: what was computed from files, kept on disk as long as the files do not change."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torchgeo.datasets import GeoDataset

from ..errors import OutputError, notice
from ..output import atomic_path, check_writable_folder
from .intersection import SceneIntersection

Content = TypeVar("Content")
#: Part of every key: raised when results mean something else than before.
_FORMAT = 2


class ResultCache:
    """Results by key; a damaged file is computed anew, a folder that cannot be written is a notice.

    Args:
        folder: Where the files are; None to keep nothing.
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        self.folder = None if folder is None else Path(folder)

    def json(
        self, name: str, key: Mapping[str, Any], compute: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Return plain values, computed where they are not at hand."""

        def read(path: Path) -> dict[str, Any]:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return content

        def write(path: Path, content: dict[str, Any]) -> None:
            path.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")

        return self._result(f"{name}-{_digest(key)}.json", compute, read, write)

    def arrays(
        self, name: str, key: Mapping[str, Any], compute: Callable[[], dict[str, NDArray[Any]]]
    ) -> dict[str, NDArray[Any]]:
        """Return arrays, computed where they are not at hand."""

        def read(path: Path) -> dict[str, NDArray[Any]]:
            with np.load(path, allow_pickle=False) as content:
                return dict(content)

        def write(path: Path, content: dict[str, NDArray[Any]]) -> None:
            with path.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **content)

        return self._result(f"{name}-{_digest(key)}.npz", compute, read, write)

    def _result(
        self,
        name: str,
        compute: Callable[[], Content],
        read: Callable[[Path], Content],
        write: Callable[[Path, Content], None],
    ) -> Content:
        path = None if self.folder is None else self.folder / name
        if path is not None and path.is_file():
            try:
                return read(path)
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                notice(f"Computed {path} again, since it cannot be read: {error}.")
        content = compute()
        if path is not None:
            try:
                check_writable_folder(path.parent)
                with atomic_path(path) as unfinished:
                    write(unfinished, content)
            except OutputError as error:
                notice(f"Kept nothing for the next run: {error}")
        return content


def data_key(dataset: GeoDataset, **settings: object) -> dict[str, Any]:
    """Say what a result depends on: files with size and time of change, pixels, ground and settings."""
    key: dict[str, Any] = {"format": _FORMAT, "settings": settings, "files": _identities(_files(dataset))}
    if isinstance(dataset, SceneIntersection):
        lattice = dataset.lattice
        key |= {
            "lattice": [lattice.wkt, *lattice.res, *lattice.origin],
            "bands": list(dataset.bands),
            "taxonomy": None if dataset.taxonomy is None else dataset.taxonomy.to_yaml(),
        }
    # the index tells the ground and its dates, a region as well
    key["ground"] = hashlib.sha256(b"".join(dataset.index.geometry.to_wkb())).hexdigest()
    key["dates"] = [str(interval) for interval in dataset.index.index.unique()]
    return key


def _files(dataset: object) -> set[str]:
    """Every file of a data set, also of those that it is made of."""
    parts: Iterable[object] = getattr(dataset, "datasets", None) or ()
    found = {str(path) for part in parts for path in _files(part)}
    if found:
        return found
    files: Iterable[object] | None = getattr(dataset, "files", None)
    index: Any = getattr(dataset, "index", None)
    return {str(path) for path in (index["filepath"] if files is None else files)}


def _identities(paths: Iterable[str]) -> list[list[Any]]:
    identities: list[list[Any]] = []
    for path in sorted(paths):
        try:
            status = os.stat(path)
        except OSError:  # a name that only GDAL knows
            identities.append([path])
        else:
            identities.append([os.path.abspath(path), status.st_size, status.st_mtime_ns])
    return identities


def _digest(key: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:16]
