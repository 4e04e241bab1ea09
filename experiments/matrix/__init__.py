"""The experiments as data: what every configuration under experiments/ says, and how it is written."""

from .experiment import Experiment, render
from .published import published_experiments
from .small import small_experiments
from .transfer import transfer_experiments

__all__ = ("Experiment", "all_experiments", "render")


def all_experiments() -> list[Experiment]:
    """Every generated configuration."""
    return [*small_experiments(), *published_experiments(), *transfer_experiments()]
