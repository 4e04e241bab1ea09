"""Accuracy the way the field reports it: sample points to label, and estimates with intervals from them."""

from .assessment import LevelAssessment, SceneAssessment, assess_maps
from .opened_labels import OpenedLabels
from .reference_points import ReferencePoints, read_reference_points
from .sampling import sample_points
from .strata import DrawnPixels, PathCounts, Strata, count_paths, draw_pixels

__all__ = (
    "DrawnPixels",
    "LevelAssessment",
    "OpenedLabels",
    "PathCounts",
    "ReferencePoints",
    "SceneAssessment",
    "Strata",
    "assess_maps",
    "count_paths",
    "draw_pixels",
    "read_reference_points",
    "sample_points",
)
