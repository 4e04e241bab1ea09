"""Models of series: one encoder per date, and what brings the dates together."""

from .features import TEMPORAL, RunningFeatures, SeriesFeatures
from .ltae import LTAE, UTAE
from .presto import PrestoEncoder, PrestoFeatures

__all__ = ("LTAE", "TEMPORAL", "UTAE", "PrestoEncoder", "PrestoFeatures", "RunningFeatures", "SeriesFeatures")
