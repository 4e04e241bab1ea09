"""Chips and splits: where training samples are drawn, and which ground is kept apart."""

from .balanced_sampler import BalancedChipSampler, class_rates
from .chip_samplers import GridChipSampler, RandomChipSampler
from .chosen_chips import CandidateSampler, ChipRules, ChosenChips
from .counted_once import CountedOnce
from .scene_split import SceneSplit
from .splits import BlockSplit, RegionSplit, Splits, check_no_leak

__all__ = (
    "BalancedChipSampler",
    "BlockSplit",
    "CandidateSampler",
    "ChipRules",
    "ChosenChips",
    "CountedOnce",
    "GridChipSampler",
    "RandomChipSampler",
    "RegionSplit",
    "SceneSplit",
    "Splits",
    "check_no_leak",
    "class_rates",
)
