"""Hierarchical models: BHCCM on any flat model, losses, decoding."""

from .bhccm import BHCCM, MODES, MergeBlock, Mode
from .decode import adaptive_depth, is_legal, jsps, level_confidence, path_classes, path_index, path_logits
from .factory import ModelConfig, architectures, build_segmenter
from .features import FeatureExtractor, extract_features
from .gaussian import GaussianClassifier
from .layer_groups import LayerGroups, layer_groups
from .losses import HCCLoss, HSCLoss
from .record import RECORD_KEY, ModelRecord
from .scene_model import SceneModel
from .segmenter import HierarchicalSegmenter

__all__ = (
    "BHCCM",
    "MODES",
    "RECORD_KEY",
    "FeatureExtractor",
    "GaussianClassifier",
    "HCCLoss",
    "HSCLoss",
    "HierarchicalSegmenter",
    "LayerGroups",
    "MergeBlock",
    "Mode",
    "ModelConfig",
    "ModelRecord",
    "SceneModel",
    "adaptive_depth",
    "architectures",
    "build_segmenter",
    "extract_features",
    "is_legal",
    "jsps",
    "layer_groups",
    "level_confidence",
    "path_classes",
    "path_index",
    "path_logits",
)
