"""Export: a trained model as one graph that other programs run, and its description for catalogs."""

from .graph import DeepnessGraph, MapGraph
from .model_item import deepness_metadata, model_item
from .publishing import ModelCard, publish_model
from .writing import FORMATS, SUFFIXES, ExportedModel, Format, export_model

__all__ = (
    "FORMATS",
    "SUFFIXES",
    "DeepnessGraph",
    "ExportedModel",
    "Format",
    "MapGraph",
    "ModelCard",
    "deepness_metadata",
    "export_model",
    "model_item",
    "publish_model",
)
