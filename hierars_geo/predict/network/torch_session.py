"""PyTorch runs the network, on one device or several."""

import copy
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...errors import OptionError, check_choice
from ...models.bhccm import BHCCM
from ...models.build import compiles
from ...models.map_model import DatedImages, MapModel, PathModel
from ..augment import averaged_over_views, views
from ..options import Augmentation, Precision
from ..runtime import DatedBatch, Runtime
from .batching import BatchFallback

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def torch_runtime(
    model: MapModel,
    paths: Tensor,
    devices: Sequence[torch.device],
    augmentations: Sequence[Augmentation] = (),
    precision: Precision = "float32",
    compiled: bool = False,
    applicability: bool = False,
) -> Runtime:
    """Run a model with PyTorch.

    Args:
        model: In eval mode, on the first device.
        paths: (T, N) int64.
        devices: Where to run; batches come from the first, and results go there.
        augmentations: Views to average over, see :func:`.views`.
        precision: Inside the model.
        compiled: Run the model through torch.compile, where it works here.
        applicability: Let dissimilarities follow the path logits, see :meth:`.MapModel.map_channels`.

    Raises:
        OptionError: An unknown augmentation or precision, or float16 on a CPU.
    """
    check_choice("precision", precision, get_args(Precision))
    if precision == "int8":
        raise OptionError("Expected precision to be another than int8 with PyTorch. Use --runtime onnx.")
    if precision == "fp16" and any(device.type == "cpu" for device in devices):
        raise OptionError(
            "Expected precision to be bf16 on a CPU, but got 'fp16'. Use --precision bf16, or a GPU."
        )
    if precision != "float32":
        _keep_in_float32(model)
    if model.of_series:
        how = augmentations, precision, applicability
        return _series_runtime(model, paths.to(devices[0]), devices[0], *how)
    if compiled:
        compiled = compiles(devices[0], "predicting without it")
    copies = (model, *(copy.deepcopy(model).to(device) for device in devices[1:]))
    parts = [
        _one_device(
            copied.map_channels if applicability else copied.path_logits,
            paths.to(device),
            device,
            augmentations,
            precision,
            compiled,
        )
        for copied, device in zip(copies, devices, strict=True)
    ]
    run = parts[0] if len(parts) == 1 else Replicas(parts, devices)
    return runtime_of_tensors(run, len(paths) + applicability, devices[0], precision)


class _InFloat32(nn.Module):
    """A layer that autocast leaves alone: it stands before the layer's own class."""

    def forward(self, *inputs: Tensor) -> Any:  # noqa: ANN401
        """Run the layer on float32."""
        kind = inputs[0].device.type
        if not torch.is_autocast_enabled(kind):
            return super().forward(*inputs)
        with torch.autocast(kind, enabled=False):
            return super().forward(*(one.float() for one in inputs))


def _keep_in_float32(model: nn.Module) -> None:
    """Let the head, and what an encoder's blocks add to, be float32 where the rest is half as precise.

    Blocks add to what a stem or a downsampling layer hands on; in float32 that sum is, too. A UPerNet on
    ConvNeXt-T changes 0.40 % of the classes so, in place of 0.66 %, in the same time.
    """
    for name, module in model.named_modules():
        layer = name.rpartition(".")[2]
        if isinstance(module, BHCCM) or layer == "downsample" or layer.startswith("stem"):
            kind = type(module)
            if not issubclass(kind, _InFloat32):
                module.__class__ = type(kind.__name__, (_InFloat32, kind), {})


def runtime_of_tensors(
    run: PathModel, channels: int, device: torch.device, precision: Precision = "float32"
) -> Runtime:
    """Let a model of tensors take arrays; what it returns stays on a GPU, and is an array again on a CPU.

    Args:
        run: Maps (B, C, h, w) float32 and (B, h, w) bool on the device to (B, T, h, w) float32.
        channels: T.
        device: Where the model is.
        precision: Inside the model.
    """

    def place(array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(device, non_blocking=True)

    def path_logits(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[Any] | Tensor:
        with torch.inference_mode():
            found = run(place(image), place(valid))
        return found.numpy() if found.is_cpu else found

    runtime = Runtime(path_logits, channels, str(device), precision, "torch", torch.__version__)
    return runtime if device.type == "cpu" else replace(runtime, place=place)


def _series_runtime(
    model: MapModel,
    paths: Tensor,
    device: torch.device,
    augmentations: Sequence[Augmentation],
    precision: Precision,
    applicability: bool,
) -> Runtime:
    """Run a model of series on one device, date after date; views of a date pass side by side."""
    ways = views(augmentations)

    def channels(series: Iterable[DatedImages]) -> tuple[Tensor, Tensor]:
        passes = [model.begin_series() for _ in ways]
        image, seen = torch.empty(0), torch.empty(0)
        for number, (image, valid, doy) in enumerate(series):
            seen = seen | valid if number else valid
            for way, running in zip(ways, passes, strict=True):
                running.add(*way.apply(image, valid), doy)
        size = (seen.shape[-2], seen.shape[-1])
        found = (
            way.undo(running.channels(way.apply(image, seen)[0], paths, applicability), size)
            for way, running in zip(ways, passes, strict=True)
        )
        return sum(found, start=torch.zeros(())) / len(ways), seen

    def run(series: Iterable[DatedImages]) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            if precision == "float32":
                return channels(series)
            with torch.autocast(device.type, dtype=_DTYPES[precision]):
                found, seen = channels(series)
            return found.float(), seen

    def run_dates(series: Iterable[DatedBatch]) -> tuple[Any, NDArray[np.bool_]]:
        placed = (tuple(torch.from_numpy(part).to(device) for part in dated) for dated in series)
        found, seen = run(cast(Iterable[DatedImages], placed))
        return found.numpy() if found.is_cpu else found, seen.cpu().numpy()

    def one_date(image: Tensor, valid: Tensor) -> Tensor:
        first = torch.ones(len(image), dtype=torch.int64, device=image.device)
        return run([(image, valid, first)])[0]

    count = len(paths) + applicability
    return replace(runtime_of_tensors(one_date, count, device, precision), run_dates=run_dates)


def _one_device(
    model: Callable[[Tensor, Tensor | None, Tensor], Tensor],
    paths: Tensor,
    device: torch.device,
    augmentations: Sequence[Augmentation],
    precision: Precision,
    compiled: bool,
) -> PathModel:
    plain = torch.compile(model) if compiled else model

    def path_logits(image: Tensor, valid: Tensor) -> Tensor:
        if precision == "float32":
            return plain(image, valid, paths)
        # normalised in float32 inside: stored values such as 10 000 exceed what bfloat16 tells apart
        with torch.autocast(device.type, dtype=_DTYPES[precision]):
            return plain(image, valid, paths).float()

    return BatchFallback(averaged_over_views(path_logits, augmentations))


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
