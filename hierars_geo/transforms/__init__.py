"""Augmentation of chips: geometry, scale and radiometry."""

from .augmentation import ChipAugmentation, Radiometry

__all__ = (
    "ChipAugmentation",
    "Radiometry",
)
