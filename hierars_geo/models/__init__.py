"""Hierarchical models: BHCCM on any flat model, encoders, decoding, TransLU, checkpoints."""

from typing import TYPE_CHECKING

from ..imports import lazy_face

if TYPE_CHECKING:
    from .backbones import encoders
    from .band_adaptation import BandAdaptation, adapt_bands
    from .bhccm import BHCCM, MODES, LocalGates
    from .build import build_model, build_scene_model
    from .checkpoint import Checkpoint, Model, load, read_checkpoint
    from .decode import is_legal, jsps, level_confidence, path_index, path_logits
    from .expansion import expand_checkpoint
    from .factory import architectures, build_segmenter
    from .features import FeatureExtractor, extract_features
    from .forest import PixelForest
    from .init_report import InitReport
    from .map_model import MapModel
    from .pretrained import load_encoder_weights
    from .record import RECORD_KEY, CDKSOptions, ModelConfig, ModelRecord, Transfer
    from .scene_model import HierarchicalSegmenter, SceneModel
    from .transfer.cdks import CDKS
    from .transfer.cdsa import CDSA
    from .transfer.translu import TransLU
    from .transplanting import Parts, transplant
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = (
    "BHCCM",
    "CDKS",
    "CDSA",
    "MODES",
    "RECORD_KEY",
    "BandAdaptation",
    "CDKSOptions",
    "Checkpoint",
    "FeatureExtractor",
    "HierarchicalSegmenter",
    "InitReport",
    "LocalGates",
    "MapModel",
    "Model",
    "ModelConfig",
    "ModelRecord",
    "Parts",
    "PixelForest",
    "SceneModel",
    "TransLU",
    "Transfer",
    "adapt_bands",
    "architectures",
    "build_model",
    "build_scene_model",
    "build_segmenter",
    "encoders",
    "expand_checkpoint",
    "extract_features",
    "is_legal",
    "jsps",
    "level_confidence",
    "load",
    "load_encoder_weights",
    "path_index",
    "path_logits",
    "read_checkpoint",
    "transplant",
)
