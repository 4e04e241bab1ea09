"""Splits of the ground into train, val and test that do not leak."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from shapely.geometry.base import BaseGeometry
from torchgeo.datasets import GeoDataset

from ..datasets.coverage import Regions, as_geometry, centre_gsd_m, lattice_of
from ..errors import DataError, OptionError
from ..grid.lattice import Lattice
from ..scenes.regions import read_region, read_split_file
from ..types import Bounds

SplitName = Literal["train", "val", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "val", "test")
#: Overlaps below this share of the smaller split are rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Splits:
    """Ground of each split in the CRS of the data set; None where there is none.

    Attributes:
        train: Polygons.
        val: Polygons.
        test: Polygons.
    """

    train: BaseGeometry | None
    val: BaseGeometry | None
    test: BaseGeometry | None

    def __getitem__(self, name: SplitName) -> BaseGeometry | None:
        return {"train": self.train, "val": self.val, "test": self.test}[name]

    def items(self) -> Iterator[tuple[SplitName, BaseGeometry]]:
        """Yield the splits that there are."""
        for name in SPLIT_NAMES:
            if (polygons := self[name]) is not None:
                yield name, polygons


@dataclass(frozen=True)
class BlockSplit:
    """Deal blocks of ground to the splits at random, by area.

    Neighbouring pixels look alike, so splitting by pixels or by chips would test on what was trained on;
    whole blocks do not. Blocks lie on whole pixels; the extent is divided into blocks of at least
    ``block_m``.

    Attributes:
        block_m: Side of a block in metres.
        fractions: Shares of train, val and test; 0 leaves a split out.
        seed: Same seed, same blocks.
        buffer_m: Ground left out around val and test, in metres.
    """

    block_m: float
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: int = 0
    buffer_m: float = 0.0

    def __post_init__(self) -> None:
        check_dealt(self.fractions, block_m=self.block_m)

    def split(self, dataset: GeoDataset) -> Splits:
        """Divide the ground of a data set.

        Raises:
            DataError: There are fewer blocks than splits.
        """
        lattice = lattice_of(dataset)
        gsd_m = centre_gsd_m(dataset)
        ground = shapely.union_all(list(dataset.index.geometry))
        boxes = _blocks(ground, lattice, max(1, round(self.block_m / gsd_m)))
        areas = shapely.area(shapely.intersection(boxes, ground))
        pixel_area = lattice.res[0] * lattice.res[1]
        boxes, areas = boxes[areas > pixel_area / 2], areas[areas > pixel_area / 2]
        refuse_few(
            self.fractions,
            len(boxes),
            "blocks",
            f"of {self.block_m:g} m",
            "Make the blocks smaller, or name regions or scenes for val and test.",
        )
        owner = deal(areas, self.fractions, self.seed)
        return with_buffer(_united(boxes, owner), self.buffer_m, gsd_m, lattice)


@dataclass(frozen=True)
class SceneSplit:
    """Deal whole scenes to the splits at random, by area.

    Scenes that share ground (the same place at two dates, tiles that overlap) stay together: one split gets
    all of them.

    Attributes:
        fractions: Shares of train, val and test; 0 leaves a split out.
        seed: Same seed, same scenes.
        buffer_m: Ground left out of train around val and test, in metres.
    """

    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: int = 0
    buffer_m: float = 0.0

    def __post_init__(self) -> None:
        check_dealt(self.fractions)

    def split(self, dataset: GeoDataset) -> Splits:
        """Divide the scenes of a data set.

        Raises:
            DataError: There are fewer places than splits.
        """
        lattice = lattice_of(dataset)
        groups = _places(list(dataset.index.geometry), lattice.res[0] * lattice.res[1])
        refuse_few(
            self.fractions,
            len(groups),
            "places",
            "(scenes that overlap are one place)",
            "Split by blocks, or name regions or scenes for val and test.",
        )
        owner = deal(shapely.area(groups), self.fractions, self.seed)
        united = _united(np.array(groups, dtype=object), owner)
        return with_buffer(united, self.buffer_m, centre_gsd_m(dataset), lattice)


def _places(polygons: list[BaseGeometry], pixel_area: float) -> list[BaseGeometry]:
    """Unite polygons that share more than a pixel; sorted from west to east, whatever their order was."""
    array = np.array(polygons, dtype=object)
    first, second = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    shared = shapely.area(shapely.intersection(array[first], array[second])) > pixel_area
    united = [
        shapely.union_all(array[members]) for members in connected(first[shared], second[shared], len(array))
    ]
    return sorted(united, key=lambda polygon: polygon.bounds)


def connected(first: NDArray[np.integer], second: NDArray[np.integer], count: int) -> list[NDArray[np.intp]]:
    """Gather numbers 0..count-1, pairs (n,) and (n,) of which belong together, into groups in their order."""
    pairs = (np.ones(len(first), dtype=np.bool_), (first, second))
    links = csr_array(pairs, shape=(count, count))  # type: ignore[no-untyped-call]
    groups, group = connected_components(links, directed=False)
    return [np.flatnonzero(group == number) for number in range(groups)]


@dataclass(frozen=True)
class RegionSplit:
    """Splits by named ground.

    Each region is (left, bottom, right, top) in the CRS of the data set, or a file of polygons in any CRS.

    Attributes:
        train: None for all ground that is neither val nor test.
        val: None for no val split.
        test: None for no test split.
        buffer_m: Ground left out of train around val and test, in metres.
        file: In place of the three: one file of polygons in any CRS whose column ``split`` says train, val or
            test.
    """

    train: Bounds | str | os.PathLike[str] | None = None
    val: Bounds | str | os.PathLike[str] | None = None
    test: Bounds | str | os.PathLike[str] | None = None
    buffer_m: float = 0.0
    file: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.file is not None and any(r is not None for r in (self.train, self.val, self.test)):
            raise OptionError("Expected either a split file or regions of train, val and test, but got both.")

    def split(self, dataset: GeoDataset) -> Splits:
        """Find the ground of each split.

        Raises:
            MissingFileError: A file does not exist.
            DataError: A file has no polygon or no CRS, or splits overlap.
        """
        lattice = lattice_of(dataset)
        regions: tuple[Bounds | str | os.PathLike[str] | BaseGeometry | None, ...]
        regions = (self.train, self.val, self.test)
        if self.file is not None:
            named = read_split_file(self.file, lattice.crs)
            regions = (named.get("train"), named.get("val"), named.get("test"))
        parts = [None if region is None else _as_ground(region, lattice) for region in regions]
        if parts[0] is None:
            parts[0] = shapely.union_all(list(dataset.index.geometry))
            for other in parts[1:]:
                parts[0] = parts[0] if other is None else shapely.difference(parts[0], other)
        splits = with_buffer(parts, self.buffer_m, centre_gsd_m(dataset), lattice)
        check_no_leak(dict(splits.items()))
        return splits


def check_no_leak(splits: Mapping[str, Regions | None], distance: float = 0.0) -> None:
    """Make sure that no ground of one split is ground of another.

    Args:
        splits: By name, polygons or boxes in one CRS: regions, or the windows that samplers give.
        distance: Least distance between splits, in units of the CRS.

    Raises:
        DataError: Two splits share ground, or are too close; splits, size and place are named.
    """
    known = {name: as_geometry(regions) for name, regions in splits.items() if regions is not None}
    for (name_a, a), (name_b, b) in combinations(known.items(), 2):
        common = shapely.intersection(a, b)
        if common.area > _ROUNDING * min(a.area, b.area):
            place = tuple(float(f"{edge:.9g}") for edge in common.bounds)
            raise DataError(
                f"Expected {name_a} and {name_b} to share no ground, but got {common.area:.6g} square units "
                "of the CRS "
                f"within {place}. Choose other regions or scenes."
            )
        if distance > 0 and shapely.distance(a, b) < distance * (1 - _ROUNDING):
            raise DataError(
                f"Expected {name_a} and {name_b} to be {distance:g} apart, but got "
                f"{shapely.distance(a, b):g}. "
                "Choose a wider buffer."
            )


def _blocks(ground: BaseGeometry, lattice: Lattice, side_px: int) -> NDArray[Any]:
    """Boxes of about ``side_px`` pixels, at least that where the ground is large enough."""
    left, bottom, right, top = ground.bounds
    (x, y), (x_res, y_res) = lattice.origin, lattice.res
    rows = _cuts(math.floor((y - top) / y_res + 1e-6), math.ceil((y - bottom) / y_res - 1e-6), side_px)
    cols = _cuts(math.floor((left - x) / x_res + 1e-6), math.ceil((right - x) / x_res - 1e-6), side_px)
    ys, xs = y - rows * y_res, x + cols * x_res
    boxes: NDArray[Any] = shapely.box(xs[None, :-1], ys[1:, None], xs[None, 1:], ys[:-1, None])
    return boxes.ravel()


def _cuts(first: int, stop: int, side: int) -> NDArray[Any]:
    count = max(1, (stop - first) // side)
    return np.round(np.linspace(first, stop, count + 1)).astype(np.int64)


def check_dealt(fractions: tuple[float, float, float], **sizes_m: float) -> None:
    """Refuse shares of train, val and test that do not add up, and sizes that are none.

    Raises:
        OptionError: They do not, train gets nothing, or a size is not above 0.
    """
    for name, size_m in sizes_m.items():
        if not (math.isfinite(size_m) and size_m > 0):
            raise OptionError(f"Expected {name} > 0, but got {size_m}.")
    if min(fractions) < 0 or fractions[0] == 0 or not math.isclose(sum(fractions), 1):
        raise OptionError(
            f"Expected fractions of train, val and test that add up to 1, train > 0, but got {fractions}."
        )


def refuse_few(fractions: tuple[float, float, float], count: int, what: str, found: str, remedy: str) -> None:
    """Refuse to deal fewer pieces of ground than there are splits.

    Raises:
        DataError: There are.
    """
    least = sum(share > 0 for share in fractions)
    if count < least:
        raise DataError(
            f"Expected at least {least} {what} to deal to the splits, but got {count} {found}. {remedy}"
        )


def _united(pieces: NDArray[Any], owner: NDArray[np.int64]) -> list[BaseGeometry | None]:
    """Return the ground of train, val and test; None for one that owns nothing."""
    return [shapely.union_all(pieces[owner == i]) if (owner == i).any() else None for i in range(3)]


def deal(areas: NDArray[Any], fractions: tuple[float, float, float], seed: int) -> NDArray[np.int64]:
    """Deal pieces of ground at random: one for every split first, then always to the split that lacks most.

    Args:
        areas: (P,) of the pieces, no fewer than splits.
        fractions: Shares of train, val and test.
        seed: Same seed, same owners.

    Returns:
        (P,) 0, 1 or 2: train, val or test.
    """
    wanted = [i for i in (1, 2, 0) if fractions[i] > 0]
    order = np.random.default_rng(seed).permutation(len(areas))
    owner = np.zeros(len(areas), dtype=np.int64)
    lacking = np.array(fractions) * areas.sum()
    for turn, piece in enumerate(order):
        split = wanted[turn] if turn < len(wanted) else int(np.argmax(lacking))
        owner[piece] = split
        lacking[split] -= areas[piece]
    return owner


def with_buffer(
    parts: Sequence[BaseGeometry | None], buffer_m: float, gsd_m: float, lattice: Lattice
) -> Splits:
    """Take the ground around val and test, in whole pixels of ``gsd_m`` metres, away from train.

    Raises:
        DataError: Nothing is left to train on.
        OptionError: The buffer is negative or no number.
    """
    if not (math.isfinite(buffer_m) and buffer_m >= 0):
        raise OptionError(f"Expected buffer_m to be >= 0, but got {buffer_m:g}.")
    buffer_px = math.ceil(buffer_m / gsd_m)
    train = parts[0]
    for other in parts[1:]:
        if other is None or buffer_px == 0:
            continue
        boxes = [_grown(part, buffer_px, lattice) for part in shapely.get_parts(other)]
        train = shapely.difference(train, shapely.union_all(boxes))
    if train is None or train.area == 0:
        raise DataError(
            "Expected ground to train on, but got none beside val and test. Make the buffer or the fractions "
            "smaller."
        )
    return Splits(train, parts[1], parts[2])


def _grown(part: BaseGeometry, buffer_px: int, lattice: Lattice) -> BaseGeometry:
    """Widen a polygon by whole pixels along both axes, corners kept square."""
    (x_res, y_res) = lattice.res
    in_px = shapely.transform(part, lambda xy: xy / (x_res, y_res))
    grown = shapely.buffer(in_px, buffer_px, join_style="mitre")
    return shapely.transform(grown, lambda xy: xy * (x_res, y_res))


def _as_ground(region: Bounds | str | os.PathLike[str] | BaseGeometry, lattice: Lattice) -> BaseGeometry:
    if isinstance(region, BaseGeometry):
        return region
    if isinstance(region, (str, os.PathLike)):
        return read_region(region, lattice.crs)
    bounds = tuple(float(edge) for edge in region)
    if len(bounds) != 4 or not (bounds[0] < bounds[2] and bounds[1] < bounds[3]):
        raise OptionError(f"Expected a region (left, bottom, right, top), but got {bounds}.")
    return shapely.box(*bounds)
