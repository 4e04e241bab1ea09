"""Manifest: all that the bytes of a prediction depend on, to tell whether a run may go on from another."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rasterio
import torch

from .. import __version__
from ..errors import OutputError
from ..scenes.scene import Scene
from .checkpoint import LoadedModel
from .chunks import ChunkPlan
from .options import PredictOptions

#: Bytes at both ends of a file that tell it from another one of the same size and time.
_ENDS = 65536


def run_manifest(
    scene: Scene,
    loaded: LoadedModel,
    options: PredictOptions,
    plan: ChunkPlan,
    device: str,
    batch_size: int,
) -> dict[str, Any]:
    """Describe a run as plain values.

    Args:
        scene: What is predicted.
        loaded: The checkpoint.
        options: How it is predicted.
        plan: Windows and chunks.
        device: Where it is computed: another kind computes other last bits.
        batch_size: Windows per forward pass, on which last bits depend, too.
    """
    content = {
        "checkpoint_sha256": loaded.sha256,
        "source": [file_identity(path) for path in scene.paths],
        "region": scene.region,
        "grid": [scene.grid.crs.to_wkt(), list(scene.grid.transform)[:6], list(scene.grid.shape)],
        "gates_px": loaded.record.chip_size,
        "window": [list(plan.windows.size), list(plan.windows.stride)],
        "chunks": [list(plan.row_edges), list(plan.col_edges)],
        "device": device,
        "batch_size": batch_size,
        "versions": {
            "hierars-geo": __version__,
            "torch": torch.__version__,
            "gdal": rasterio.__gdal_version__,
        },
        **{f"option {key}": value for key, value in options.to_dict().items() if key != "chunk_px"},
    }
    plain: dict[str, Any] = json.loads(json.dumps(content))
    return plain


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """Return one checksum of a manifest, the batch size left out: a later run may choose it otherwise."""
    asked = {key: value for key, value in manifest.items() if key != "batch_size"}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def was_finished(item: Path, manifest: Mapping[str, Any]) -> bool:
    """Tell whether a STAC item says that just this run has ended well."""
    try:
        content = json.loads(item.read_text(encoding="utf-8"))
        finished: bool = content["properties"]["hierars:run"] == manifest_digest(manifest)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return finished


def refuse_changes(earlier: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """Stop where an earlier run's rows were made of something else.

    Raises:
        OutputError: With what has changed, from what to what.
    """
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


__all__ = ("file_identity", "manifest_digest", "refuse_changes", "run_manifest", "was_finished")
