"""CountedOnce: chips of a covering grid whose labels count each pixel once."""

from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from torchgeo.datasets import GeoDataset

from ..scenes.region_mask import RegionMask
from ..types import IGNORE_INDEX
from .chip_samplers import GridChipSampler


class CountedOnce(Dataset[dict[str, Any]]):
    """The chips of a grid in order, for scores that equal those of the finished map.

    The last chip of a row or column is shifted inward and shows pixels that the one before has shown; chips
    of small pieces of ground reach into their neighbours. Labels of pixels that another chip owns are -100
    here; the image is whole.

    Args:
        dataset: Samples with ``mask`` and, if there are any, ``level_masks``.
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
            for name in ("mask", "level_masks"):
                if name in sample:
                    sample[name] = sample[name].masked_fill(others, IGNORE_INDEX)
        return sample


__all__ = ("CountedOnce",)
