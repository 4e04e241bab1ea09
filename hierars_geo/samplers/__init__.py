"""Chips and splits: where training samples are drawn, and which ground is kept apart."""

from .balanced_sampler import BalancedChipSampler, class_rates
from .chip_samplers import GridChipSampler, RandomChipSampler
from .chips import CandidateSampler, ChipRules, ChosenChips, CoveringChips
from .label_clusters import ClusterSplit
from .splits import BlockSplit, RegionSplit, SceneSplit, Splits, check_no_leak

__all__ = (
    "BalancedChipSampler",
    "BlockSplit",
    "CandidateSampler",
    "ChipRules",
    "ChosenChips",
    "ClusterSplit",
    "CoveringChips",
    "GridChipSampler",
    "RandomChipSampler",
    "RegionSplit",
    "SceneSplit",
    "Splits",
    "check_no_leak",
    "class_rates",
)
