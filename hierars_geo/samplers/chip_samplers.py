"""Samplers of chips in whole pixels: seeded random ones and a covering grid."""

import abc
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry
from torchgeo.datasets import GeoDataset
from torchgeo.samplers import GeoSampler

from ..datasets.coverage import CoveredPart, Regions, covered_parts, lattice_of
from ..errors import OptionError
from ..grid import Window, cover

Slices = tuple[slice, slice, slice]


class ChipSampler(GeoSampler):
    """Base of our samplers: a TorchGeo sampler that yields chips of whole pixels.

    Args:
        dataset: What to sample from.
        size_px: Side of a chip, or (height, width).
        regions: Ground to be confined to: polygons, or boxes (left, bottom, right, top); default: all of it.
            Chips lie wholly inside wherever it is large enough; what reaches beyond is blank in
            ``dataset.within(region)``.

    Raises:
        OptionError: A size is not positive.
        DataError: There is no ground.
    """

    def __init__(
        self, dataset: GeoDataset, size_px: int | tuple[int, int], regions: Regions | None = None
    ) -> None:
        # TorchGeo's own is left out: up to 0.9 it indexes a second time, from 0.10 on it takes no data set
        self.size_px = as_size(size_px, "size_px")
        self.lattice = lattice_of(dataset)
        self.ground = covered_parts(dataset, self.lattice, regions)

    @abc.abstractmethod
    def __len__(self) -> int:
        """Return the number of chips."""

    @abc.abstractmethod
    def reach(self) -> BaseGeometry:
        """Return the ground that any chip may touch, in the CRS of the data set."""

    def slices(self, window: Window, time: slice) -> Slices:
        """Turn a window into TorchGeo's slices."""
        left, bottom, right, top = self.lattice.bounds(window)
        return slice(left, right), slice(bottom, top), time

    def box(self, window: Window) -> BaseGeometry:
        """Turn a window into a polygon."""
        return shapely.box(*self.lattice.bounds(window))


