"""Assembling a data set of several sources of the same places, as MM-5B was."""

from .assemble import AssembleResult, assemble
from .coregistration import Shift, measure_shift
from .sources import AssembleOptions, SourceName

__all__ = ("AssembleOptions", "AssembleResult", "Shift", "SourceName", "assemble", "measure_shift")
