"""Lightning modules: what is trained, how, and what is scored on the way."""

from .baseline import learn_gaussian
from .labelled import RequireLabels
from .recipe import parameter_groups, warmup_polynomial
from .segmentation import BHCCMTask

__all__ = ("BHCCMTask", "RequireLabels", "learn_gaussian", "parameter_groups", "warmup_polynomial")
