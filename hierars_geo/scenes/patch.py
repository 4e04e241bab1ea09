"""Patch: pixels and their validity, and how several patches of one window become one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..grid import Window

Pixels = NDArray[Any]
#: Channels one by one, each (H, W), wherever they lie.
Planes: TypeAlias = Sequence[Pixels]


@dataclass
class Patch:
    """What was read in a window.

    Attributes:
        data: (C, H, W), float32 of an image; of labels int32, (1, H, W) leaf index, or (N, H, W) class index
            per level with -100 where a level is not known. Of no meaning where not valid.
        valid: (H, W) bool, True where every channel holds data.
        files: Names of the files that it was read from.
    """

    data: Pixels
    valid: NDArray[np.bool_]
    files: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Pixels]:
        """Yield data and validity: ``image, valid = scene.read(window)``."""
        return iter((self.data, self.valid))

    @property
    def observed(self) -> NDArray[np.bool_]:
        """(H, W) bool, True where the image, or any date of a series, holds data."""
        return self.valid if self.valid.ndim == 2 else np.asarray(self.valid.any(axis=0))

    @classmethod
    def empty(cls, channels: int, window: Window, dtype: str) -> "Patch":
        """Return a patch without a valid pixel; its data are zeros."""
        shape = (window.height, window.width)
        return cls(np.zeros((channels, *shape), dtype=dtype), np.zeros(shape, dtype=np.bool_))

    def filled(self, value: float) -> Pixels:
        """Return the data with ``value`` where not valid (the data themselves where all of them are)."""
        if self.valid.all():
            return self.data
        valid = np.expand_dims(self.valid, -3)  # of every band
        if value == 0 and self.data.dtype == np.float32:
            # the bits of 0.0 are all 0: clearing them takes NaN along, in a quarter of the time of np.where
            bits = self.data.view(np.int32)
            np.bitwise_and(bits, -valid.astype(np.int32), out=bits)
            return self.data
        if not ((self.data != value) & ~valid).any():  # labels mostly hold it there already
            return self.data
        return np.where(valid, self.data, self.data.dtype.type(value))


def first_valid(patches: Iterable[Patch | None]) -> Patch | None:
    """Lay patches of one window over each other; at every pixel the first valid one counts.

    Args:
        patches: In order of precedence; None where a source has nothing. Not read any further once every
            pixel is valid.

    Returns:
        The merged patch, None where every patch was None.
    """
    merged: Patch | None = None
    for patch in patches:
        if patch is None:
            continue
        if merged is None:
            merged = patch
        else:
            take = patch.valid & ~merged.valid
            merged.data[:, take] = patch.data[:, take]
            merged.valid |= take
            merged.files += patch.files
        if merged.valid.all():
            break
    return merged


def stack_channels(patches: Iterable[Patch]) -> Patch:
    """Concatenate channels; a pixel is valid where it is in every patch.

    Images stand beside every date of a series (one at most), which keeps its days.
    """
    parts = list(patches)
    if len(parts) == 1:
        return parts[0]
    series = [part for part in parts if part.valid.ndim == 3]
    whole = series[0] if series else parts[0]
    valid = np.logical_and.reduce(np.broadcast_arrays(*(part.valid for part in parts)))
    files = tuple(file for part in parts for file in part.files)
    data = [np.broadcast_to(part.data, (*whole.data.shape[:-3], *part.data.shape[-3:])) for part in parts]
    return replace(whole, data=np.concatenate(data, axis=-3), valid=valid, files=files)


def in_halves(window: Window, read: Callable[[Window], Patch]) -> Patch:
    """Read a window as two halves across its longer side."""
    row, col, height, width = window.row, window.col, window.height, window.width
    if height >= width:
        cut, axis = height // 2, 0
        halves = Window(row, col, cut, width), Window(row + cut, col, height - cut, width)
    else:
        cut, axis = width // 2, 1
        halves = Window(row, col, height, cut), Window(row, col + cut, height, width - cut)
    one, other = map(read, halves)
    data = np.concatenate([one.data, other.data], axis=axis + 1)
    return Patch(data, np.concatenate([one.valid, other.valid], axis=axis))
