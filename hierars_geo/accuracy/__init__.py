"""Accuracy the way the field reports it: sample points to label, and estimates with intervals from them."""

from .assessment import LevelAssessment, SceneAssessment, assess_maps
from .evaluation import evaluate_classifier, evaluate_maps, evaluate_regions, find_level_maps
from .label_source import LabelReader, LabelSource, RasterLabels
from .opened_labels import OpenedLabels
from .reference_points import ReferencePoints, read_reference_points
from .sampling import sample_points
from .strata import DrawnPixels, PathCounts, Strata, count_paths, draw_pixels

__all__ = (
    "DrawnPixels",
    "LabelReader",
    "LabelSource",
    "LevelAssessment",
    "OpenedLabels",
    "PathCounts",
    "RasterLabels",
    "ReferencePoints",
    "SceneAssessment",
    "Strata",
    "assess_maps",
    "count_paths",
    "draw_pixels",
    "evaluate_classifier",
    "evaluate_maps",
    "evaluate_regions",
    "find_level_maps",
    "read_reference_points",
    "sample_points",
)
