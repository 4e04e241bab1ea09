"""The hidden folder of a run: one process at a time, a manifest of what is computed, and finished rows."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, Timeout

from ..errors import OutputError
from ..output import LOCK, as_output_error, atomic_path, lock_in
from .manifest import refuse_changes

ROWS_PATTERN = "chunk-*.rows"
_MANIFEST = "manifest.json"
_PLACING = "placing"


class RunFolder:
    """What a run has done so far, in ``.NAME.hierars-part`` beside the results; made by :func:`run_folder`.

    Attributes:
        path: The folder.
        resumed: True where rows of an earlier run are gone on from.
    """

    def __init__(self, path: Path, resumed: bool) -> None:
        self.path = path
        self.resumed = resumed

    @property
    def is_placing(self) -> bool:
        """True where an earlier run had begun to give results their names."""
        return (self.path / _PLACING).exists()

    def discard(self) -> None:
        """Throw away the rows: they are no good for resuming."""
        with as_output_error(self.path):
            for file in self.path.glob(ROWS_PATTERN):
                file.unlink()

    def begin_placing(self) -> None:
        """Note that from now on results under their final names are this run's own."""
        with as_output_error(self.path):
            (self.path / _PLACING).touch()


def run_path(out_dir: Path, name: str) -> Path:
    """Where the folder of a scene's run is."""
    return out_dir / f".{name}.hierars-part"


def stored_batch_size(path: Path) -> int | None:
    """Windows per forward pass of the run in a folder, None where there is none."""
    found = (_read_manifest(path) or {}).get("batch_size")
    return found if isinstance(found, int) and found > 0 else None


@contextmanager
def run_folder(
    out_dir: Path, name: str, manifest: Mapping[str, Any], resume: bool
) -> Iterator[tuple[RunFolder, bool]]:
    """Open the folder of a run and keep others out of it.

    It is removed when the block ends well, or badly before a row was stored; else it stays for ``resume``.
    The lock ends with the process, however that ends.

    Args:
        out_dir: Folder of the results.
        name: Of the scene.
        manifest: All that the result depends on, as plain values.
        resume: Go on from an earlier run's rows where there are some.

    Yields:
        The folder, and whether the rows of an earlier run were thrown away.

    Raises:
        OutputError: Another run writes the same results, or an earlier run was a different one.
    """
    path = run_path(out_dir, name)
    with _locked(path, out_dir / f"{name}.json"):
        earlier = _read_manifest(path)
        if resume and earlier is not None:
            refuse_changes(earlier, manifest, path)
        replaced = earlier is not None and not resume
        if not resume or earlier is None:
            _clear(path)
            _write_manifest(path, manifest)
        try:
            yield RunFolder(path, resumed=resume and earlier is not None), replaced
        except BaseException:
            if not any(file.stat().st_size for file in path.glob(ROWS_PATTERN)):
                shutil.rmtree(path, ignore_errors=True)
            raise
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(path: Path, result: Path) -> Iterator[None]:
    """Make the folder and hold its lock."""
    lock: BaseFileLock | None = None
    while lock is None:
        with as_output_error(path):
            path.mkdir(exist_ok=True)
            try:
                lock = lock_in(path)
            except FileNotFoundError:  # the run before has just removed its folder
                continue
            except Timeout as error:
                raise OutputError(
                    f"Expected no other run to write {result}, but one is at work (in {path}). "
                    "Wait for it, or choose another output folder."
                ) from error
    try:
        yield
    finally:
        lock.release()


def _read_manifest(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    with (
        as_output_error(path),
        atomic_path(path / _MANIFEST) as unfinished,
        unfinished.open("w", encoding="utf-8") as file,
    ):
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _clear(path: Path) -> None:
    """Remove all but the lock: the manifest first, so that rows never outlive what they are rows of."""
    (path / _MANIFEST).unlink(missing_ok=True)
    for item in path.iterdir():
        if item.name == LOCK:
            continue
        if item.is_dir():
            shutil.rmtree(item)
        else:
            item.unlink()


__all__ = ("RunFolder", "run_folder", "run_path", "stored_batch_size")
