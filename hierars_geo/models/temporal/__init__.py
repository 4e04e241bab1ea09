"""Models of series: one encoder per date, and what brings the dates together."""

from .features import TEMPORAL, RunningFeatures, SeriesFeatures
from .ltae import LTAE, UTAE

__all__ = ("LTAE", "TEMPORAL", "UTAE", "RunningFeatures", "SeriesFeatures")
