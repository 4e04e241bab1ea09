"""Assembling a data set of several sources of the same places, as MM-5B was."""

from .assemble import AssembleResult, assemble
from .coregistration import Shift, measure_shift
from .sources import AssembleOptions

__all__ = (
    "AssembleOptions",
    "AssembleResult",
    "Shift",
    "assemble",
    "measure_shift",
)
