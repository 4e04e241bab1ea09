"""SceneUnion: several sources of one kind as one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from geopandas.geodataframe import GeoDataFrame
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyproj import CRS
from torchgeo.datasets import GeoDataset, IntersectionDataset, UnionDataset

from ..errors import DataError
from ..grid import Window
from ..grid.lattice import Lattice
from ..scenes.outlines import Outlines
from ..scenes.patch import Patch, first_valid
from ..taxonomy import LabelSets, Taxonomy
from .intersection import SceneIntersection
from .scene_source import SceneSource


class SceneUnion(SceneSource, UnionDataset):
    """Sources of one kind as one; where they overlap, the first operand's valid pixels count.

    Everything is read on the lattice of the first operand. The operands are not changed.

    Args:
        dataset1: Images or labels.
        dataset2: The same kind, with the same bands or the same class tree.
        transforms: Applied to every sample.

    Raises:
        DataError: The two are not of one kind.
    """

    def __init__(
        self,
        dataset1: SceneSource,
        dataset2: SceneSource,
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        kinds = [(d.is_image, tuple(d.bands), getattr(d, "taxonomy", None)) for d in (dataset1, dataset2)]
        if kinds[0] != kinds[1]:
            found = " and ".join(_describe(*kind) for kind in kinds)
            raise DataError(
                f"Expected sources of one kind to unite, but got {found}. Use & for images and labels."
            )
        self.datasets = [dataset1, dataset2]
        self.sources: tuple[SceneSource, ...] = (dataset1, dataset2)
        self.is_image, self.bands, _ = kinds[0]
        self._join_labels()
        self.transforms = transforms
        self.name = dataset1.name
        self._move_to(dataset1.lattice)

    @property
    def taxonomy(self) -> Taxonomy | None:
        """Class tree of labels, None for images."""
        return getattr(self.sources[0], "taxonomy", None)

    def _join_labels(self) -> None:
        """Find a table for the labels of all sources, and what the numbers of each are in it."""
        self._numbers: list[NDArray[np.int32] | None] = [None] * len(self.sources)
        tree = self.taxonomy
        if tree is None or all(source.label_sets is None for source in self.sources):
            return
        tables = [LabelSets(tree) if one.label_sets is None else one.label_sets for one in self.sources]
        self.label_sets = joined = tables[0].joined([row for table in tables[1:] for row in table.table])
        self._numbers = [joined.translation(table).astype(np.int32) for table in tables]

    def _read_labels(self, number: int, patch: Patch | None) -> Patch | None:
        """Write what one source read in the numbers of all."""
        numbers = self._numbers[number]
        if patch is not None and numbers is not None:
            patch.data = numbers.take(patch.data, mode="clip")
        return patch

    def read(self, lattice: Lattice, window: Window, interval: tuple[int, int] | None) -> Patch | None:
        """Read a window of any lattice; the first operand's valid pixels count."""
        return first_valid(
            self._read_labels(number, source.read(lattice, window, interval))
            for number, source in enumerate(self.sources)
        )

    def outlines(self, crs: CRS, around: float | None = None) -> Outlines:
        """Return where and when the scenes lie, in a CRS."""
        parts = [source.outlines(crs, around) for source in self.sources]
        return Outlines.of(
            [polygon for part in parts for polygon in part.polygons],
            [(int(first), int(last)) for part in parts for first, last in part.intervals],
        )

    def lattice_in(self, crs: CRS) -> Lattice:
        """Return the lattice nearest to that of the first scene, in a CRS."""
        return self.sources[0].lattice_in(crs)

    def _frame(self, crs: CRS) -> GeoDataFrame:
        paths = pd.concat([source.index["filepath"] for source in self.sources])
        return self.outlines(crs).frame(crs, {"filepath": list(paths)})

    def close(self) -> None:
        """Close the files that this process holds open; reading opens them again."""
        for source in self.sources:
            source.close()

    def __and__(self, other: GeoDataset) -> IntersectionDataset:
        """Intersect with another source (see :class:`SceneIntersection`)."""
        if isinstance(other, (SceneSource, SceneIntersection)):
            return SceneIntersection(self, other)
        return IntersectionDataset(self, other)

    def __or__(self, other: GeoDataset) -> UnionDataset:
        """Unite with another source of the same kind."""
        return SceneUnion(self, other) if isinstance(other, SceneSource) else UnionDataset(self, other)

    def plot(self, sample: dict[str, Any], suptitle: str | None = None) -> Figure:
        """Draw a sample as a matplotlib figure."""
        figure: Figure = self.sources[0].plot(sample, suptitle)
        return figure


def _describe(is_image: bool, bands: tuple[str, ...], taxonomy: Taxonomy | None) -> str:
    if is_image:
        return f"images with bands {', '.join(bands)}"
    return f"labels of taxonomy {taxonomy.name if taxonomy else 'none'}"


__all__ = ("SceneUnion",)
