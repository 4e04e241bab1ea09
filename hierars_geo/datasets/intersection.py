"""SceneIntersection: images and labels of the same ground, on one grid or each on its own."""

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

from ..errors import DataError, OptionError, notice
from ..grid import Window
from ..grid.lattice import Lattice
from ..grid.reprojection import move
from ..scenes.outlines import Outlines
from ..scenes.patch import Patch, stack_channels
from ..scenes.regions import RegionMask
from ..taxonomy import Taxonomy
from .pairing import (
    Dates,
    Pairing,
    Time,
    TimePolicy,
    date_notes,
    no_overlap,
    overlay,
    usual_policy,
    valid_share,
)
from .sample import SampleFiles, figure_of, place, sensor_of
from .scene_source import OnLattice, Query, SceneSource, outside, resolve, to_masks, to_sample
from .target_grid import GridChoice, SharedGround, band_names, choose, in_order, names_of, own_lattice

Operand = Union[SceneSource, "SceneIntersection"]


class SceneIntersection(OnLattice, IntersectionDataset):
    """Images and labels of the same ground.

    Images are ordered from the finest pixels to the coarsest, whatever the order of the operands, and the
    finest gives the grid; so ``a & b & labels`` equals ``labels & b & a``. Labels never impose their grid.
    The operands are not changed; an option that is not given is taken from an operand that has it.

    Args:
        dataset1: Images, labels, or an intersection of them.
        dataset2: The other.
        grid: Whose pixels samples have: one of the images, its name (:attr:`names`), or (CRS, pixel size).
            The named image also leads: its scenes and dates are those that others are combined with.
        time: ``ignore`` combines scenes whatever their dates, and the date of a query chooses among scenes of
            the leading image only; ``within`` combines each pair at most ``days`` apart; ``nearest`` each
            scene of the leading image with the nearest date of every other source. Default: ``nearest`` where
            several sources carry dates, with a notice of images that meet labels of another date and of label
            files that are never read; else ``ignore``.
        days: See ``time``; 0 is the same day.
        stack: True concatenates the channels of all images on one grid; False gives a tensor for each image,
            at its own pixel size over the same ground.
        min_valid: Ground is offered scene by scene, where at least this share of its pixels holds data
            (estimated from up to 64 small windows).
        transforms: Applied to every sample.
        around_px: Pixels of ground on all sides of labels that are points or lines: at least the side of a
            chip, so that chips there are whole.

    Attributes:
        images: The images in order.
        names: A name for each, from its sensor.
        leader: The name of the one whose scenes and dates others are combined with.
        bands: Names of the stacked channels: ``NAME:BAND`` where there are several images.
        labels: The labels, None without.
        is_series: Whether samples hold several dates.
        index: One row for each piece of common ground and combination of dates.

    Raises:
        DataError: There is no image, there are several label sources or several series, or no common ground.
        OptionError: Options are out of range or contradict those of an operand.
    """

    def __init__(
        self,
        dataset1: Operand,
        dataset2: Operand,
        grid: GridChoice | None = None,
        time: Time | None = None,
        days: float | None = None,
        stack: bool | None = None,
        min_valid: float | None = None,
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        around_px: int = 64,
    ) -> None:
        self.datasets = [dataset1, dataset2]
        self.around_px = around_px
        self.transforms = transforms
        sources = [*_sources(dataset1), *_sources(dataset2)]
        self.images = in_order([source for source in sources if source.is_image])
        labels = [source for source in sources if not source.is_image]
        if not self.images or len(labels) > 1:
            raise DataError(
                f"Expected images and at most one source of labels, but got {len(self.images)} of images and "
                f"{len(labels)} of labels. Unite labels with | first."
            )
        self.labels = labels[0] if labels else None
        self.is_series = any(image.is_series for image in self.images)
        self.names = names_of(self.images)
        self.bands = band_names(self.images, self.names)
        operands = [operand for operand in self.datasets if isinstance(operand, SceneIntersection)]
        self.pairing: Pairing = Pairing.of(
            None if time is None and days is None else TimePolicy(time or "within", days),
            grid,
            stack,
            min_valid,
            [operand.pairing for operand in operands],
        )
        self._check_series()
        self._leader, lattice = choose(self.pairing.grid, self.images, self.names)
        self.leader = self.names[self._leader]
        self._region = _common_region(operands, lattice.crs)
        self.policy = self.pairing.policy or usual_policy(
            [s.outlines(lattice.crs, self.around_px * max(lattice.res)) for s in self._sources()]
        )
        self._move_to(lattice)
        if self.labels is not None and self.pairing.policy is None:
            self._tell_dates(self.labels)

    def _check_series(self) -> None:
        """Refuse what a sample with dates cannot hold."""
        series = [name for name, image in zip(self.names, self.images, strict=True) if image.is_series]
        if len(series) > 1:
            raise DataError(
                f"Expected one source with a series of dates, but got {', '.join(series)}, of other dates. "
                "Keep series for one of them; images of the others stand beside each of its dates."
            )
        if series and not self.pairing.stack:
            raise OptionError(f"Expected stack=True with the series of {series[0]}, but got stack=False.")

    def __getitem__(self, query: GeoSlice) -> dict[str, Any]:
        """Read a sample.

        Args:
            query: ``[xmin:xmax:xres, ymin:ymax:yres, tmin:tmax]``, snapped to the grid (with ``stack=False``,
                to a corner that the grids of all images share, where there is one).

        Returns:
            ``image`` (C, H, W) float32, 0 where not valid; ``valid`` (H, W) bool, True where every image
            holds data; ``mask`` (H, W) int64, leaf index, -100 where there is no label or no image (absent
            without labels); ``label_set``, ``label_table`` and ``label_weight`` where labels are no leaves,
            as of :class:`SceneSource`; ``bounds`` (left, bottom, right, top) as read; ``crs``; ``files``, the
            names of the images read, in one text. Of a series ``image`` is (D, C, H, W), ``valid``
            (D, H, W), and ``doy`` and ``year`` (D,) tell the dates; images of other sources stand beside each
            of them. With
            ``stack=False``, instead of ``image``: ``image_NAME`` (C, h, w) and ``valid_NAME`` (h, w) of each
            image at its own pixel size.

        Raises:
            QueryError: No scene of the leading image lies there (an IndexError).
        """
        where = self._resolve(query)
        dates = self._dates(where)
        if self.pairing.stack:
            patch = self._read_stacked(where, dates)
            sample, valid = to_sample(patch), patch.observed
        else:
            sample, valid = self._read_apart(where, dates)
        sample |= place(where.bounds, self.lattice.wkt)
        if self.labels is not None:
            sample |= self._read_masks(self.labels, where, dates, valid)
        return sample if self.transforms is None else dict(self.transforms(sample))

    def _resolve(self, query: GeoSlice) -> Query:
        where = resolve(query, self.bounds, self.lattice)
        if self.pairing.stack or where.lattice is not self.lattice:
            return where
        return Query(where.lattice, self._ground.snap(where.window), where.interval)

    def _dates(self, where: Query) -> Dates:
        """Say what to read of every source: the combination of dates that covers most of a window."""
        if self.policy.time == "ignore":
            own = [None] * (len(self.images) - 1)
            return (where.interval, *own, None)
        hits = self._rows.hits(where.bounds, where.interval)
        if len(hits) == 1:
            only: Dates = self._row_dates[hits[0]]
            return only
        exact = hits[(self._rows.intervals[hits] == where.interval).all(axis=1)]
        hits = exact if len(exact) else hits
        if not len(hits):
            raise outside(where, self)
        areas: dict[Dates, float] = {}
        box = shapely.box(*where.bounds)
        for hit in hits.tolist():
            shared = shapely.intersection(self._rows.polygons[hit], box).area
            areas[self._row_dates[hit]] = areas.get(self._row_dates[hit], 0.0) + shared
        return max(areas, key=lambda dates: areas[dates])

    def _date_of(self, dates: Dates) -> list[tuple[SceneSource, tuple[int, int] | None]]:
        """Images in order, each with what to read of it; the leading one stands first in ``dates``."""
        others = iter(dates[1:])
        return [
            (image, dates[0] if i == self._leader else next(others)) for i, image in enumerate(self.images)
        ]

    def _read_stacked(self, where: Query, dates: Dates) -> Patch:
        patches = [image.read(where.lattice, where.window, date) for image, date in self._date_of(dates)]
        if patches[self._leader] is None:
            raise outside(where, self)
        patch = stack_channels(
            image.empty(where.window) if part is None else part
            for image, part in zip(self.images, patches, strict=True)
        )
        self._confine(patch.valid, where.lattice, where.window)
        return patch

    def _read_apart(self, where: Query, dates: Dates) -> tuple[dict[str, Any], NDArray[np.bool_]]:
        """Read every image on its own grid; ``valid`` tells where all of them hold data, by nearest pixel."""
        sample: dict[str, Any] = {}
        files: list[str] = []
        valid = np.ones((where.window.height, where.window.width), dtype=np.bool_)
        self._confine(valid, where.lattice, where.window)
        cuts = self._ground.cut(where.lattice, where.window)
        for name, (image, date), (lattice, window) in zip(
            self.names, self._date_of(dates), cuts, strict=True
        ):
            patch = image.read(lattice, window, date)
            if patch is None and name == self.leader:
                raise outside(where, self)
            patch = patch or Patch.empty(len(image.bands), window, "float32")
            self._confine(patch.valid, lattice, window)
            part = to_sample(patch)
            sample[f"image_{name}"], sample[f"valid_{name}"] = part["image"], part["valid"]
            files.append(part["files"])
            valid &= _nearest(patch.valid, valid.shape)
        sample |= {"valid": torch.from_numpy(valid), "files": SampleFiles(", ".join(filter(None, files)))}
        return sample, valid

    def _confine(self, valid: NDArray[np.bool_], lattice: Lattice, window: Window) -> None:
        inside = None if self._region is None else self._region.mask(lattice, window)
        if inside is not None:
            valid &= inside

    def _read_masks(
        self, labels: SceneSource, where: Query, dates: Dates, valid: NDArray[np.bool_]
    ) -> dict[str, torch.Tensor]:
        patch = labels.read(where.lattice, where.window, dates[0 if labels.has_dates else -1])
        if patch is None:
            patch = Patch.empty(1, where.window, "int32")
        patch.valid &= valid
        return to_masks(patch, labels)

    def valid_share(self, query: GeoSlice) -> float:
        """Return the share (0..1) of a query's pixels where every image holds data; labels are not read."""
        where = resolve(query, self.bounds, self.lattice)
        return float(self._read_stacked(where, self._dates(where)).observed.mean())

    def within(self, region: BaseGeometry) -> "SceneIntersection":
        """Return the part inside polygons in its CRS; pixels of centres outside hold no data and no label.

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

    def lattice_in(self, crs: CRS) -> Lattice:
        """Return the lattice nearest to that of the leading image, in a CRS."""
        return self.images[self._leader].lattice_in(crs)

    def _move_to(self, lattice: Lattice) -> None:
        before = getattr(self, "lattice", lattice)
        if self._region is not None and before.wkt != lattice.wkt:
            self._region = RegionMask(move(self._region.polygons, before.crs, lattice.crs))
        self.lattice = lattice
        self._ground = SharedGround(lattice, [own_lattice(image, lattice.crs) for image in self.images])
        self.index = self._frame(lattice)
        self._index_changed()

    def _sources(self) -> list[SceneSource]:
        """The leading image, the others, and the labels."""
        leader = self.images[self._leader]
        others = [image for image in self.images if image is not leader]
        return [leader, *others, *([] if self.labels is None else [self.labels])]

    def _tell_dates(self, labels: SceneSource) -> None:
        leader = self.images[self._leader].outlines(self.lattice.crs, self.around_px * max(self.lattice.res))
        files = [str(path) for path in labels.index["filepath"]]
        layered = len(getattr(labels, "sources", ())) > 1  # a union is meant to lie over itself
        outlines = labels.outlines(self.lattice.crs, self.around_px * max(self.lattice.res))
        for note in date_notes(self._pieces, leader, outlines, [] if layered else files):
            notice(note)

    def _frame(self, lattice: Lattice) -> GeoDataFrame:
        sources = self._sources()
        outlines = [source.outlines(lattice.crs, self.around_px * max(lattice.res)) for source in sources]
        if self.labels is not None:  # an image across 180 degrees has those of both sides
            outlines[-1] = outlines[-1].every_turn(lattice.crs)
        smallest = lattice.res[0] * lattice.res[1] / 2
        rows = overlay(outlines, self.region, self.policy, smallest)
        if not rows.first:
            raise DataError(no_overlap(sources, self.region, self.policy))
        self._rows = Outlines.of(rows.polygons, rows.intervals)
        self._row_dates = [dates if self.labels is not None else (*dates, None) for dates in rows.dates]
        self._pieces = rows
        paths = list(sources[0].index["filepath"])
        columns = {"filepath": [paths[i] for i in rows.first]}
        frame = self._rows.frame(lattice.crs, columns)
        return frame if not self.pairing.min_valid else self._enough(frame, lattice)

    def _enough(self, frame: GeoDataFrame, lattice: Lattice) -> GeoDataFrame:
        """Keep the rows of which enough pixels hold data."""
        shares = np.array([self._share(i, lattice) for i in range(len(frame))])
        keep = np.flatnonzero(shares >= self.pairing.min_valid)
        if not len(keep):
            raise DataError(
                f"Expected ground of which {self.pairing.min_valid:.0%} hold data, but got at most "
                f"{shares.max():.0%}. Lower min_valid or check the nodata values."
            )
        self._rows = Outlines.of(list(self._rows.polygons[keep]), self._rows.intervals[keep].tolist())
        self._row_dates = [self._row_dates[i] for i in keep]
        return frame.iloc[keep]

    def _share(self, row: int, lattice: Lattice) -> float:
        """Estimate how much of a row's ground holds data."""
        first, last = self._rows.intervals[row].tolist()
        dates = self._row_dates[row]

        def read(window: Window) -> NDArray[np.bool_]:
            return self._read_stacked(Query(lattice, window, (first, last)), dates).observed

        return valid_share(self._rows.polygons[row], lattice, read)

    def close(self) -> None:
        """Close the files that this process holds open; reading opens them again."""
        for source in (*self.images, *([] if self.labels is None else [self.labels])):
            source.close()

    def __and__(self, other: GeoDataset) -> IntersectionDataset:
        """Add another source; options are kept."""
        if isinstance(other, (SceneSource, SceneIntersection)):
            return SceneIntersection(self, other)
        return IntersectionDataset(self, other)

    def plot(self, sample: dict[str, Any], suptitle: str | None = None) -> Figure:
        """Draw a sample: the true-colour image and the labels with their legend."""
        if not self.pairing.stack:
            leader = self.images[self._leader]
            drawn = sample | {"image": sample[f"image_{self.leader}"]}
            return figure_of(drawn, tuple(leader.bands), self.taxonomy, suptitle, sensor_of(leader))
        only = self.images[0] if len(self.images) == 1 else None
        return figure_of(sample, self.bands, self.taxonomy, suptitle, sensor_of(only))


def _nearest(valid: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Lay a mask over other pixels of the same ground."""
    if valid.shape == shape:
        return valid
    rows, cols = (
        ((np.arange(ours) + 0.5) * theirs / ours).astype(np.intp)
        for ours, theirs in zip(shape, valid.shape, strict=True)
    )
    return valid[np.ix_(rows, cols)]


def _sources(dataset: Operand) -> list[SceneSource]:
    if isinstance(dataset, SceneIntersection):
        return [*dataset.images, *([] if dataset.labels is None else [dataset.labels])]
    if isinstance(dataset, SceneSource):
        return [dataset]
    raise DataError(
        f"Expected sources of hierars_geo.data, but got {type(dataset).__name__}. Use torchgeo's "
        "IntersectionDataset."
    )


def _common_region(operands: list[SceneIntersection], crs: CRS) -> RegionMask | None:
    region = None
    for operand in operands:
        if operand.region is not None:
            moved = move(operand.region, operand.crs, crs)
            region = moved if region is None else shapely.intersection(region, moved)
    return None if region is None else RegionMask(region)
