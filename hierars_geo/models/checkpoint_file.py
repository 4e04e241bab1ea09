"""Read a checkpoint as data from a stranger: tensors and plain values only, never pickled code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError, MissingFileError
from .plain_file import NO_PICKLE, refuse_growing_archive
from .record import RECORD_KEY

#: Before the names of a model's weights; before those of the target where there is a source branch, too.
MODEL_PREFIX = "model."
_TARGET = "model.target."


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read the plain content of a checkpoint.

    Args:
        path: Checkpoint written by a task of this package.

    Returns:
        Its tensors and values; ``state_dict`` and the model record are among them.

    Raises:
        MissingFileError: There is no such file.
        CheckpointError: It is damaged, holds code, or was written by something else.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"Expected {path} to be a checkpoint, but it does not exist. Check the path.")
    refuse_growing_archive(path)
    try:
        content: dict[str, Any] | object = torch.load(path, map_location="cpu", weights_only=True)
    except NO_PICKLE as error:
        raise CheckpointError(
            f"Expected {path} to hold tensors and plain values only, but it is no checkpoint, is damaged or "
            "holds other objects, which are not loaded for safety. Write it with this package."
        ) from error
    except (RuntimeError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:160]
        raise CheckpointError(
            f"Expected {path} to be a PyTorch checkpoint, but: {reason}. The file is damaged or incomplete: "
            "get it again."
        ) from error
    parts = [content.get(key) for key in ("state_dict", RECORD_KEY)] if isinstance(content, dict) else []
    if not isinstance(content, dict) or not all(isinstance(part, dict) for part in parts):
        raise CheckpointError(
            f"Expected {path} to be written by this package, but it holds no model record. "
            "Train with 'hierars-geo fit' or BHCCMTask."
        )
    return content


def scene_prefix(state: Mapping[str, Tensor]) -> str:
    """What stands before the names of the :class:`SceneModel` in a checkpoint's ``state_dict``.

    Of a model with two branches that is the target's.
    """
    return _TARGET if any(name.startswith(_TARGET) for name in state) else MODEL_PREFIX


def scene_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the :class:`SceneModel` in a checkpoint's ``state_dict``, by its own names."""
    return weights_below(state, scene_prefix(state))


def weights_below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the weights whose names begin with a prefix, by what follows it.

    Example:
        >>> weights_below({"model.head.bias": torch.zeros(2), "loss": torch.zeros(1)}, "model.")
        {'head.bias': tensor([0., 0.])}
    """
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], expected: str) -> None:
    """Load all weights of a module, none missing and none left over.

    Args:
        module: Takes them, in place.
        weights: By its own names.
        expected: Beginning of the message, without the reason.

    Raises:
        CheckpointError: They do not fit.
    """
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{expected}, but: {reason[:160]}. Write the checkpoint again.") from error


__all__ = (
    "MODEL_PREFIX",
    "load_weights",
    "read_checkpoint",
    "scene_prefix",
    "scene_weights",
    "weights_below",
)
