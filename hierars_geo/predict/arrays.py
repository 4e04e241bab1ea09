"""Predict arrays in memory with any model: the same windows, blending and decoding as for files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from torch import Tensor, nn

from ..errors import OptionError
from ..grid import GeoGrid, Window
from ..models.decode import jsps, path_logits
from ..models.namespace import on_host
from ..types import IGNORE_INDEX, Blend
from .augment import averaged_over_views
from .network.batching import BatchFallback
from .network.torch_session import runtime_of_tensors
from .options import Augmentation
from .stream import stream_blocks
from .window_plan import WindowPlan

#: Maps (B, C, h, w) float32 to logits: (B, K, h, w), or one (B, C_l, h, w) per level, coarsest first.
ArrayModel: TypeAlias = Callable[[Tensor], Tensor | Sequence[Tensor]]

#: Pixels that lie nowhere on Earth.
_NOWHERE = CRS.from_wkt('LOCAL_CS["pixels of an array",UNIT["pixel",1]]')


@dataclass(frozen=True)
class ArrayPrediction:
    """What was predicted for an array.

    Attributes:
        path_logits: (T, H, W) float32; 0 where not valid. Of a flat model T is its number of classes.
        classes: (N, H, W) int64, class index per level, -100 where not valid; N is 1 for a flat model.
        valid: (H, W) bool.
    """

    path_logits: Tensor
    classes: Tensor
    valid: Tensor


class ArraySource:
    """An image in memory as something that is read by windows.

    Args:
        image: (C, H, W), any number type.
        valid: (H, W) bool, where it holds data; None for where no band is NaN.

    Raises:
        OptionError: The shapes do not fit each other.
    """

    def __init__(
        self, image: NDArray[np.generic] | Tensor, valid: NDArray[np.bool_] | Tensor | None = None
    ) -> None:
        array = np.asarray(image)
        if array.ndim != 3 or 0 in array.shape:
            raise OptionError(f"Expected image to be of shape (C, H, W), but got {array.shape}.")
        self._image = array
        self._valid = np.asarray(valid) if valid is not None else ~np.isnan(array).any(axis=0)
        if self._valid.shape != array.shape[1:] or self._valid.dtype != np.bool_:
            raise OptionError(
                f"Expected valid to be bool of shape {array.shape[1:]}, "
                f"but got {self._valid.dtype} of shape {self._valid.shape}."
            )
        self.grid = GeoGrid(_NOWHERE, Affine.identity(), (array.shape[1], array.shape[2]))

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read image (C, h, w), 0 where not valid, and validity (h, w) of a window inside the array."""
        rows, cols = window.slices()
        valid = self._valid[rows, cols]
        image = self._image[:, rows, cols].astype(np.float32)
        image[:, ~valid] = 0
        return image, valid


def iter_windows(shape: tuple[int, int], window_px: int, overlap: float = 0.25) -> Iterator[Window]:
    """Yield the windows that a prediction of a raster of this size uses, in the order it uses them.

    Args:
        shape: (height, width) of the raster.
        window_px: Side of a window; the raster's side where that is shorter.
        overlap: Share of the window that neighbours share, 0 <= overlap < 1.

    Yields:
        Windows inside the raster; every pixel is in at least one.

    Raises:
        OptionError: An argument is out of range.

    Examples:
        >>> [(window.row, window.col) for window in iter_windows((4, 10), 4, 0.25)]
        [(0, 0), (0, 3), (0, 6)]
    """
    yield from WindowPlan.of(shape, window_px, overlap).windows


