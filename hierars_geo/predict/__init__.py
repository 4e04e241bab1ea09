"""Prediction: checkpoints, windows, blending, decoding, maps."""

from .accumulator import Accumulator, Rows
from .checkpoint import LoadedModel, load_checkpoint, read_checkpoint, resolve_device
from .evaluation import evaluate_classifier, evaluate_maps, find_level_maps
from .options import PredictOptions
from .predictor import Prediction, Predictor
from .stream import WindowPlan, stream_rows

__all__ = (
    "Accumulator",
    "LoadedModel",
    "PredictOptions",
    "Prediction",
    "Predictor",
    "Rows",
    "WindowPlan",
    "evaluate_classifier",
    "evaluate_maps",
    "find_level_maps",
    "load_checkpoint",
    "read_checkpoint",
    "resolve_device",
    "stream_rows",
)
