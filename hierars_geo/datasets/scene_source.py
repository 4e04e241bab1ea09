"""SceneSource: what every source of ours can do, on one lattice, by TorchGeo's queries."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from pyproj import CRS
from torchgeo.datasets import GeoDataset
from torchgeo.datasets.utils import GeoSlice

from ..errors import DataError
from ..grid import Window
from ..grid.lattice import Lattice
from ..scenes.outlines import Outlines
from ..scenes.patch import Patch
from ..scenes.resampling import Interpolation
from ..scenes.series import SeriesPatch
from ..taxonomy import LabelSets
from ..types import IGNORE_INDEX, Bounds
from .sample import SampleFiles, place


class OnLattice(abc.ABC):
    """What sources and their intersections share.

    TorchGeo keeps CRS and resolution in the index and prints when they are set; here they follow from the
    lattice, and setting one moves the data set to another lattice.

    Attributes:
        lattice: Pixels that queries are snapped to.
        index: TorchGeo's index.
    """

    lattice: Lattice
    index: Any

    @abc.abstractmethod
    def lattice_in(self, crs: CRS) -> Lattice:
        """Return the lattice nearest to the own one in a CRS."""

    @abc.abstractmethod
    def _move_to(self, lattice: Lattice) -> None:
        """Take a lattice and build the index on it."""

    @property
    def crs(self) -> CRS:
        """Coordinate reference system of queries and samples."""
        return self.lattice.crs

    @crs.setter
    def crs(self, new_crs: CRS) -> None:
        if new_crs != self.lattice.crs:
            self._move_to(self.lattice_in(new_crs))

    @property
    def res(self) -> tuple[float, float]:
        """(x, y) pixel size in units of the CRS."""
        return self.lattice.res

    @res.setter
    def res(self, new_res: float | tuple[float, float]) -> None:
        self._move_to(self.lattice.at_res(as_pair(new_res)))

    @property
    def bounds(self) -> tuple[slice, slice, slice]:
        """x, y and t of everything in the index, as slices whose step is the resolution."""
        return self._bounds

    def _index_changed(self) -> None:
        """Find the bounds of a new index once: TorchGeo's own property searches for them at every query."""
        left, bottom, right, top = (float(edge) for edge in self.index.total_bounds)
        times = self.index.index
        self._bounds = (
            slice(left, right, self.lattice.res[0]),
            slice(bottom, top, self.lattice.res[1]),
            slice(times.left.min(), times.right.max(), 1),
        )


def as_pair(res: float | tuple[float, float]) -> tuple[float, float]:
    """Return a resolution as (x, y)."""
    return (float(res), float(res)) if isinstance(res, (int, float)) else (float(res[0]), float(res[1]))


class QueryError(DataError, IndexError):
    """A query lies outside the data; an IndexError, as TorchGeo's samplers and unions expect it."""


@dataclass(frozen=True)
class Query:
    """Where and when to read.

    Attributes:
        lattice: Pixels to read on.
        window: Window of the lattice.
        interval: (first, last) nanosecond.
    """

    lattice: Lattice
    window: Window
    interval: tuple[int, int]

    @property
    def bounds(self) -> Bounds:
        """(left, bottom, right, top) of the window."""
        return self.lattice.bounds(self.window)


def resolve(query: GeoSlice, whole: tuple[slice, slice, slice], lattice: Lattice) -> Query:
    """Fill in what a query leaves open and snap it to the lattice.

    Args:
        query: ``[xmin:xmax:xres, ymin:ymax:yres, tmin:tmax]``, each part optional.
        whole: x, y and t of the whole data set.
        lattice: Lattice of the data set; another resolution in the query keeps its origin.

    Raises:
        QueryError: The query has no area.
    """
    given = query if isinstance(query, tuple) else (query,)
    x = _filled(given[0], whole[0])
    y = _filled(given[1], whole[1]) if len(given) > 1 else whole[1]
    t = _filled(given[2], whole[2]) if len(given) > 2 else whole[2]
    if not (x.stop > x.start and y.stop > y.start):
        raise QueryError(
            f"Expected a query with an area, but got x {x.start}..{x.stop}, y {y.start}..{y.stop}."
        )
    lattice = lattice.at_res((float(x.step), float(y.step)))
    window = lattice.window((float(x.start), float(y.start), float(x.stop), float(y.stop)))
    return Query(lattice, window, (nanoseconds(t.start), nanoseconds(t.stop)))


def _filled(part: slice, whole: slice) -> slice:
    return slice(
        whole.start if part.start is None else part.start,
        whole.stop if part.stop is None else part.stop,
        whole.step if part.step is None else part.step,
    )


@lru_cache(maxsize=1024)
def nanoseconds(moment: datetime | pd.Timestamp) -> int:
    """Turn a moment into nanoseconds since 1970."""
    return int(pd.Timestamp(moment).as_unit("ns").value)


