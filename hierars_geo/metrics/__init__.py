"""Hierarchical scores from accumulated confusion matrices, and estimates from samples."""

from .hierarchical import HierarchicalMetrics
from .pair_counts import PairCounts
from .sample_size import allocate, sample_size
from .scores import HierarchicalScores, LevelScores, level_scores
from .stratified import Z_95, Assessment, Estimate, assess

__all__ = (
    "Z_95",
    "Assessment",
    "Estimate",
    "HierarchicalMetrics",
    "HierarchicalScores",
    "LevelScores",
    "PairCounts",
    "allocate",
    "assess",
    "level_scores",
    "sample_size",
)
