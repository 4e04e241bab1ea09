"""Load the model of a checkpoint, ready to predict."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import OptionError
from ..models.checkpoint_file import MODEL_PREFIX, read_checkpoint, weights_below
from ..models.map_model import MapModel
from ..models.record import RECORD_KEY, ModelRecord
from ..models.trained_model import build_trained


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to predict.

    Attributes:
        model: In eval mode, on the device asked for.
        record: Taxonomy, bands, normalisation, configuration.
        path: The checkpoint.
        sha256: Of the file, hexadecimal.
    """

    model: MapModel
    record: ModelRecord
    path: Path
    sha256: str


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> LoadedModel:
    """Load a model.

    Args:
        path: Checkpoint written by a task of this package.
        device: Where the model shall be.

    Returns:
        The model and what it says of itself. Its gates pool over the ground of a training chip around each
        pixel, see :class:`~hierars_geo.models.LocalGates`.

    Raises:
        MissingFileError: There is no such file.
        CheckpointError: It is damaged, holds code, or was written by something else.
    """
    path = Path(path)
    content = read_checkpoint(path)
    record = ModelRecord.from_dict(content[RECORD_KEY], str(path))
    model = build_trained(record, weights_below(content["state_dict"], MODEL_PREFIX), str(path))
    model.to(device).eval()
    model.pool_gates(record.chip_size)
    return LoadedModel(model, record, path, _sha256(path))


def resolve_device(name: str) -> torch.device:
    """Turn ``auto`` (the GPU where there is one), ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` into a device.

    Raises:
        OptionError: There is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(
            f"Expected device '{name}' to be there, but: {str(error).splitlines()[0]}. Use --device cpu or "
            f"auto."
        ) from error
    return device


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ("LoadedModel", "load_checkpoint", "resolve_device")
