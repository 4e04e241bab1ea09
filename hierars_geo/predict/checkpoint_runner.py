"""CheckpointRunner: a checkpoint's network, by PyTorch or by a library that runs its graph."""

import ctypes
import sys
import warnings
from functools import cached_property
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ..errors import CheckpointError, HieraRSWarning, OptionError, OutputError
from ..models.record import ModelFile
from ..output import sha256_of
from . import network
from .exported import ExportedRunner, GraphFile
from .graph_cache import GraphCache
from .graph_session import PACKAGES, GraphLibrary, check_is_installed, graph_library, obstacle_of
from .options import BatchSize, PredictOptions
from .quantization import check_can_quantise
from .runtime import Runtime, Windows, cpu_batch_size

#: Pixels of windows from which an export of some seconds pays by far: 128 windows of 512 px.
WORTHWHILE_PX: Final = 128 * 512 * 512

#: Share of a trial window's pixels that may change class, by precision: rounding alone, or half precision.
_MAY_CHANGE: Final = {"float32": 1e-4, "bf16": 0.02}


class CheckpointRunner:
    """Run the network of a checkpoint.

    PyTorch is imported where it runs the network, or where the network's graph is not kept yet.

    Args:
        model: A model, or the path of its checkpoint.
        options: How it is predicted.
        device: ``auto``, ``cpu``, ``cuda``, ``all`` for every GPU, or several with commas.

    Attributes:
        loaded: The model; with its network, on the first device, where PyTorch was needed for it.

    Raises:
        HieraRSError: The checkpoint cannot be loaded, or there is no such device.
    """

    def __init__(self, model: str | Path | ModelFile, options: PredictOptions, device: str) -> None:
        self._model, self._options, self._device = model, options, device
        if options.network.precision == "int8" and options.output.applicability:
            raise OptionError("Expected --precision float32 with --applicability, but got int8.")
        self._exported: ExportedRunner | None = None
        self._refused = False
        kept = self._kept()
        self.loaded: ModelFile = self._network.loaded if kept is None else kept

    @cached_property
    def runtime(self) -> Runtime:
        """PyTorch's way to run the network, test-time augmentation included."""
        return self._network.runtime

    @property
    def sees_window(self) -> bool:
        """Whether a layer sees all of a window; see :class:`~hierars_geo.predict.runtime.Runner`."""
        if isinstance(self.loaded, GraphFile):
            return bool(self.loaded.described["sees_window"])
        return self._network.loaded.network.sees_window

    def runtime_of(self, size: tuple[int, int], pixels: int, windows: Windows) -> Runtime:
        """Say who runs a scene: :attr:`runtime`, or another library where that is wanted.

        A graph is tried on a window first; where it cannot be run, or says something else, PyTorch predicts,
        with one note.

        Raises:
            OptionError: A library was asked for that is not installed, or cannot do what else is asked for.
        """
        on = "cpu" if self._on_cpu else self._network.devices[0].type
        library = chosen_library(self._options, on, pixels)
        if library is None or self._refused or self.loaded.record.model.temporal is not None:
            return self.runtime
        if self._options.network.precision == "int8":
            check_can_quantise()
            return self._graph(library, size).runtime_of(size, pixels, windows)
        try:
            runner = self._graph(library, size)
            changed = runner.share_changed
        except (OptionError, OutputError, CheckpointError, RuntimeError) as error:
            return self._instead(
                f"{PACKAGES[library]} cannot run this model: {' '.join(str(error).split())[:300]}"
            )
        if changed > _MAY_CHANGE[self._options.network.precision]:
            return self._instead(
                f"{PACKAGES[library]} gives {changed:.2%} of a trial window's pixels other values"
            )
        return runner.runtime_of(size, pixels, windows)

    def batch_size(self, asked: BatchSize, window: tuple[int, int]) -> int:
        """Windows of (height, width) px per forward pass: as asked for, or what the devices take."""
        return cpu_batch_size(asked, window) if self._on_cpu else self._network.batch_size(asked, window)

    @cached_property
    def _network(self) -> "network.TorchNetwork":
        return network.TorchNetwork(self._model, self._options, self._device)

    @cached_property
    def _on_cpu(self) -> bool:
        """Whether it is sure, without PyTorch, that a CPU runs the network."""
        return self._device == "cpu" or (self._device in ("auto", "all") and not _may_have_gpu())

    def _kept(self) -> GraphFile | None:
        """Return what a kept graph says of the checkpoint, if one may run it."""
        path, asked = self._model, self._options.network.runtime
        if isinstance(path, ModelFile) or asked == "torch" or not self._on_cpu or not Path(path).is_file():
            return None
        try:
            return self._cache(Path(path), sha256_of(Path(path))).find()
        except PackageNotFoundError:  # PyTorch, as loading will say
            return None

    def _cache(self, path: Path, sha256: str) -> GraphCache:
        return GraphCache(path, sha256, self._options.network.cache_dir)

    def _graph(self, library: GraphLibrary, size: tuple[int, int]) -> ExportedRunner:
        if self._exported is None or self._exported.loaded.size not in (None, size):
            found = self.loaded
            if not isinstance(found, GraphFile):
                found = self._cache(found.path, found.sha256).get(size, self._network.export)
            self._exported = ExportedRunner(found, library, self._options)
        return self._exported

    def _instead(self, reason: str) -> Runtime:
        self._refused = True
        warnings.warn(f"{reason.rstrip('.')}: predicting with PyTorch.", HieraRSWarning, stacklevel=6)
        return self.runtime


def chosen_library(predicted: PredictOptions, device: str, pixels: int) -> GraphLibrary | None:
    """Say which library runs the graph; None where PyTorch runs the model.

    ``auto`` depends on what is installed and on the size of the scene alone, so that a run can be resumed:
    ONNX Runtime for float32, OpenVINO for bf16, on CPUs, where there is enough to predict.

    Args:
        predicted: What is asked for.
        device: Kind of device, as PyTorch names it.
        pixels: Of all windows together.

    Raises:
        OptionError: A library was asked for that is not installed, or that cannot do what else is asked for.
    """
    options = predicted.network
    if options.runtime == "torch" and options.precision == "int8":
        raise OptionError("Expected --runtime onnx or openvino with --precision int8, but got torch.")
    if options.runtime == "torch":
        return None
    obstacle = (
        f"device {device}, but this runtime is for CPUs. Use --device cpu"
        if device != "cpu"
        else obstacle_of(predicted, options.runtime)
    )
    library = graph_library(options)
    if options.runtime == "auto" and options.precision != "int8":
        needed = (PACKAGES[library], "onnx", "onnxscript")
        usable = obstacle is None and all(find_spec(package) is not None for package in needed)
        return library if usable and pixels >= WORTHWHILE_PX else None
    if obstacle is not None:
        raise OptionError(f"Expected runtime torch with {obstacle}, or --runtime torch.")
    check_is_installed(library)
    return library


def _may_have_gpu() -> bool:
    """Whether PyTorch has to be asked for a GPU: there is none without a driver, nor on a Mac."""
    if sys.platform == "darwin":
        return False
    if sys.platform != "linux" or Path("/dev/kfd").exists():  # AMD's
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
