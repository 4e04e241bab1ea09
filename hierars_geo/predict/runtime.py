"""Runtime: who runs the network, on which device and in which precision."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..models.record import ModelFile
from .options import BatchSize, Precision

#: Pixels of a forward pass on a CPU. Larger batches are no faster but take more memory: U-Net ResNet-18,
#: 512 x 512 px, CPU time of one thread, windows of 256 px 0.42 s one by one and 0.48 s in fours, with 180 MB
#: more; of 128 px 0.43 s in fours, 0.42 s in sixteens; of 512 px 0.52 s alone, 0.71 s in fours.
CPU_BATCH_PIXELS = 256 * 256


#: Gives windows of a scene: image (1, C, h, w), 0 where not valid, and validity (1, h, w).
Windows: TypeAlias = Callable[[], Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]]]


def _as_it_is(array: NDArray[Any]) -> NDArray[Any]:
    return array


#: One date of B windows: image (B, C, h, w) float32, validity (B, h, w) bool, day of the year (B,) int64.
DatedBatch: TypeAlias = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]
#: Maps the dates of B windows to path logits (B, T, h, w) and validity (B, h, w).
SeriesRun: TypeAlias = Callable[[Iterable[DatedBatch]], tuple[Any, NDArray[np.bool_]]]


@dataclass(frozen=True)
class Runtime:
    """A network ready to run: stored values and validity in, path logits out.

    Attributes:
        run: Maps arrays (B, C, h, w) float32 and (B, h, w) bool to path logits (B, T, h, w) float32: an
            array, or a tensor on a GPU.
        run_dates: Of a model of series, maps dates that come one after another to such path logits, and to
            an array (B, h, w) bool, where any date is valid; None of a model of images.
        channels: T, channels of the path logits; one more where dissimilarities follow them.
        device: Where the network is, and where blending happens.
        precision: Inside the model; path logits are float32.
        name: ``torch``, or another library that runs the model's graph.
        version: Of that library.
        place: Brings an array to where path logits are.
        notes: What whoever predicts should know of it.
    """

    run: Callable[[NDArray[np.float32], NDArray[np.bool_]], Any]
    channels: int
    device: str = "cpu"
    precision: Precision = "float32"
    name: str = "torch"
    version: str = ""
    place: Callable[[NDArray[Any]], Any] = _as_it_is
    run_dates: SeriesRun | None = None
    notes: tuple[str, ...] = ()

    def __call__(self, image: NDArray[np.float32], valid: NDArray[np.bool_]) -> Any:  # noqa: ANN401
        """Compute path logits (B, T, h, w) of stored values (B, C, h, w) and validity (B, h, w)."""
        return self.run(image, valid)

    def describe(self) -> str:
        """Name, version and precision, on which the last bits of path logits depend."""
        return f"{self.name} {self.version} {self.precision}"


class Runner(Protocol):
    """Who runs a model's network, over windows of any size."""

    @property
    def loaded(self) -> ModelFile:
        """The model."""

    @property
    def sees_window(self) -> bool:
        """Whether layers other than BHCCM's gates pool over all of a window, however large it is."""

    def runtime_of(self, size: tuple[int, int], pixels: int, windows: Windows) -> Runtime:
        """Say who runs a scene.

        Args:
            size: (height, width) of every window in pixels.
            pixels: Of all windows together.
            windows: Gives some windows of the scene that hold data.

        Raises:
            OptionError: A library was asked for that is not installed, or cannot do what else is asked for.
        """

    def batch_size(self, asked: BatchSize, window: tuple[int, int]) -> int:
        """Windows of (height, width) px per forward pass: as asked for, or what the devices take."""


def cpu_batch_size(asked: BatchSize, window: tuple[int, int], devices: int = 1) -> int:
    """Windows of (height, width) px per forward pass on CPUs: at most :data:`CPU_BATCH_PIXELS` on each."""
    most = devices * max(1, CPU_BATCH_PIXELS // (window[0] * window[1]))
    return min(asked, most) if isinstance(asked, int) else most