def predict_array(
    model: ArrayModel,
    image: NDArray[np.generic] | Tensor,
    *,
    paths: NDArray[np.int64] | Tensor | None = None,
    num_classes: int | None = None,
    valid: NDArray[np.bool_] | Tensor | None = None,
    window: int = 512,
    overlap: float = 0.25,
    blend: Blend = "hann",
    batch_size: int = 4,
    tta: Sequence[Augmentation] = (),
    device: torch.device | str = "cpu",
) -> ArrayPrediction:
    """Predict an image in memory with any segmentation model, by overlapping windows.

    The model gets windows as they are: normalising is its own business. Where ``valid`` is False it sees 0,
    and windows without a valid pixel are not run. A module is put into eval mode for the time.

    Args:
        model: Maps (B, C, h, w) float32 on ``device`` to the logits of a flat model (B, K, h, w), or to a
            sequence of logits per level.
        image: (C, H, W), any number type.
        paths: (T, N) int64, the legal paths of a class tree; for models with one level it is
            ``num_classes`` that counts.
        num_classes: K of a flat model; give this or ``paths``.
        valid: (H, W) bool; None for where no band is NaN.
        window: Side of a window in pixels.
        overlap: Share of the window that neighbours share, 0 <= overlap < 1.
        blend: How overlapping windows are blended.
        batch_size: Windows per forward pass; halved where memory runs out.
        tta: Views to average over: any of ``flips``, ``turns``, ``scales``.
        device: Where the model is.

    Returns:
        Path logits, classes and validity on the CPU.

    Raises:
        OptionError: An argument is out of range, or the model returns something else than it should.

    Examples:
        >>> model = torch.nn.Conv2d(2, 5, 3, padding=1)
        >>> result = predict_array(model, np.zeros((2, 70, 50), np.uint8), num_classes=5, window=32)
        >>> result.path_logits.shape, result.classes.shape
        (torch.Size([5, 70, 50]), torch.Size([1, 70, 50]))
    """
    table = _path_table(paths, num_classes)
    source = ArraySource(image, valid)
    plan = WindowPlan.of(source.grid.shape, window, overlap, blend)
    run = BatchFallback(averaged_over_views(_to_paths(model, table), tta))
    runtime = runtime_of_tensors(run, len(table), torch.device(device))
    was_training = isinstance(model, nn.Module) and model.training
    if isinstance(model, nn.Module):
        model.eval()
    logits = torch.empty(len(table), *source.grid.shape)
    inside = torch.empty(source.grid.shape, dtype=torch.bool)
    try:
        for block in stream_blocks(source, runtime, plan, batch_size):
            rows, cols = block.window.slices()
            logits[:, rows, cols] = torch.from_numpy(on_host(block.path_logits))
            inside[rows, cols] = torch.from_numpy(on_host(block.valid))
    finally:
        if isinstance(model, nn.Module):
            model.train(was_training)
    classes = jsps(logits.unsqueeze(0), table)[0].masked_fill(~inside, IGNORE_INDEX)
    return ArrayPrediction(logits, classes, inside)


def _path_table(paths: NDArray[np.int64] | Tensor | None, num_classes: int | None) -> Tensor:
    if (paths is None) == (num_classes is None):
        raise OptionError(
            "Expected paths or num_classes, but got both or none. Give num_classes of a flat model."
        )
    table = torch.arange(num_classes or 0)[:, None] if paths is None else torch.as_tensor(np.array(paths))
    if table.ndim != 2 or len(table) == 0 or table.dtype != torch.int64:
        raise OptionError(
            f"Expected paths to be int64 of shape (T, N) with T >= 1, but got {table.dtype} of shape "
            f"{tuple(table.shape)}."
        )
    return table


def _to_paths(model: ArrayModel, table: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    def run(image: Tensor, valid: Tensor) -> Tensor:
        result = model(image)
        levels = [result] if isinstance(result, Tensor) else list(result)
        _check_logits(levels, image, table)
        return path_logits([level.float() for level in levels], table)

    return run


def _check_logits(levels: Sequence[Tensor], image: Tensor, table: Tensor) -> None:
    """Refuse logits of other sizes or classes than the windows and the tree have."""
    shapes = [tuple(level.shape) for level in levels]
    height, width = image.shape[-2:]
    if not levels or any((shape[0], *shape[2:]) != (len(image), height, width) for shape in shapes):
        raise OptionError(
            f"Expected the model to return logits of {len(image)} windows of {height} x {width} px, but got "
            f"{shapes}. Resize them to the input inside the model."
        )
    got = [shape[1] for shape in shapes]
    wanted = [int(column.max()) + 1 for column in table[:, -len(levels) :].unbind(dim=1)]
    if len(wanted) != len(got) or any(g < w for g, w in zip(got, wanted, strict=True)):
        raise OptionError(
            f"Expected the model to return {wanted} classes, but got {got}. Give the paths or the number of "
            "classes of this model."
        )
