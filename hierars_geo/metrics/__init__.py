"""Hierarchical scores from accumulated confusion matrices, and estimates from samples."""

from typing import TYPE_CHECKING

from ..imports import lazy_face
from .scores import HierarchicalScores, LevelScores, PairCounts, level_scores
from .stratified import Z_95, Assessment, Estimate, Guesses, allocate, assess, sample_size

if TYPE_CHECKING:
    from .hierarchical import HierarchicalMetrics, ReliabilityMetric
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = (
    "Z_95",
    "Assessment",
    "Estimate",
    "Guesses",
    "HierarchicalMetrics",
    "HierarchicalScores",
    "LevelScores",
    "PairCounts",
    "ReliabilityMetric",
    "allocate",
    "assess",
    "level_scores",
    "sample_size",
)
