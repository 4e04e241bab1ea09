"""Several devices on one raster: a copy of the model on each, windows dealt in turn."""

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..errors import OptionError
from .checkpoint import resolve_device
from .stream import PathModel

Model = TypeVar("Model", bound=nn.Module)


def resolve_devices(name: str) -> tuple[torch.device, ...]:
    """Turn the name of one or more devices into devices.

    Args:
        name: ``auto`` (one GPU where there is one), ``cpu``, ``cuda:1``, ``mps``; ``all`` (every GPU here,
            the CPU where there is none); or several of them with commas, ``cuda:0,cuda:1``.

    Raises:
        OptionError: One is not here.
    """
    if name == "all":
        count = torch.cuda.device_count()
        return tuple(torch.device("cuda", n) for n in range(count)) or (torch.device("cpu"),)
    names = [part.strip() for part in name.split(",")]
    if not all(names):
        raise OptionError(f"Expected device to be a name, or several with commas, but got '{name}'.")
    return tuple(resolve_device(part) for part in names)


def replicate(model: Model, devices: Sequence[torch.device]) -> tuple[Model, ...]:
    """Return the model, which is on the first device, and a copy of it on each of the others."""
    return (model, *(copy.deepcopy(model).to(device) for device in devices[1:]))


@dataclass(frozen=True)
class _Replica:
    model: PathModel
    device: torch.device

    def run(self, image: Tensor, valid: Tensor, home: torch.device) -> Tensor:
        with torch.inference_mode():  # of this thread
            result = self.model(
                image.to(self.device, non_blocking=True), valid.to(self.device, non_blocking=True)
            )
            return result.to(home)


class Replicas:
    """Models on several devices that work on one batch together.

    Window ``i`` of a batch goes to device ``i mod n``; results meet on the device the batch came from. Each
    window's path logits are those of a single device of that kind.

    Args:
        models: One per device, the same weights.
        devices: Where they are; one may be named more than once.
    """

    def __init__(self, models: Sequence[PathModel], devices: Sequence[torch.device]) -> None:
        self._replicas = [_Replica(m, d) for m, d in zip(models, devices, strict=True)]
        self._pool = ThreadPoolExecutor(len(self._replicas), thread_name_prefix="replica")

    def __call__(self, image: Tensor, valid: Tensor) -> Tensor:
        """Compute path logits (B, T, h, w) of (B, C, h, w) and (B, h, w)."""
        used = self._replicas[: len(image)]
        step = len(self._replicas)
        running = [
            self._pool.submit(replica.run, image[number::step], valid[number::step], image.device)
            for number, replica in enumerate(used)
        ]
        parts = [future.result() for future in running]
        result = parts[0].new_empty(len(image), *parts[0].shape[1:])
        for number, part in enumerate(parts):
            result[number::step] = part
        return result

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


__all__ = ("Replicas", "replicate", "resolve_devices")
