"""Hierarchical land-cover and crop segmentation of georeferenced scenes (HieraRS) on TorchGeo."""

__version__ = "0.1.0"