class SceneSource(OnLattice, GeoDataset):
    """A TorchGeo data set of images, or of labels, that can be read on any lattice.

    Attributes:
        name: What the source is called in an intersection: the sensor's name, the class's otherwise.
        resampling: How image pixels are interpolated on a finer or shifted grid.
        bands: Names of the channels; empty for labels.
        is_image: True for images, False for labels.
        label_sets: Sets of legal paths that labels may say; None for images, and for labels of leaves alone.
        label_weights: Weights that labels may have. What is read of labels is a number of ``label_sets``,
            plus the number of the weight times their count.
        is_series: True for images whose samples hold several dates.
        has_dates: True for labels that hold for scenes of some dates alone.
        lattice: Pixels that queries are snapped to.
        index: TorchGeo's index: one row per scene, with its outline and date.
    """

    name: str
    resampling: Interpolation = "bilinear"
    bands: Sequence[str]
    is_image: bool
    is_series: bool = False
    label_sets: LabelSets | None = None
    label_weights: tuple[float, ...] = (1.0,)
    has_dates: bool = False
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
    def outlines(self, crs: CRS, around: float | None = None) -> Outlines:
        """Return where and when the scenes lie, in a CRS, with ground ``around`` points, in its units."""

    def empty(self, window: Window) -> Patch:
        """Return what a window without a scene holds: no valid pixel."""
        return Patch.empty(len(self.bands), window, "float32")

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
            ``image`` (C, H, W) float32 as stored, 0 where not valid (of a series with a date before each, see
            :class:`SceneSeries`), or ``mask`` (H, W) int64 leaf index,
            -100 without a label (where some are no leaves, ``label_set`` (H, W) int64 besides, a row of
            ``label_table`` (S, T) bool, the legal paths that the label allows for, and of ``label_weight``
            (S,) float32 where weights differ); ``valid`` (H, W) bool; ``bounds`` (left, bottom, right, top)
            as read; ``crs``.

        Raises:
            QueryError: No scene lies there (an IndexError).
        """
        where = resolve(query, self.bounds, self.lattice)
        patch = self.read(where.lattice, where.window, where.interval)
        if patch is None:
            raise outside(where, self)
        sample = to_sample(patch, self) | place(where.bounds, self.lattice.wkt)
        return sample if self.transforms is None else dict(self.transforms(sample))

    def _move_to(self, lattice: Lattice) -> None:
        """Take a lattice and build the index on it."""
        self.lattice = lattice
        self.index = self._frame(lattice.crs)
        self._index_changed()

    @abc.abstractmethod
    def _frame(self, crs: CRS) -> Any:  # noqa: ANN401
        """Build TorchGeo's index in a CRS."""


def to_sample(patch: Patch, labels: SceneSource | None = None) -> dict[str, Any]:
    """Turn a patch into the tensors of a sample: of an image, unless the source is one of labels."""
    common = {
        "valid": torch.from_numpy(patch.valid),
        "files": SampleFiles(", ".join(dict.fromkeys(patch.files))),
    }
    if labels is None or labels.is_image:
        days = patch.days if isinstance(patch, SeriesPatch) else ()
        when = {
            "doy": torch.tensor([day.timetuple().tm_yday for day in days]),
            "year": torch.tensor([day.year for day in days]),
        }
        image = torch.from_numpy(np.ascontiguousarray(patch.filled(0)))
        return {"image": image} | common | (when if days else {})
    return to_masks(patch, labels) | common


def to_masks(patch: Patch, labels: SceneSource) -> dict[str, torch.Tensor]:
    """Turn what was read of labels into ``mask``, and of no leaves ``label_set`` with its table."""
    number = patch.filled(IGNORE_INDEX)[0].astype(np.int64)
    sets, weights = labels.label_sets, labels.label_weights
    if sets is None:
        return {"mask": torch.from_numpy(number)}
    leaves = np.append(np.tile(sets.leaves, len(weights)), IGNORE_INDEX)
    masks = {
        "mask": leaves[np.maximum(number, -1)],
        "label_set": number,
        "label_table": np.tile(sets.table, (len(weights), 1)),
    }
    if weights != (1.0,):
        masks["label_weight"] = np.repeat(np.array(weights, dtype=np.float32), len(sets))
    return {name: torch.from_numpy(array) for name, array in masks.items()}


def outside(query: Query, dataset: GeoDataset) -> QueryError:
    """Return the error for a query that meets no scene."""
    x, y, _ = dataset.bounds
    return QueryError(
        f"Expected a query within x {x.start}..{x.stop}, y {y.start}..{y.stop} and the dates of the scenes, "
        f"but got {query.bounds}: no scene lies there."
    )
