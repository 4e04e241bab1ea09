"""From a loaded model to the function that predicts a batch: precision, compiling, views, memory, devices."""

import warnings
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from ..errors import HieraRSWarning, OptionError
from ..models.map_model import MapModel
from .augment import Augmentation, averaged_over_views
from .batching import BatchFallback
from .replicas import Replicas, replicate
from .stream import PathModel

#: Half precision: bfloat16 keeps float32's range; float16 is finer, for GPUs before Ampere.
Amp: TypeAlias = Literal["bf16", "fp16"]

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def build_path_model(
    model: MapModel,
    paths: Tensor,
    devices: Sequence[torch.device],
    augmentations: Sequence[Augmentation] = (),
    amp: Amp | None = None,
    compiled: bool = False,
) -> PathModel:
    """Put together what predicts a batch.

    Args:
        model: In eval mode, on the first device.
        paths: (T, N) int64.
        devices: Where to run; batches come from the first, and results go there.
        augmentations: Views to average over, see :func:`.views`.
        amp: Half precision inside the model; results are float32 again.
        compiled: Run the model through torch.compile, where it works here.

    Returns:
        Maps stored values (B, C, h, w) float32 and validity (B, h, w) bool to path logits (B, T, h, w),
        float32.

    Raises:
        OptionError: An unknown augmentation or precision, or float16 on a CPU.
    """
    if amp is not None:
        check_amp(amp, devices)
    if compiled:
        compiled = _compiles(devices[0])
    parts = [
        _one_device(copied, paths.to(device), device, augmentations, amp, compiled)
        for copied, device in zip(replicate(model, devices), devices, strict=True)
    ]
    return parts[0] if len(parts) == 1 else Replicas(parts, devices)


def check_amp(amp: str, devices: Sequence[torch.device]) -> None:
    """Refuse a precision that does not exist or does not suit the devices.

    Raises:
        OptionError: It does not.
    """
    if amp not in get_args(Amp):
        raise OptionError(f"Expected amp to be one of {', '.join(get_args(Amp))}, but got '{amp}'.")
    if amp == "fp16" and any(device.type == "cpu" for device in devices):
        raise OptionError("Expected amp to be bf16 on a CPU, but got 'fp16'. Use --amp bf16, or a GPU.")


def _one_device(
    model: MapModel,
    paths: Tensor,
    device: torch.device,
    augmentations: Sequence[Augmentation],
    amp: Amp | None,
    compiled: bool,
) -> PathModel:
    plain = torch.compile(model.path_logits) if compiled else model.path_logits

    def path_logits(image: Tensor, valid: Tensor) -> Tensor:
        if amp is None:
            return plain(image, valid, paths)
        # normalised in float32 inside: stored values such as 10 000 exceed what bfloat16 tells apart
        with torch.autocast(device.type, dtype=_DTYPES[amp]):
            return plain(image, valid, paths).float()

    return BatchFallback(averaged_over_views(path_logits, augmentations))


def _compiles(device: torch.device) -> bool:
    """Try torch.compile on the smallest thing that needs a compiler, and say where it does not work."""
    try:
        torch.compile(lambda values: values * 2 + 1)(torch.ones(2, device=device))
    except (RuntimeError, ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        warnings.warn(
            f"torch.compile does not work here ({reason}): predicting without it.",
            HieraRSWarning,
            stacklevel=3,
        )
        return False
    return True


__all__ = ("Amp", "build_path_model", "check_amp")
