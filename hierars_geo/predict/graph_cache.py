"""Graphs of checkpoints, exported once and kept: what another library than PyTorch runs."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from .. import __version__
from ..errors import CheckpointError, MissingFileError, OptionError
from ..output import as_output_error, atomic_path
from .exported import GraphFile, read_graph

#: Bytes that graphs may take on disk; the ones that were not used for longest go first.
_MOST_BYTES = 2 * 2**30

#: Writes a graph to a file, for windows of one height and width, or for any.
Export = Callable[[Path, tuple[int, int] | None], None]


class GraphCache:
    """The graphs of one checkpoint in a folder.

    Args:
        path: The checkpoint.
        sha256: Of the checkpoint.
        folder: Where graphs are kept; None for the user's cache folder.
    """

    def __init__(self, path: Path, sha256: str, folder: str | Path | None) -> None:
        self._checkpoint, self._sha256 = path, sha256
        self._folder = (Path(folder) if folder else user_cache_path("hierars-geo")) / "graphs"
        key = f"{sha256} {__version__} {version('torch')}"
        self._key = hashlib.sha256(key.encode()).hexdigest()[:32]

    def find(self, size: tuple[int, int] | None = None) -> GraphFile | None:
        """Return the graph for windows of a size, whole, or None.

        Args:
            size: (height, width) in pixels; None where a graph for any size is wanted.
        """
        for path in (self._place(None), *([] if size is None else [self._place(size)])):
            try:
                found = read_graph(path)
            except (CheckpointError, MissingFileError):
                continue
            with suppress(PermissionError):  # of another user, who may say how old it is
                os.utime(path)
            notes = tuple(found.described["notes"])
            return replace(found, path=self._checkpoint, sha256=self._sha256, notes=notes)
        return None

    def get(self, size: tuple[int, int], export: Export) -> GraphFile:
        """Return the graph for windows of a size, exported where it is not kept yet.

        A file that is not what was written is made anew. Several processes may ask at once.

        Args:
            size: (height, width) in pixels.
            export: Writes one; where none serves all sizes, one for this size.

        Raises:
            OptionError: The exporter is not installed, or the model holds what it cannot translate.
            OutputError: The folder cannot be written.
        """
        with as_output_error(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / f"{self._key}.lock"):
                found = self.find(size)
                if found is None:
                    self._export(size, export)
                    found = self.find(size)
                    if found is None:
                        raise CheckpointError(
                            f"Expected a whole graph in {self._folder}, but it was changed."
                        )
                os.utime(found.graph)
                self._forget_old(found.graph)
        return found

    def _export(self, size: tuple[int, int], export: Export) -> None:
        try:
            with atomic_path(self._place(None)) as unfinished:
                export(unfinished, None)
        except OptionError:
            with atomic_path(self._place(size)) as unfinished:
                export(unfinished, size)

    def _place(self, size: tuple[int, int] | None) -> Path:
        sized = "" if size is None else f"_{size[0]}x{size[1]}"
        return self._folder / f"{self._key}{sized}.onnx"

    def _forget_old(self, newest: Path) -> None:
        """Delete the graphs that were not used for longest where all take too much room."""
        total = 0
        for path in sorted(self._folder.glob("*.onnx"), key=lambda file: file.stat().st_mtime, reverse=True):
            total += path.stat().st_size
            if total > _MOST_BYTES and path != newest:
                path.unlink(missing_ok=True)
