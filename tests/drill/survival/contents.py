"""What lies under final names: compared with an undisturbed run, byte for byte but for the time of making."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
import yaml

#: Of a STAC item of a prediction; scenes without a date have that of the prediction.
_TIMES = ("created", "datetime")
#: A report says when it was made, to the minute.
_MINUTE = re.compile(rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?")
#: Records of a training that grow line by line and tell times: no results.
_GROWING = ("metrics.csv", "hparams.yaml", "events.out.tfevents")
#: Marks of files that are no results.
_HIDDEN = re.compile(r"^\.|\.part$|unfinished|\.tmp$|-journal$|-wal$|-shm$")


def leftovers(trial: Path) -> list[str]:
    """List what is hidden or unfinished in ``out``, and what is in the folder for temporary files."""
    names = [path.relative_to(trial) for path in (trial / "out").rglob("*")]
    unfinished = [name for name in names if any(_HIDDEN.search(part) for part in name.parts)]
    temporary = [path.relative_to(trial) for path in (trial / "tmp").rglob("*")]
    return sorted(map(str, (*unfinished, *temporary)))


def final_files(folder: Path) -> list[Path]:
    """List files under a final name, sorted."""
    found = folder.rglob("*") if folder.is_dir() else ()
    return sorted(path for path in found if path.is_file() and _is_result(path.relative_to(folder)))


def _is_result(name: Path) -> bool:
    return not name.name.startswith(_GROWING) and not any(_HIDDEN.search(part) for part in name.parts)


def results(folder: Path) -> dict[str, str]:
    """Return the fingerprint of every file under a final name, by its path."""
    return {str(path.relative_to(folder)): fingerprint(path) for path in final_files(folder)}


def fingerprint(path: Path) -> str:
    """Return a checksum of what a file says."""
    if path.suffix == ".ckpt":
        return _weights(path)
    content = path.read_bytes()
    if path.suffix == ".html":
        content = _MINUTE.sub(b"", content)
    if path.suffix == ".yaml" and not yaml.safe_load(content):
        return "empty"
    if path.suffix == ".json" and b'"hierars:run"' in content:
        item = json.loads(content)
        for name in _TIMES:
            item["properties"].pop(name, None)
        content = json.dumps(item, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def _weights(path: Path) -> str:
    """Checksum of every tensor of a checkpoint's model, and of the step it was taken at."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    digest = hashlib.sha256(str(checkpoint["global_step"]).encode())
    for part in ("state_dict", "current_model_state"):
        for name, value in checkpoint.get(part, {}).items():
            digest.update(name.encode())
            digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def final_weights(found: Mapping[str, str]) -> str | None:
    """Return the fingerprint of the newest run's last checkpoint, None where there is none."""
    last = sorted(name for name in found if name.endswith("last.ckpt"))
    return found[last[-1]] if last else None


def half_written(folder: Path, whole: Mapping[str, str]) -> list[str]:
    """List files under a final name that are not just as in the undisturbed run.

    Checkpoints of earlier steps differ by right: they have to be readable.
    """
    bad = []
    for path in final_files(folder):
        name = str(path.relative_to(folder))
        try:
            found = fingerprint(path)
        except (OSError, ValueError, RuntimeError, EOFError, KeyError) as error:
            bad.append(f"{name} ({type(error).__name__})")
            continue
        # a later run of a training has a number of its own, and its configuration another --ckpt_path
        free = path.suffix == ".ckpt" or (path.suffix == ".yaml" and name not in whole)
        if found == "empty" or (not free and found != whole.get(name)):
            bad.append(name)
    return bad


def differences(folder: Path, whole: Mapping[str, str]) -> list[str]:
    """List what differs from the undisturbed run after a success."""
    found = results(folder)
    if any(name.endswith(".ckpt") for name in whole):
        return [] if final_weights(found) == final_weights(whole) else ["weights of last.ckpt"]
    return sorted(name for name in {*found, *whole} if found.get(name) != whole.get(name))


__all__ = (
    "differences",
    "final_files",
    "final_weights",
    "fingerprint",
    "half_written",
    "leftovers",
    "results",
)
