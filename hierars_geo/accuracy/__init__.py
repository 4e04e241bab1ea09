"""Accuracy the way the field reports it: sample points to label, and estimates with intervals from them."""

from typing import TYPE_CHECKING

from ..imports import lazy_face

if TYPE_CHECKING:
    from .assessment import LevelAssessment, SceneAssessment, assess_maps
    from .by_date import draw_by_date, evaluate_by_date, maps_by_date
    from .evaluation import evaluate_common, evaluate_maps, evaluate_regions
    from .labels import ReferenceLabels
    from .reference_points import read_reference_points
    from .sampling import draw_pixels, sample_points
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = (
    "LevelAssessment",
    "ReferenceLabels",
    "SceneAssessment",
    "assess_maps",
    "draw_by_date",
    "draw_pixels",
    "evaluate_by_date",
    "evaluate_common",
    "evaluate_maps",
    "evaluate_regions",
    "maps_by_date",
    "read_reference_points",
    "sample_points",
)
