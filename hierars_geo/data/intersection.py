"""SceneIntersection: images and labels of the same ground, on the image's pixels."""

import copy
from collections.abc import Callable
from typing import Any, Union

import numpy as np
import shapely
import torch
from geopandas.geodataframe import GeoDataFrame
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry
from torchgeo.datasets import GeoDataset, IntersectionDataset
from torchgeo.datasets.utils import GeoSlice

from ..errors import DataError
from ..taxonomy import Taxonomy
from .lattice import Lattice
from .outlines import Outlines
from .overlay import overlay
from .patch import Patch, stack_channels
from .plot import figure_of
from .queries import Query, resolve
from .region_mask import RegionMask
from .reprojection import move
from .scene_source import SceneSource, as_pair, outside, to_masks, to_sample, whole_bounds

Operand = Union[SceneSource, "SceneIntersection"]


class SceneIntersection(IntersectionDataset):
    """Images and labels of the same ground, read on the lattice of the first image.

    Labels never impose their grid, so ``image & labels`` equals ``labels & image``; of several images the
    first gives the lattice, and their channels are concatenated. The operands are not changed.

    Args:
        dataset1: Images, labels, or an intersection of them.
        dataset2: The other.
        spatial_only: True pairs scenes whatever their dates (labels usually have none); the date of a query
            then chooses among scenes of the first image only. False asks for common dates.
        transforms: Applied to every sample.

    Raises:
        DataError: There is no image, there are several label sources, or no common ground.
    """

    def __init__(
        self,
        dataset1: Operand,
        dataset2: Operand,
        spatial_only: bool = True,
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        self.datasets = [dataset1, dataset2]
        self.spatial_only = spatial_only
        self.transforms = transforms
        sources = [*_sources(dataset1), *_sources(dataset2)]
        self.images = tuple(source for source in sources if source.is_image)
        labels = [source for source in sources if not source.is_image]
        if not self.images or len(labels) > 1:
            raise DataError(
                f"Expected images and at most one source of labels, but got {len(self.images)} of images and "
                f"{len(labels)} of labels. Unite labels with | first."
            )
        self.labels = labels[0] if labels else None
        self.bands = tuple(band for image in self.images for band in image.bands)
        self._region = _common_region(dataset1, dataset2, self.images[0].crs)
        self._move_to(self.images[0].lattice)

    def __getitem__(self, query: GeoSlice) -> dict[str, Any]:
        """Read a sample.

        Args:
            query: ``[xmin:xmax:xres, ymin:ymax:yres, tmin:tmax]``, snapped to the lattice.

        Returns:
            ``image`` (C, H, W) float32, 0 where not valid; ``valid`` (H, W) bool, True where every image
            holds data; ``mask`` (H, W) int64, leaf index, -100 where there is no label or no image (absent
            without labels); ``level_masks`` (N, H, W) where labels have levels; ``bounds`` (left, bottom,
            right, top) as read; ``crs``.

        Raises:
            QueryError: No scene of the first image lies there (an IndexError).
        """
        where = resolve(query, self.bounds, self.lattice)
        patch = self._read_images(where)
        if self._region is not None:
            inside = self._region.mask(where.lattice, where.window)
            patch.valid &= True if inside is None else inside
        sample = to_sample(patch, is_image=True) | {"bounds": where.bounds, "crs": self.crs}
        if self.labels is not None:
            sample |= self._read_masks(self.labels, where, patch.valid)
        return sample if self.transforms is None else dict(self.transforms(sample))

    def _read_images(self, where: Query) -> Patch:
        first = self.images[0].read(where.lattice, where.window, where.interval)
        if first is None:
            raise outside(where, self)
        patches = [first]
        for image in self.images[1:]:
            patch = image.read(where.lattice, where.window, self._interval(where))
            patches.append(patch or Patch.empty(len(image.bands), where.window, "float32"))
        return stack_channels(patches)

    def _read_masks(
        self, labels: SceneSource, where: Query, valid: NDArray[np.bool_]
    ) -> dict[str, torch.Tensor]:
        patch = labels.read(where.lattice, where.window, self._interval(where))
        if patch is None:
            levels = self.taxonomy.num_levels if labels.has_levels and self.taxonomy is not None else 1
            patch = Patch.empty(levels, where.window, "int32")
        patch.valid &= valid
        return to_masks(patch)

    def _interval(self, where: Query) -> tuple[int, int] | None:
        return None if self.spatial_only else where.interval

    def within(self, region: BaseGeometry) -> "SceneIntersection":
        """Return the part inside a region; pixels whose centre lies outside hold no data and no label.

        Args:
            region: Polygons in the CRS of this data set.

        Raises:
            DataError: Nothing lies inside.
        """
        part = copy.copy(self)
        outer = None if self._region is None else self._region.polygons
        part._region = RegionMask(region if outer is None else shapely.intersection(outer, region))
        part._move_to(self.lattice)
        return part

    @property
    def region(self) -> BaseGeometry | None:
        """Polygons that samples are confined to, None where they are not."""
        return None if self._region is None else self._region.polygons

    @property
    def taxonomy(self) -> Taxonomy | None:
        """Class tree of the labels, None without labels."""
        return getattr(self.labels, "taxonomy", None)

    @property
    def crs(self) -> CRS:
        """Coordinate reference system of queries and samples."""
        return self.lattice.crs

    @crs.setter
    def crs(self, new_crs: CRS) -> None:
        if new_crs != self.lattice.crs:
            if self._region is not None:
                self._region = RegionMask(move(self._region.polygons, self.lattice.crs, new_crs))
            self._move_to(self.images[0].lattice_in(new_crs))

    @property
    def res(self) -> tuple[float, float]:
        """(x, y) pixel size in units of the CRS."""
        return self.lattice.res

    @res.setter
    def res(self, new_res: float | tuple[float, float]) -> None:
        self._move_to(self.lattice.at_res(as_pair(new_res)))

    @property
    def bounds(self) -> tuple[slice, slice, slice]:
        """x, y and t of the common ground, as slices whose step is the resolution."""
        return self._bounds

    def _move_to(self, lattice: Lattice) -> None:
        self.lattice = lattice
        self.index = self._frame(lattice)
        self._bounds = whole_bounds(self.index, lattice.res)

    def _frame(self, lattice: Lattice) -> GeoDataFrame:
        sources = [*self.images, *([] if self.labels is None else [self.labels])]
        outlines = [source.outlines(lattice.crs) for source in sources]
        region = None if self._region is None else self._region.polygons
        pixel_area = lattice.res[0] * lattice.res[1]
        rows = overlay(outlines, region, self.spatial_only, smallest_area=pixel_area / 2)
        if not rows.first:
            raise DataError(_no_overlap(sources, region))
        paths = list(self.images[0].index["filepath"])
        return Outlines.of(rows.polygons, rows.intervals).frame(
            lattice.crs, {"filepath": [paths[i] for i in rows.first]}
        )

    def close(self) -> None:
        """Close the files that this process holds open; reading opens them again."""
        for source in (*self.images, *([] if self.labels is None else [self.labels])):
            source.close()

    def __and__(self, other: GeoDataset) -> IntersectionDataset:
        """Add another source."""
        if isinstance(other, (SceneSource, SceneIntersection)):
            return SceneIntersection(self, other, self.spatial_only)
        return IntersectionDataset(self, other)

    def plot(self, sample: dict[str, Any], suptitle: str | None = None) -> Figure:
        """Draw a sample: the true-colour image and the labels with their legend."""
        return figure_of(sample, self.bands, self.taxonomy, suptitle)


def _sources(dataset: Operand) -> list[SceneSource]:
    if isinstance(dataset, SceneIntersection):
        return [*dataset.images, *([] if dataset.labels is None else [dataset.labels])]
    if isinstance(dataset, SceneSource):
        return [dataset]
    raise DataError(
        f"Expected sources of hierars_geo.data, but got {type(dataset).__name__}. Use torchgeo's "
        "IntersectionDataset."
    )


def _common_region(dataset1: Operand, dataset2: Operand, crs: CRS) -> RegionMask | None:
    region = None
    for dataset in (dataset1, dataset2):
        theirs = dataset.region if isinstance(dataset, SceneIntersection) else None
        if theirs is not None:
            moved = move(theirs, dataset.crs, crs)
            region = moved if region is None else shapely.intersection(region, moved)
    return None if region is None else RegionMask(region)


def _no_overlap(sources: list[SceneSource], region: BaseGeometry | None) -> str:
    found = []
    for source in sources:
        x, y, t = source.bounds
        dates = "" if t.start.year < 1700 else f", {t.start:%Y-%m-%d}..{t.stop:%Y-%m-%d}"
        extent = f"x {x.start:.10g}..{x.stop:.10g}, y {y.start:.10g}..{y.stop:.10g}"
        files = sorted(set(source.index["filepath"]))
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        name = f"{type(source).__name__} ({files[0]}{more})"
        found.append(f"{name} {extent} in {source.crs.to_string()[:60]}{dates}")
    if region is not None:
        found.append(f"the region {tuple(float(f'{edge:.10g}') for edge in region.bounds)}")
    return f"Expected sources with common ground, but got {'; '.join(found)}. Check the files and their CRS."


__all__ = ("SceneIntersection",)