class RandomChipSampler(ChipSampler):
    """Chips at random places: every piece of ground by its area, every place within a piece alike.

    The places depend on seed and epoch alone. The sampler runs in the main process, so the number of workers
    changes nothing; Lightning calls :meth:`set_epoch`, a loop of your own should.

    Args:
        dataset: What to sample from.
        size_px: Side of a chip, or (height, width). Ground smaller than a chip is met whole, at a random
            place of it.
        length: Chips per epoch.
        seed: Any integer >= 0.
        regions: See :class:`ChipSampler`.

    Raises:
        OptionError: A size or the length is not positive.
        DataError: There is no ground.
    """

    def __init__(
        self,
        dataset: GeoDataset,
        size_px: int | tuple[int, int],
        length: int,
        seed: int = 0,
        regions: Regions | None = None,
    ) -> None:
        super().__init__(dataset, size_px, regions)
        if length < 1 or seed < 0:
            raise OptionError(f"Expected length >= 1 and seed >= 0, but got {length} and {seed}.")
        self.length = length
        self.seed = seed
        self.epoch = 0
        self._places = ChipPlaces.of(self.ground, self.size_px)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose chips the next iteration gives."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Slices]:
        """Yield [xmin:xmax, ymin:ymax, tmin:tmax] of every chip."""
        generator = np.random.default_rng((self.seed, self.epoch))
        yield from self._draw(generator, self._aims(generator))

    def candidates(self, tries: int) -> Iterator[tuple[Slices, ...]]:
        """Yield several places for every chip, to choose one of by what is there.

        Args:
            tries: Places per chip; the first ones are those that iterating gives.
        """
        generator = np.random.default_rng((self.seed, self.epoch))
        aims = self._aims(generator)
        others = [np.random.default_rng((self.seed, self.epoch, turn)) for turn in range(1, tries)]
        yield from zip(*(self._draw(one, aims) for one in (generator, *others)), strict=True)

    def _aims(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """(length,) what every chip is aimed at; -1 for nothing but ground."""
        return np.full(self.length, -1)

    def _draw(self, generator: np.random.Generator, aims: NDArray[np.int64]) -> Iterator[Slices]:
        """Draw a place for every aim."""
        places = self._places
        chosen = generator.choice(len(places.weights), size=self.length, p=places.weights)
        offsets = generator.random((self.length, 2))
        for which, share in zip(chosen, offsets, strict=True):
            row, col, rows, cols = (int(value) for value in places.starts[which])
            window = Window(row + int(share[0] * rows), col + int(share[1] * cols), *self.size_px)
            yield self.slices(window, self.ground[places.parts[which]].time)

    def __len__(self) -> int:
        return self.length

    def reach(self) -> BaseGeometry:
        """Return the ground that any chip may touch, in the CRS of the data set."""
        height, width = self.size_px
        windows = (
            Window(row, col, rows + height - 1, cols + width - 1)
            for row, col, rows, cols in self._places.starts.tolist()
        )
        return shapely.union_all([self.box(window) for window in windows])


@dataclass(frozen=True)
class GridChip:
    """A chip of a covering grid.

    Attributes:
        window: Its pixels.
        own: Those of them that no other chip of the grid owns; together they are all ground, each pixel once.
        time: Dates, as TorchGeo's queries take them.
        polygon: Its piece of ground, where the pixels do not follow from rectangles.
    """

    window: Window
    own: Window
    time: slice
    polygon: BaseGeometry | None


class GridChipSampler(ChipSampler):
    """Chips that cover all ground: no tile is skipped, the last chip of a row or column is shifted inward.

    Args:
        dataset: What to sample from.
        size_px: Side of a chip, or (height, width). Ground smaller than a chip gets one chip that reaches
            beyond it.
        stride_px: Step between chips, 1..size; default: the size.
        regions: See :class:`ChipSampler`.

    Attributes:
        chips: The chips, and which pixels each of them owns, so that scores count no pixel twice (see
            :class:`CoveringChips`).

    Raises:
        OptionError: A size or stride is out of range.
        DataError: There is no ground.
    """

    def __init__(
        self,
        dataset: GeoDataset,
        size_px: int | tuple[int, int],
        stride_px: int | tuple[int, int] | None = None,
        regions: Regions | None = None,
    ) -> None:
        super().__init__(dataset, size_px, regions)
        self.stride_px = self.size_px if stride_px is None else as_size(stride_px, "stride_px")
        self.chips = [chip for part in self.ground for chip in self._cover(part)]

    def _cover(self, part: CoveredPart) -> list[GridChip]:
        chips: list[GridChip] = []
        for rectangle in part.pixels.rectangles() if part.pixels.exact else [part.pixels.around]:
            done_rows = 0  # of the rectangle, by the chips of earlier rows; likewise along the row
            done_cols = 0
            previous: Window | None = None
            for window in cover((rectangle.height, rectangle.width), self.size_px, self.stride_px):
                if previous is None or window.row != previous.row:
                    done_rows = 0 if previous is None else previous.row_stop
                    done_cols = 0
                own = Window(
                    done_rows,
                    done_cols,
                    min(window.row_stop, rectangle.height) - done_rows,
                    min(window.col_stop, rectangle.width) - done_cols,
                )
                here = (rectangle.row, rectangle.col)
                chips.append(
                    GridChip(
                        window.shifted(*here),
                        own.shifted(*here),
                        part.time,
                        None if part.pixels.exact else part.polygon,
                    )
                )
                done_cols, previous = window.col_stop, window
        if part.pixels.exact:
            return chips
        shapely.prepare(part.polygon)
        return [
            chip for chip in chips if shapely.relate_pattern(part.polygon, self.box(chip.window), "T********")
        ]

    def __iter__(self) -> Iterator[Slices]:
        """Yield [xmin:xmax, ymin:ymax, tmin:tmax] of every chip, row by row."""
        for chip in self.chips:
            yield self.slices(chip.window, chip.time)

    def __len__(self) -> int:
        return len(self.chips)

    def reach(self) -> BaseGeometry:
        """Return the ground that the chips touch, in the CRS of the data set."""
        return shapely.union_all([self.box(chip.window) for chip in self.chips])


@dataclass(frozen=True)
class ChipPlaces:
    """Where random chips may start.

    Attributes:
        starts: (P, 4) first row, first column, rows, columns of rectangles of upper-left corners.
        parts: (P,) position of the ground part.
        weights: (P,) probability; they add up to 1.
    """

    starts: NDArray[np.int64]
    parts: NDArray[np.int64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, ground: list[CoveredPart], size: tuple[int, int]) -> "ChipPlaces":
        """Find every place of chips of a size (height, width) on pieces of ground, each by its area."""
        starts = [part.pixels.positions(size) for part in ground]
        areas = np.array([part.pixels.area_px for part in ground], dtype=np.float64)
        shares = [found[:, 2] * found[:, 3] / (found[:, 2] * found[:, 3]).sum() for found in starts]
        weights = np.concatenate([share * area for share, area in zip(shares, areas, strict=True)])
        parts = np.repeat(np.arange(len(ground)), [len(found) for found in starts])
        return cls(np.concatenate(starts), parts, weights / weights.sum())


def as_size(size: int | tuple[int, int], name: str) -> tuple[int, int]:
    """Return (height, width) of a size given either way.

    Raises:
        OptionError: A side is not positive.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise OptionError(f"Expected {name} to be >= 1 px, but got {size}.")
    return height, width
