"""Models of series: one encoder per date, and what brings the dates together."""

from .features import TEMPORAL, RunningFeatures, SeriesFeatures, build_reduction
from .ltae import LTAE
from .reduction import MaxOverDates, MeanOverDates, TemporalReduction
from .utae import UTAE

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
