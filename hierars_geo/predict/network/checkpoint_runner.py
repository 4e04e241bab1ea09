"""CheckpointRunner: a checkpoint's network, by PyTorch or by a library that runs its graph."""

from collections.abc import Mapping
from pathlib import Path

import torch

from ...errors import OptionError
from ...models.checkpoint import Model, load
from ...models.record import ModelFile
from ..graph_session import GraphLibrary
from ..options import BatchSize, PredictOptions
from ..runtime import Runtime, Windows
from .batching import resolved_batch_size
from .graph_runtime import chosen_library, graph_runtime, quantised_runtime
from .torch_session import resolve_devices, torch_runtime


class CheckpointRunner:
    """Run the network of a checkpoint.

    Args:
        model: A model, or the path of its checkpoint.
        options: How it is predicted.
        device: ``auto``, ``cpu``, ``cuda``, ``all`` for every GPU, or several with commas.

    Attributes:
        loaded: The model, on the first device.
        runtime: PyTorch's way to run the network, test-time augmentation included.

    Raises:
        HieraRSError: The checkpoint cannot be loaded, or there is no such device.
    """

    def __init__(self, model: str | Path | ModelFile, options: PredictOptions, device: str) -> None:
        self._options = network = options.network
        self._devices = resolve_devices(device)
        path = model if isinstance(model, str | Path) else model.path
        self.loaded = model if isinstance(model, Model) else load(path, self._devices[0])
        self.loaded.network.to(self._devices[0])
        if network.precision == "int8" and options.output.applicability:
            raise OptionError("Expected --precision float32 with --applicability, but got int8.")
        paths = torch.from_numpy(self.loaded.record.taxonomy.paths.copy())
        # what int8 is compared with
        precision = "float32" if network.precision == "int8" else network.precision
        how = network.views, precision, network.compile, options.output.applicability
        self.runtime = torch_runtime(self.loaded.network, paths, self._devices, *how)
        self._graphs: dict[tuple[GraphLibrary, tuple[int, int]], Runtime] = {}

    @property
    def software(self) -> Mapping[str, str]:
        """PyTorch's version, see :class:`~hierars_geo.predict.runtime.Runner`."""
        return {"torch": torch.__version__}

    @property
    def sees_window(self) -> bool:
        """Whether a layer sees all of a window; see :class:`~hierars_geo.predict.runtime.Runner`."""
        return self.loaded.network.sees_window

    def runtime_of(self, size: tuple[int, int], pixels: int, windows: Windows) -> Runtime:
        """Say who runs a scene: :attr:`runtime`, or another library where that is wanted.

        Raises:
            OptionError: A library was asked for that is not installed, or cannot do what else is asked for.
        """
        library = chosen_library(self._options, self._devices[0], pixels)
        if library is None or self.runtime.run_dates is not None:
            return self.runtime
        if self._options.precision == "int8":
            return quantised_runtime(self.loaded, self.runtime, self._options, library, size, windows())
        if (library, size) not in self._graphs:
            found = graph_runtime(self.loaded, self.runtime, self._options, library, size)
            self._graphs[library, size] = found
        return self._graphs[library, size]

    def batch_size(self, asked: BatchSize, window: tuple[int, int]) -> int:
        """Windows of (height, width) px per forward pass: as asked for, or what the devices take."""
        shape = len(self.loaded.record.bands), *window
        return resolved_batch_size(asked, self.runtime, shape, self._devices)
