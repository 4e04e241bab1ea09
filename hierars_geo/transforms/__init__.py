"""Augmentation of chips: geometry, scale and radiometry."""

from .augmentation import ChipAugmentation
from .radiometry import Radiometry

__all__ = (
    "ChipAugmentation",
    "Radiometry",
)
