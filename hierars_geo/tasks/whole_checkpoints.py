"""WholeCheckpoints: checkpoints of a training that are whole under their names, whenever it is broken off."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO

from ..output.output import as_output_error, atomic_path, check_writable_folder


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
        """Write a checkpoint.

        Args:
            checkpoint: What is saved.
            path: Where; its folder is made where it is missing.
            storage_options: Of other plugins; none are taken.

        Raises:
            OutputError: It cannot be written.
        """
        if "://" in os.fspath(path) or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        final = Path(path)
        check_writable_folder(final.parent)
        write_checkpoint(checkpoint, final)


def write_checkpoint(content: Mapping[str, Any], final: Path) -> None:
    """Write a checkpoint beside its name and rename it.

    Args:
        content: Plain values and tensors.
        final: Where; its folder exists.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_path(final) as unfinished, as_output_error(final), unfinished.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # PyTorch closes its archive after a failed write, and fails again
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        file.flush()
        os.fsync(file.fileno())  # a loss of power, too, leaves the old one or the new one


__all__ = ("WholeCheckpoints", "write_checkpoint")
