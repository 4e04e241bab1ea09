"""Hierarchical losses: cross-entropy per level and the consistency of paths (HSC), the legacy HCC."""

from .hierarchical import HCCLoss, HSCLoss

__all__ = (
    "HCCLoss",
    "HSCLoss",
)
