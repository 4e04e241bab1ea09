"""Lightning modules: what is trained, how, and what is scored on the way."""

from .recipe import parameter_groups, warmup_polynomial
from .segmentation import BHCCMTask

__all__ = ("BHCCMTask", "parameter_groups", "warmup_polynomial")
