"""HandlePool: a bounded number of open rasters per thread."""

import os
import threading
import weakref
from collections import OrderedDict
from contextlib import AbstractContextManager
from typing import TypeAlias

import rasterio
from rasterio.io import DatasetReader

from ..errors import OptionError
from .dataset import open_dataset

_Handles: TypeAlias = OrderedDict[tuple[str, int | None], DatasetReader]


def opening_env() -> AbstractContextManager[object]:
    """Return the GDAL environment to open files in.

    GDAL then asks for the files that may lie beside a raster (masks, overviews, ``.aux.xml``) by name instead
    of listing the folder, which takes most of the time where there are thousands of files.
    """
    env: AbstractContextManager[object] = rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE")  # type: ignore[no-untyped-call]
    return env


class HandlePool:
    """Keeps the most recently used rasters open.

    A handle must not be used by two threads, and must not cross a fork (both processes would share its file
    offset): handles belong to the thread and the process that opened them; after a fork the child opens its
    own and leaves the inherited ones alone. Handles do not travel in a pickle either, so workers may be
    spawned. They are closed with the pool, and before the interpreter ends: what GDAL says while it closes a
    file later finds no Python to say it to.

    Args:
        max_open: Handles of a thread at the same time, >= 1; the least recently used one is closed first.
    """

    def __init__(self, max_open: int = 64) -> None:
        if max_open < 1:
            raise OptionError(f"Expected max_open_files to be >= 1, but got {max_open}.")
        self.max_open = max_open
        self._begin()

    def _begin(self) -> None:
        self._open: dict[int, _Handles] = {}
        self._pid = os.getpid()
        weakref.finalize(self, _close_all, self._open, self._pid)

    def get(self, path: str, overview: int | None = None) -> DatasetReader:
        """Return an open dataset; it stays open at least until ``max_open`` others have been asked for.

        Raises:
            MissingFileError: The file is gone.
            RasterError: GDAL cannot read it.
        """
        if self._pid != os.getpid():
            self._begin()  # the finalizer of the parent's handles keeps them, and leaves them alone
        handles = self._open.setdefault(threading.get_ident(), OrderedDict())
        key = path, overview
        dataset = handles.get(key)
        if dataset is not None:
            handles.move_to_end(key)
            return dataset
        while len(handles) >= self.max_open:
            handles.popitem(last=False)[1].close()
        with opening_env():
            handles[key] = dataset = open_dataset(path, overview)
        return dataset

    def __len__(self) -> int:
        return sum(map(len, self._open.values())) if self._pid == os.getpid() else 0

    def close(self) -> None:
        """Close every handle of this process; the next :meth:`get` opens again."""
        _close_all(self._open, self._pid)

    def __getstate__(self) -> dict[str, int]:
        return {"max_open": self.max_open}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__init__(state["max_open"])  # type: ignore[misc]


def _close_all(handles: dict[int, _Handles], pid: int) -> None:
    """Close the handles of a process, in that process alone."""
    while handles and pid == os.getpid():
        _, of_thread = handles.popitem()
        while of_thread:
            of_thread.popitem()[1].close()
