"""Accuracy the way the field reports it: sample points to label, and estimates with intervals from them."""

from typing import TYPE_CHECKING

from ..imports import lazy_face

if TYPE_CHECKING:
    from .assessment import LevelAssessment, SceneAssessment, assess_maps
    from .by_date import draw_by_date, evaluate_by_date, maps_by_date
    from .evaluation import evaluate_classifier, evaluate_common, evaluate_maps, evaluate_regions
    from .labels import LabelReader, LabelSource, ReferenceLabels
    from .reference_points import ReferencePoints, read_reference_points
    from .sampling import draw_pixels, sample_points
    from .strata import Strata
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = (
    "LabelReader",
    "LabelSource",
    "LevelAssessment",
    "ReferenceLabels",
    "ReferencePoints",
    "SceneAssessment",
    "Strata",
    "assess_maps",
    "draw_by_date",
    "draw_pixels",
    "evaluate_by_date",
    "evaluate_classifier",
    "evaluate_common",
    "evaluate_maps",
    "evaluate_regions",
    "maps_by_date",
    "read_reference_points",
    "sample_points",
)
