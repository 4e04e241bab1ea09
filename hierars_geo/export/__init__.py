"""Export: a trained model as one graph that other programs run, and its description for catalogs."""

from ..predict.network.graph import MapGraph
from .deepness import DeepnessGraph
from .model_item import deepness_metadata
from .publishing import ModelCard, publish_model
from .writing import ExportedModel, export_model

__all__ = (
    "DeepnessGraph",
    "ExportedModel",
    "MapGraph",
    "ModelCard",
    "deepness_metadata",
    "export_model",
    "publish_model",
)
