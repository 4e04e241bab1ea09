"""Hierarchical scores from accumulated confusion matrices."""

from .hierarchical import HierarchicalMetrics
from .scores import HierarchicalScores, LevelScores, level_scores

__all__ = ("HierarchicalMetrics", "HierarchicalScores", "LevelScores", "level_scores")
