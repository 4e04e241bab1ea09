"""The hidden folder of a run: one process at a time, finished rows, and a manifest of what they depend on."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import rasterio
from filelock import BaseFileLock, Timeout

from .. import __version__
from ..errors import OutputError, RasterError
from ..models.record import ModelFile
from ..output import LOCK, as_output_error, atomic_path, lock_in
from ..scenes.scene import Scene
from .chunks import ChunkPlan
from .options import PredictOptions
from .runtime import Runtime

#: Bytes at both ends of a file that tell it from another one of the same size and time.
_ENDS = 65536

#: Options that bytes do not depend on, or of which the manifest holds what came of them.
_SAID_OTHERWISE = ("chunk_px", "memory_mb", "runtime", "cache_dir")

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

    def check_unchanged(self, scene: Scene, manifest: Mapping[str, Any]) -> None:
        """Refuse rows of a file that changed while it was read, and throw them away.

        Raises:
            RasterError: It did.
        """
        now = [file_identity(path) for path in scene.inputs]
        earlier = manifest["source"]
        changed = [str(path) for path, a, b in zip(scene.inputs, earlier, now, strict=True) if a != b]
        if changed:
            self.discard()
            raise RasterError(
                f"Expected {', '.join(changed)} to stay as it was, but it changed during the run. "
                "Leave inputs in place until the end, and run again."
            )

    def begin_placing(self) -> None:
        """Note that from now on results under their final names are this run's own."""
        with as_output_error(self.path):
            (self.path / _PLACING).touch()


def run_path(out_dir: Path, name: str) -> Path:
    """Where the folder of a scene's run is."""
    return out_dir / f".{name}.hierars-part"


def stored_sizes(path: Path) -> tuple[int | None, int | None]:
    """Windows per forward pass and most columns of a chunk of the run in a folder, None of no run."""
    manifest = _read_manifest(path) or {}
    try:
        batch, columns = int(manifest["batch_size"]), [int(edge) for edge in manifest["chunks"][1]]
        widest = max(right - left for left, right in pairwise(columns))
    except (KeyError, IndexError, TypeError, ValueError):
        return None, None
    return (batch, widest) if min(batch, widest) > 0 else (None, None)


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
            _refuse_changes(earlier, manifest, path)
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


def run_manifest(
    scene: Scene,
    loaded: ModelFile,
    options: PredictOptions,
    plan: ChunkPlan,
    runtime: Runtime,
    batch_size: int,
) -> dict[str, Any]:
    """Describe a run as plain values.

    Args:
        scene: What is predicted.
        loaded: The model.
        options: How it is predicted.
        plan: Windows and chunks.
        runtime: Who computes it: another library, precision or kind of device computes other last bits.
        batch_size: Windows per forward pass, on which last bits depend, too.
    """
    content = {
        "checkpoint_sha256": loaded.sha256,
        "source": [file_identity(path) for path in scene.inputs],
        "region": scene.region,
        "grid": [scene.grid.crs.to_wkt(), list(scene.grid.transform)[:6], list(scene.grid.shape)],
        "gates_px": loaded.record.chip_size,
        "window": [list(plan.windows.size), list(plan.windows.stride)],
        "chunks": [list(plan.row_edges), list(plan.col_edges)],
        "device": runtime.device,
        "runtime": runtime.describe(),
        "batch_size": batch_size,
        "versions": {
            "hierars-geo": __version__,
            runtime.name: runtime.version,
            "gdal": rasterio.__gdal_version__,
        },
        **{f"option {key}": value for key, value in options.to_dict().items() if key not in _SAID_OTHERWISE},
    }
    plain: dict[str, Any] = json.loads(json.dumps(content))
    return plain


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """Return one checksum of a manifest, but for batch size and chunks, which a later run may choose anew."""
    asked = {key: value for key, value in manifest.items() if key not in ("batch_size", "chunks")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def was_finished(item: Path, manifest: Mapping[str, Any]) -> bool:
    """Tell whether a STAC item says that just this run has ended well."""
    try:
        content = json.loads(item.read_text(encoding="utf-8"))
        finished: bool = content["properties"]["hierars:run"] == manifest_digest(manifest)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return finished


def _refuse_changes(earlier: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """Stop where an earlier run's rows were made of something else."""
    changed = [
        f"{key} was {_short(earlier.get(key))} and is {_short(now.get(key))}"
        for key in sorted({*earlier, *now})
        if earlier.get(key) != now.get(key)
    ]
    if changed:
        raise OutputError(
            f"Expected to resume the same run, but {'; '.join(changed)} (in {path}). "
            "Run the first command again, or leave out --resume to start over."
        )


def file_identity(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what tells a file from a changed one: size, time, checksum of both ends.

    Of what GDAL reads from elsewhere it is only the name.
    """
    local = Path(path)
    if not local.is_file():
        return {"path": str(path)}
    status = local.stat()
    with local.open("rb") as file:
        ends = hashlib.sha256(file.read(_ENDS))
        file.seek(max(0, status.st_size - _ENDS))
        ends.update(file.read(_ENDS))
    return {
        "path": str(local.resolve()),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ends_sha256": ends.hexdigest(),
    }


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
