"""BalancedChipSampler: rare classes are met at a chosen rate."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from torchgeo.datasets import GeoDataset

from ..datasets.coverage import Regions
from ..datasets.label_index import LabelIndex
from ..datasets.scene_source import nanoseconds
from ..errors import OptionError, TaxonomyError
from ..grid import Window
from ..taxonomy import Taxonomy
from .chip_samplers import RandomChipSampler, Slices


class BalancedChipSampler(RandomChipSampler):
    """Random chips, a chosen share of which are aimed at classes.

    An aimed chip shows all pixels of its class in one block of the index: the block is drawn by the number of
    these pixels, each by the weight of its label (one that weighs nothing is none), the chip's place evenly
    among those that show them all and lie wholly inside the ground (where there is none, the chip reaches
    beyond it and is blank there). The other chips are those of :class:`RandomChipSampler`. Chips depend on
    seed and epoch alone.

    Args:
        dataset: What to sample from.
        size_px: Side of a chip, or (height, width).
        length: Chips per epoch.
        index: Where the classes lie, on the lattice of the data set, with blocks no larger than a chip.
        rates: (sum of C_l,) share of the chips aimed at each class of the index's columns; adds up to at most
            1, see :func:`class_rates`.
        seed: Any integer >= 0.
        regions: See :class:`ChipSampler`; the index should be of the same ground.

    Raises:
        OptionError: Blocks are larger than chips, or rates are no shares.
        DataError: There is no ground.
    """

    def __init__(
        self,
        dataset: GeoDataset,
        size_px: int | tuple[int, int],
        length: int,
        index: LabelIndex,
        rates: NDArray[np.float64],
        seed: int = 0,
        regions: Regions | None = None,
    ) -> None:
        super().__init__(dataset, size_px, length, seed, regions)
        if index.block_px > min(self.size_px):
            raise OptionError(
                f"Expected blocks no larger than a chip of {self.size_px} px, but got {index.block_px} px."
            )
        if len(rates) != sum(index.num_classes) or rates.min() < 0 or rates.sum() > 1 + 1e-9:
            raise OptionError(
                f"Expected a share of the chips for each of {sum(index.num_classes)} classes, at most 1 in "
                f"all, but got {len(rates)} that add up to {rates.sum():.4g}."
            )
        self.label_index = index
        self.rates = rates
        self._blocks = {
            int(column): (blocks, blocks[:, 4].cumsum())
            for column in np.flatnonzero(rates)
            if len(blocks := index.blocks_of(int(column)))
        }
        lost = [int(column) for column in np.flatnonzero(rates) if int(column) not in self._blocks]
        if lost:
            raise OptionError(
                f"Expected rates of classes that the training ground holds, but got classes {lost} (numbered "
                "over all levels) without a pixel. Leave them out."
            )
        moments = [(nanoseconds(part.time.start), nanoseconds(part.time.stop)) for part in self.ground]
        self._parts_of = [
            np.flatnonzero([moment == tuple(date) for moment in moments]) for date in index.dates.tolist()
        ]
        self._starts_of = [
            self._places.starts[np.isin(self._places.parts, parts)] for parts in self._parts_of
        ]

    def _aims(self, generator: np.random.Generator) -> NDArray[np.int64]:
        shares = np.append(self.rates, max(0.0, 1 - self.rates.sum()))
        aims = generator.choice(len(shares), size=self.length, p=shares / shares.sum())
        return np.where(aims == len(self.rates), -1, aims)

    def _draw(self, generator: np.random.Generator, aims: NDArray[np.int64]) -> Iterator[Slices]:
        draws = generator.random((self.length, 4))
        for aim, draw, anywhere in zip(aims, draws, super()._draw(generator, aims), strict=True):
            yield anywhere if aim < 0 else self._aimed(int(aim), draw)

    def _aimed(self, column: int, draw: NDArray[np.float64]) -> Slices:
        """Find a place that shows a block of a class."""
        blocks, cumulated = self._blocks[column]
        at = int(np.searchsorted(cumulated, draw[0] * cumulated[-1], side="right"))
        block = blocks[min(at, len(blocks) - 1)].astype(np.int64)
        date = int(block[2])
        first, stop = block[7:9] - self.size_px, block[5:7] + 1
        starts = self._starts_of[date]
        low = np.maximum(starts[:, :2], first)
        spare = np.minimum(starts[:, :2] + starts[:, 2:], stop) - low
        areas = np.where((spare > 0).all(axis=1), spare.prod(axis=1), 0)
        if areas.any():
            chosen = int(np.searchsorted(areas.cumsum(), draw[1] * areas.sum(), side="right"))
            corner = low[chosen] + (draw[2:] * spare[chosen]).astype(np.int64)
        else:
            corner = first + (draw[2:] * (stop - first)).astype(np.int64)
        time = self.ground[int(self._parts_of[date][0])].time
        return self.slices(Window(int(corner[0]), int(corner[1]), *self.size_px), time)


def class_rates(
    index: LabelIndex, taxonomy: Taxonomy, balance: float | Mapping[str, float]
) -> NDArray[np.float64]:
    """Turn what a user asks for into the rate of every class.

    Args:
        index: Where the classes lie.
        taxonomy: Tree of its classes.
        balance: Share of the chips aimed at classes, dealt evenly to the leaf classes that occur (where no
            label reaches the leaves, to those of the finest level with labels); or a share per class name, of
            any level, the finest where a name is repeated.

    Returns:
        (sum of C_l,) float64.

    Raises:
        OptionError: A share is not 0..1, a name is unknown, or a class does not occur.
    """
    rates = np.zeros(sum(index.num_classes))
    if isinstance(balance, Mapping):
        for name, share in balance.items():
            rates[_column_of(name, index, taxonomy)] = share
    else:
        totals = index.totals
        finest = max((n for n, counts in enumerate(totals, 1) if any(counts)), default=len(totals))
        columns = [index.column(finest, i) for i, count in enumerate(totals[finest - 1]) if count]
        if columns:
            rates[columns] = balance / len(columns)
    if not (rates.min() >= 0 and rates.sum() <= 1 + 1e-9):
        raise OptionError(
            f"Expected balance to be 0..1, or shares that add up to at most 1, but got {balance}."
        )
    return rates


def _column_of(name: str, index: LabelIndex, taxonomy: Taxonomy) -> int:
    for level in range(taxonomy.num_levels, 0, -1):
        if name in taxonomy.class_names(level):
            position = taxonomy.class_names(level).index(name)
            if not index.totals[level - 1][position]:
                raise OptionError(
                    f"Expected balance to name classes of the training ground, but '{name}' has no pixel "
                    "there. Leave it out, or choose other regions."
                )
            return index.column(level, position)
    try:
        taxonomy.class_index(name, taxonomy.num_levels)  # raises, with near names
    except TaxonomyError as error:
        raise OptionError(str(error)) from error
    raise OptionError(f"Expected a class of {taxonomy.name}, but got '{name}'.")
