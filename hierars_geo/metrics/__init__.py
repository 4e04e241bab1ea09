"""Hierarchical scores from accumulated confusion matrices, and estimates from samples."""

from typing import TYPE_CHECKING

from ..imports import lazy_face
from .pair_counts import PairCounts
from .sample_size import allocate, sample_size
from .scores import HierarchicalScores, LevelScores, level_scores
from .stratified import Z_95, Assessment, Estimate, assess

if TYPE_CHECKING:
    from .hierarchical import HierarchicalMetrics
else:
    __getattr__ = lazy_face(__name__, __file__)

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
