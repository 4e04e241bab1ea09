"""SceneSource: what every source of ours can do, so that sources combine on one lattice."""

import abc
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pyproj import CRS
from torchgeo.datasets import GeoDataset
from torchgeo.datasets.utils import GeoSlice

from ..grid import Window
from ..grid.lattice import Lattice
from ..scenes.outlines import Outlines
from ..scenes.patch import Patch
from ..scenes.resampling import Interpolation
from ..types import IGNORE_INDEX
from .on_lattice import OnLattice
from .queries import Query, QueryError, resolve
from .sample import SampleFiles, place


class SceneSource(OnLattice, GeoDataset):
    """A TorchGeo data set of images, or of labels, that can be read on any lattice.

    Attributes:
        name: What the source is called in an intersection: the sensor's name, the class's otherwise.
        resampling: How image pixels are interpolated on a finer or shifted grid.
        bands: Names of the channels; empty for labels.
        is_image: True for images, False for labels.
        has_levels: True for labels of which some are known at coarse levels only; they are read as one class
            per level.
        lattice: Pixels that queries are snapped to.
        index: TorchGeo's index: one row per scene, with its outline and date.
    """

    name: str
    resampling: Interpolation = "bilinear"
    bands: Sequence[str]
    is_image: bool
    has_levels: bool = False
    transforms: Any = None

    @abc.abstractmethod
    def read(self, lattice: Lattice, window: Window, interval: tuple[int, int] | None) -> Patch | None:
        """Read a window of any lattice.

        Args:
            lattice: Pixels to read on, in any CRS and resolution.
            window: Window of the lattice.
            interval: (first, last) nanosecond; None for any time.

        Returns:
            (C, h, w) pixels and their validity; None where no scene lies there and then.
        """

    @abc.abstractmethod
    def outlines(self, crs: CRS) -> Outlines:
        """Return where and when the scenes lie, in a CRS."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the files that this process holds open; reading opens them again."""

    @abc.abstractmethod
    def plot(self, sample: dict[str, Any], suptitle: str | None = None) -> Any:  # noqa: ANN401
        """Draw a sample as a matplotlib figure."""

    def __getitem__(self, query: GeoSlice) -> dict[str, Any]:
        """Read a sample.

        Args:
            query: ``[xmin:xmax:xres, ymin:ymax:yres, tmin:tmax]``, snapped to the lattice.

        Returns:
            ``image`` (C, H, W) float32 as stored, 0 where not valid, or ``mask`` (H, W) int64 leaf index,
            -100 without a label (``level_masks`` (N, H, W) int64 class index per level besides, with
            ``has_levels``); ``valid`` (H, W) bool; ``bounds`` (left, bottom, right, top) as read; ``crs``.

        Raises:
            QueryError: No scene lies there (an IndexError).
        """
        where = resolve(query, self.bounds, self.lattice)
        patch = self.read(where.lattice, where.window, where.interval)
        if patch is None:
            raise outside(where, self)
        sample = to_sample(patch, self.is_image) | place(where.bounds, self.lattice.wkt)
        return sample if self.transforms is None else dict(self.transforms(sample))

    def _move_to(self, lattice: Lattice) -> None:
        """Take a lattice and build the index on it."""
        self.lattice = lattice
        self.index = self._frame(lattice.crs)
        self._index_changed()

    @abc.abstractmethod
    def _frame(self, crs: CRS) -> Any:  # noqa: ANN401
        """Build TorchGeo's index in a CRS."""


def to_sample(patch: Patch, is_image: bool) -> dict[str, Any]:
    """Turn a patch into the tensors of a sample."""
    common = {
        "valid": torch.from_numpy(patch.valid),
        "files": SampleFiles(", ".join(dict.fromkeys(patch.files))),
    }
    if is_image:
        return {"image": torch.from_numpy(np.ascontiguousarray(patch.filled(0)))} | common
    return to_masks(patch) | common


def to_masks(patch: Patch) -> dict[str, torch.Tensor]:
    """Turn labels into ``mask`` (H, W) of leaves, and ``level_masks`` (N, H, W) where levels were read."""
    classes = torch.from_numpy(patch.filled(IGNORE_INDEX).astype(np.int64))
    return {"mask": classes[-1]} | ({"level_masks": classes} if len(classes) > 1 else {})


def outside(query: Query, dataset: GeoDataset) -> QueryError:
    """Return the error for a query that meets no scene."""
    x, y, _ = dataset.bounds
    return QueryError(
        f"Expected a query within x {x.start}..{x.stop}, y {y.start}..{y.stop} and the dates of the scenes, "
        f"but got {query.bounds}: no scene lies there."
    )


__all__ = ("SceneSource", "outside", "to_masks", "to_sample")
