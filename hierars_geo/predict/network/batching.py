"""How many windows a forward pass takes: measured beforehand on a GPU, halved where memory runs out."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...errors import DeviceMemoryError, HieraRSWarning
from ...models.map_model import PathModel
from ..options import BatchSize
from ..runtime import Runtime, cpu_batch_size

#: Where nobody says how many, and more than this do not make a GPU faster.
_WINDOWS, _MOST_WINDOWS = 4, 64

#: Share of the free memory of a GPU that a batch may take.
_SHARE_OF_FREE = 0.8

#: How PyTorch's backends say it: CUDA and MPS; the CPU allocator; cuDNN and cuBLAS where they meet it first.
_SIGNS = ("out of memory", "can't allocate memory", "alloc_failed")


class BatchFallback:
    """A model that runs batches whole, and in halves from the first time memory runs out.

    The path logits of a window depend on its batch by rounding alone, so it is the time that changes.

    Args:
        model: Maps (B, C, h, w) and (B, h, w) to (B, T, h, w).
    """

    def __init__(self, model: PathModel) -> None:
        self._model = model
        self._limit: int | None = None

    @property
    def limit(self) -> int | None:
        """Windows that fitted at once after memory ran out; None while it never did."""
        return self._limit

    def __call__(self, image: Tensor, valid: Tensor) -> Tensor:
        """Compute path logits (B, T, h, w) of (B, C, h, w) and (B, h, w).

        Raises:
            DeviceMemoryError: A single window does not fit.
        """
        parts: list[Tensor] = []
        start = 0
        while start < len(image):
            stop = min(start + (self._limit or len(image)), len(image))
            part = self._run(image[start:stop], valid[start:stop])
            if part is None:
                self._limit = self._halved(image[start:stop])
                continue
            parts.append(part)
            start = stop
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _run(self, image: Tensor, valid: Tensor) -> Tensor | None:
        """Run the model; None where memory ran out."""
        try:
            return self._model(image, valid)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # past the except clause the traceback, which holds the half-done tensors, is gone
        if image.is_cuda:
            torch.cuda.empty_cache()
        return None

    def _halved(self, image: Tensor) -> int:
        count = len(image)
        if count == 1:
            height, width = image.shape[-2:]
            raise DeviceMemoryError(
                f"Expected a window of {height} x {width} px to fit into the memory of {image.device}, "
                "but it is too large. Use a smaller window, or another device."
            )
        warnings.warn(
            f"the memory of {image.device} is too small for {count} windows at once: going on with "
            f"{count // 2}. --batch-size {count // 2} saves the trial.",
            HieraRSWarning,
            stacklevel=2,
        )
        return count // 2


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether a backend of PyTorch ran out of memory."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return any(sign in text for sign in _SIGNS)


def resolved_batch_size(
    asked: BatchSize,
    model: Runtime,
    shape: tuple[int, int, int],
    devices: Sequence[torch.device],
) -> int:
    """Turn what was asked for into windows per forward pass.

    Args:
        asked: A number, ``auto`` for what the devices take, or None.
        model: What is run.
        shape: (C, h, w) of a window.
        devices: Where the model is; batches come from the first.

    Returns:
        At least 1. On CPUs a batch has no more than :data:`.CPU_BATCH_PIXELS` each, whatever was asked for.
    """
    if all(device.type == "cpu" for device in devices):
        return cpu_batch_size(asked, shape[1:], len(devices))
    return largest_batch(model, shape, devices[0]) if asked == "auto" else asked or _WINDOWS


def largest_batch(model: Runtime, shape: tuple[int, int, int], device: torch.device) -> int:
    """Measure how many windows a GPU runs at once.

    One and two windows are run and their peaks compared: what a further window takes, and what is free, give
    the number. Devices whose memory cannot be asked for get 1.

    Args:
        model: What is run.
        shape: (C, h, w) of a window.
        device: Where the model is.

    Returns:
        Windows per forward pass, at least 1.
    """
    if device.type != "cuda":
        return 1
    try:
        peaks = [_peak_bytes(model, shape, count, device) for count in (1, 1, 2)]  # the first one warms up
    except torch.OutOfMemoryError:
        return 1
    per_window = max(1, peaks[2] - peaks[1])
    free, _ = torch.cuda.mem_get_info(device)
    room = int(free * _SHARE_OF_FREE) - max(0, peaks[1] - per_window)
    return max(1, min(_MOST_WINDOWS, room // per_window))


def _peak_bytes(model: Runtime, shape: tuple[int, int, int], count: int, device: torch.device) -> int:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    model(np.zeros((count, *shape), np.float32), np.ones((count, *shape[1:]), np.bool_))
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before
