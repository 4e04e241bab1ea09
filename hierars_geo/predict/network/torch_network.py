"""TorchNetwork: a checkpoint's network, run and exported by PyTorch."""

from functools import cached_property
from pathlib import Path

import torch

from ...models.checkpoint import Model, load
from ...models.record import ModelFile
from ..exported import TRIAL_SIZE, packed, trial_window, without_data
from ..options import BatchSize, PredictOptions
from ..runtime import Runtime
from .batching import resolved_batch_size
from .graph import PathGraph
from .torch_session import resolve_devices, torch_runtime
from .translation import check_onnx_is_installed, save_onnx, trace


class TorchNetwork:
    """A network that PyTorch runs.

    Args:
        model: A model, or the path of its checkpoint.
        options: How it is predicted.
        device: ``auto``, ``cpu``, ``cuda``, ``all`` for every GPU, or several with commas.

    Attributes:
        devices: Where it runs; batches come from the first.
        loaded: The model, on the first device.

    Raises:
        HieraRSError: The checkpoint cannot be loaded, or there is no such device.
    """

    def __init__(self, model: str | Path | ModelFile, options: PredictOptions, device: str) -> None:
        self._options = options
        self.devices = resolve_devices(device)
        path = model if isinstance(model, str | Path) else model.path
        self.loaded = model if isinstance(model, Model) else load(path, self.devices[0])
        self.loaded.network.to(self.devices[0])

    @cached_property
    def runtime(self) -> Runtime:
        """How PyTorch runs it, test-time augmentation included; in float32 where int8 is asked for."""
        network = self._options.network
        return torch_runtime(
            self.loaded.network,
            torch.from_numpy(self.loaded.record.taxonomy.paths.copy()),
            self.devices,
            network.views,
            "float32" if network.precision == "int8" else network.precision,
            network.compile,
            self._options.output.applicability,
        )

    def batch_size(self, asked: BatchSize, window: tuple[int, int]) -> int:
        """Windows of (height, width) px per forward pass: as asked for, or what the devices take."""
        shape = len(self.loaded.record.bands), *window
        return resolved_batch_size(asked, self.runtime, shape, self.devices)

    def export(self, path: Path, size: tuple[int, int] | None) -> None:
        """Write the graph as an ONNX file, and in it what PyTorch says of a trial window.

        Args:
            path: The file.
            size: (height, width) of the windows that it shall take; None for any.

        Raises:
            OptionError: The exporter is not installed, or the model holds what it cannot translate.
        """
        check_onnx_is_installed()
        record = self.loaded.record
        graph = PathGraph(self.loaded.network, record).eval()
        program = trace(graph, self.loaded, size)
        image = without_data(*trial_window(record, size or TRIAL_SIZE))
        with torch.inference_mode():
            logits, *unlike = graph(torch.from_numpy(image))
        answer = torch.cat([logits.argmax(dim=1, keepdim=True).float(), *unlike], dim=1)
        told = {"size": size, "notes": self.loaded.notes, "trial": packed(answer.numpy())}
        save_onnx(program, graph, path, self.loaded, told, {})
