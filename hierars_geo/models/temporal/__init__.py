"""Models of series: one encoder per date, and what brings the dates together."""

from .features import TEMPORAL, RunningFeatures, SeriesFeatures, build_reduction
from .ltae import LTAE, UTAE
from .reduction import MaxOverDates, MeanOverDates, TemporalReduction

__all__ = (
    "LTAE",
    "TEMPORAL",
    "UTAE",
    "MaxOverDates",
    "MeanOverDates",
    "RunningFeatures",
    "SeriesFeatures",
    "TemporalReduction",
    "build_reduction",
)
