"""Checkpoints of a training: whole under their names, read as data, of the same model, at the same dice."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from torch import Tensor

from ..errors import CheckpointError, list_some
from ..models.checkpoint import read_checkpoint
from ..models.record import RECORD_KEY, ModelRecord, Transfer
from ..output import atomic_path, check_writable_folder
from ..taxonomy import Taxonomy

#: Key of the state in a checkpoint.
RANDOM_KEY = "random_state"


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the states of PyTorch's generators: what dropout and drop path draw from."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Set the generators to a state of :func:`random_state`; one of another kind of device is left out."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


#: Local names of a constructor that are no options.
_OF_CONSTRUCTORS = ("self", "__class__")


def plain_options(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return options, by name, as plain values, which a checkpoint can hold and a safe loader reads."""

    def plain(value: Any) -> Any:  # noqa: ANN401
        if is_dataclass(value) and not isinstance(value, type):
            return plain(asdict(value))
        if isinstance(value, Mapping):
            return {str(key): plain(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner) for inner in value]
        return value if value is None or isinstance(value, bool | int | float | str) else str(value)

    return {name: plain(value) for name, value in told.items() if name not in _OF_CONSTRUCTORS}


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its name and renames it.

    Lightning writes to the system's folder for temporary files: renaming from there is copying where that is
    another file system, a kill on the way leaves half a checkpoint under the name, and the other half of the
    work in the folder. Addresses such as ``s3://...`` are left to Lightning.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: object | None = None,
    ) -> None:
        """Write a checkpoint; its folder is made where it is missing, options of other plugins are not taken.

        Raises:
            OutputError: It cannot be written.
        """
        if "://" in os.fspath(path) or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        final = Path(path)
        check_writable_folder(final.parent)
        write_checkpoint(checkpoint, final)

    def load_checkpoint(
        self,
        path: Any,  # noqa: ANN401 - Lightning's signature
        map_location: Any = None,  # noqa: ANN401
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint as data, whatever is asked for: code in it is refused.

        Raises:
            MissingFileError: There is no such file.
            CheckpointError: It is damaged, holds code, or was written by something else.
        """
        if "://" in os.fspath(path):
            return super().load_checkpoint(path, map_location, weights_only=True)
        return read_checkpoint(path)


def write_checkpoint(content: Mapping[str, Any], final: Path) -> None:
    """Write plain values and tensors beside the name of a checkpoint, in an existing folder, and rename it.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_path(final) as unfinished, unfinished.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # PyTorch closes its archive after a failed write, and fails again
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        file.flush()
        os.fsync(file.fileno())  # a loss of power, too, leaves the old one or the new one


def require_same_model(checkpoint: Mapping[str, Any], own: ModelRecord) -> ModelRecord:
    """Refuse weights of another tree, band set, model or version.

    Colours, raster values and the name of the tree may differ: no weight depends on them.

    Raises:
        CheckpointError: It holds no record, one of another version, or of another model; what differs is
            named.
    """
    content = checkpoint.get(RECORD_KEY)
    if content is None:
        raise CheckpointError("Expected a checkpoint written by this package, but it holds no model record.")
    saved = ModelRecord.from_dict(content, "the checkpoint")
    found = [
        *_taxonomies(saved.taxonomy, own.taxonomy),
        *_bands(saved.bands, own.bands),
        *_models(saved.model.to_dict(), own.model.to_dict()),
        *_sources(saved.transfer, own.transfer),
    ]
    if found:
        raise CheckpointError(
            f"Expected a checkpoint of the model that is configured, but got another: {'; '.join(found)}. "
            "Resume with the configuration the checkpoint was trained with."
        )
    return saved


def _taxonomies(saved: Taxonomy, own: Taxonomy) -> list[str]:
    title = f"taxonomy {saved.name} in the checkpoint, {own.name} here"
    if saved.num_levels != own.num_levels:
        leaves = _names(saved.class_names(saved.num_levels), own.class_names(own.num_levels))
        return [f"{title} ({saved.num_levels} levels, {own.num_levels} here; leaves {leaves})"]
    levels = []
    for level in range(1, own.num_levels + 1):
        before, now = saved.class_names(level), own.class_names(level)
        if before != now:
            levels.append(f"L{level} {_names(before, now)}")
    if levels:
        return [f"{title} ({', '.join(levels)})"]
    if saved.paths.tolist() != own.paths.tolist():
        return [f"{title} (the same classes below other parents)"]
    return []


def _bands(saved: Sequence[str], own: Sequence[str]) -> list[str]:
    return [] if tuple(saved) == tuple(own) else [f"bands {_names(saved, own)}"]


def _names(before: Sequence[str], now: Sequence[str]) -> str:
    """Say which names are gone and which are new, or that their order is another."""
    gone = [name for name in before if name not in now]
    new = [name for name in now if name not in before]
    parts = [f"without {list_some(gone)}"] if gone else []
    parts += [f"with {list_some(new)}"] if new else []
    if parts:
        return f"here {' and '.join(parts)}"
    return "the same" if before == now else f"in another order: {list_some(before)}, here {list_some(now)}"


def _sources(saved: Transfer | None, own: Transfer | None) -> list[str]:
    """Compare the source branches: whether there is one, what it is, and how the branches talk."""
    if saved is None or own is None:
        return [] if saved is own else [f"{'no' if saved is None else 'a'} source branch in the checkpoint"]
    found = [
        *_taxonomies(saved.source.taxonomy, own.source.taxonomy),
        *_bands(saved.source.bands, own.source.bands),
        *_models(saved.source.model.to_dict(), own.source.model.to_dict()),
    ]
    plain = [dict(transfer.to_dict()) for transfer in (saved, own)]
    for content in plain:
        content.pop("source")
    return [f"source branch: {difference}" for difference in found] + _models(*plain)


def _models(saved: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} {saved.get(key)} in the checkpoint, {own.get(key)} here"
        for key in sorted({*saved, *own})
        if saved.get(key) != own.get(key)
    ]
