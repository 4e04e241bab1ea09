"""Files of PyTorch that strangers wrote: read as tensors and plain values, never as code."""

import pickle
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import CheckpointError, MissingFileError, OptionError

#: What PyTorch's safe unpickler raises on bytes that are no pickle of its kind: text, a truncated file, sizes
#: that no memory holds.
_NO_PICKLE = (
    pickle.UnpicklingError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    struct.error,
)


def read_plain(path: Path) -> Any:  # noqa: ANN401 - whatever plain values a file holds
    """Read a file of PyTorch that exists as tensors and plain values, never as code.

    Raises:
        CheckpointError: It is damaged, or holds anything else.
    """
    _refuse_growing_archive(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except _NO_PICKLE as error:
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


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file of weights by name: safetensors, or a state dict of PyTorch.

    Raises:
        MissingFileError: There is no such file.
        OptionError: It is damaged, or holds objects.
    """
    if not path.is_file():
        raise MissingFileError(
            f"Expected {path} to be a file of weights, but it does not exist. Check the path."
        )
    try:
        content: Any = load_file(path) if path.suffix == ".safetensors" else read_plain(path)
    except (SafetensorError, CheckpointError, OSError, ValueError) as error:
        raise OptionError(
            f"Expected {path} to hold tensors by name, but it is damaged or holds objects that are not "
            "loaded for safety. Save the encoder's state dict."
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    return dict(tensors_of(content))


def tensors_of(content: object, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a state by name, also of one in parts, as CROMA's is."""
    for name, value in content.items() if isinstance(content, Mapping) else ():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        else:
            yield from tensors_of(value, f"{prefix}{name}.")


def _refuse_growing_archive(path: Path) -> None:
    """Refuse a file of PyTorch that unpacks to more than it holds; PyTorch stores without compression."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(
            f"Expected {path} to be a PyTorch checkpoint, but: {error}. The file is damaged or incomplete: "
            "get it again."
        ) from error
    if unpacked > path.stat().st_size:
        raise CheckpointError(
            f"Expected {path} to hold what it weighs, {path.stat().st_size} bytes, but it would grow to "
            f"{unpacked}. It was not written by PyTorch and is not loaded for safety."
        )
