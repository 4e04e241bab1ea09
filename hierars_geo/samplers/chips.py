"""Chips as a loader reads them: training chips that keep rules, a covering grid that counts pixels once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler
from torchgeo.datasets import GeoDataset

from ..datasets.statistics import label_weights
from ..errors import OptionError
from ..scenes.regions import RegionMask
from ..types import IGNORE_INDEX
from .chip_samplers import GridChipSampler, RandomChipSampler, Slices

#: Places that are tried for a chip.
TRIES = 10


@dataclass(frozen=True)
class ChipRules:
    """What a training chip has to show, beside a label at least.

    Attributes:
        max_class_share: Largest share of one class among the labelled pixels (Ai et al. 2026 use 0.75); None
            for any. Counts at the finest level that has labels.
        min_valid_share: Smallest share of pixels with data, at any date of a series.

    Raises:
        OptionError: A share is not 0..1.
    """

    max_class_share: float | None = None
    min_valid_share: float = 0.0

    def __post_init__(self) -> None:
        if self.max_class_share is not None and not 0 < self.max_class_share <= 1:
            raise OptionError(
                f"Expected max_class_share to be 0 < share <= 1 or null, but got {self.max_class_share}."
            )
        if not 0 <= self.min_valid_share <= 1:
            raise OptionError(f"Expected min_valid_share to be 0..1, but got {self.min_valid_share}.")

    def fault(self, sample: dict[str, Any]) -> tuple[bool, float, float]:
        """Say how far a chip is from keeping the rules: all 0 where it does, else the smaller the better.

        That there is no label weighs most, and missing data more than a dominant class.
        """
        labels = label_weights(sample)  # a label that weighs nothing is none
        if labels is None:
            labels = np.asarray(sample.get("label_set", sample["mask"])) != IGNORE_INDEX
        unlabelled = not labels.any()
        observed = sample["valid"] if sample["valid"].ndim == 2 else sample["valid"].any(dim=0)
        valid = float(observed.float().mean())
        lacking = self.min_valid_share - valid if valid < self.min_valid_share else 0.0
        if self.max_class_share is None:
            return unlabelled, lacking, 0.0
        share = dominant_share(sample)
        return unlabelled, lacking, share if share > self.max_class_share else 0.0


class ChosenChips(Dataset[dict[str, Any]]):
    """Reads chips, with ``mask`` and ``valid``, at the first of several places that keeps the rules.

    Where none does, the best of them counts: one with a label, among these the one with most data, among
    equals the least dominated.
    """

    def __init__(self, dataset: GeoDataset, rules: ChipRules) -> None:
        self.dataset = dataset
        self.rules = rules

    def __getitem__(self, places: Sequence[Slices]) -> dict[str, Any]:
        """Read a chip; ``places`` are TorchGeo's slices, see :meth:`RandomChipSampler.candidates`."""
        best: tuple[tuple[bool, float, float], dict[str, Any]] | None = None
        for place in places:
            sample = self.dataset[place]
            fault = self.rules.fault(sample)
            if best is None or fault < best[0]:
                best = (fault, sample)
            if not any(fault):
                break
        if best is None:
            raise OptionError("Expected at least one place for a chip, but got none.")
        return best[1]


class CandidateSampler(Sampler[tuple[Slices, ...]]):
    """Several places for every chip of a sampler, for :class:`ChosenChips`."""

    def __init__(self, sampler: RandomChipSampler, tries: int = TRIES) -> None:
        self.sampler = sampler
        self.tries = tries

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose chips the next iteration gives."""
        self.sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[tuple[Slices, ...]]:
        """Yield the places of every chip."""
        return self.sampler.candidates(self.tries)

    def __len__(self) -> int:
        return len(self.sampler)


def dominant_share(sample: dict[str, Any]) -> float:
    """Return the share of the most frequent class among the labels, 2 where there is none.

    Args:
        sample: ``mask`` (H, W); where it says nothing, the sets of ``label_set`` (H, W) count as classes.
            Each pixel counts by the weight of its label.
    """
    layers = [np.asarray(sample["mask"])]
    if "label_set" in sample:
        # a set has a row for each weight that its labels may have
        _, same = np.unique(np.asarray(sample["label_table"]), axis=0, return_inverse=True)
        number = np.asarray(sample["label_set"])
        layers.append(np.where(number < 0, IGNORE_INDEX, same.ravel()[number]))
    weights = label_weights(sample)
    for index in layers:
        known = index >= 0
        counts = np.bincount(index[known], None if weights is None else weights[known])
        if counts.any():
            return float(counts.max() / counts.sum())
    return 2.0


class CoveringChips(Dataset[dict[str, Any]]):
    """The chips of a grid in order, for scores that equal those of the finished map.

    The last chip of a row or column is shifted inward and shows pixels that the one before has shown; chips
    of small pieces of ground reach into their neighbours. Labels of pixels that another chip owns are -100
    here; the image is whole.

    Args:
        dataset: Samples with ``mask`` and, if there is one, ``label_set``.
        sampler: Its grid.
    """

    def __init__(self, dataset: GeoDataset, sampler: GridChipSampler) -> None:
        self.dataset = dataset
        self.sampler = sampler

    def __len__(self) -> int:
        return len(self.sampler)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Read a chip."""
        chip = self.sampler.chips[number]
        lattice = self.sampler.lattice
        sample: dict[str, Any] = dict(self.dataset[self.sampler.slices(chip.window, chip.time)])
        mine = np.zeros((chip.window.height, chip.window.width), dtype=np.bool_)
        mine[chip.own.shifted(-chip.window.row, -chip.window.col).slices()] = True
        if chip.polygon is not None:
            inside = RegionMask(chip.polygon).mask(lattice, chip.window)
            mine &= True if inside is None else inside
        if not mine.all():
            others = torch.from_numpy(~mine)
            for name in ("mask", "label_set"):
                if name in sample:
                    sample[name] = sample[name].masked_fill(others, IGNORE_INDEX)
        return sample
