"""Hierarchical scores from accumulated confusion matrices, and estimates from samples."""

from typing import TYPE_CHECKING

from ..imports import lazy_face
from .scores import HierarchicalScores, LevelScores, PairCounts
from .stratified import Assessment, Estimate, Guesses, allocate, assess, sample_size

if TYPE_CHECKING:
    from .hierarchical import HierarchicalMetrics, ReliabilityMetric
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = (
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
    "sample_size",
)
