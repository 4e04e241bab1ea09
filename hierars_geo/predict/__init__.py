"""Prediction: checkpoints, windows, blending, decoding, maps."""

from .accumulator import Accumulator, Rows
from .arrays import ArrayPrediction, iter_windows, predict_array
from .checkpoint import LoadedModel, load_checkpoint, read_checkpoint, resolve_device
from .evaluation import evaluate_classifier, evaluate_maps, find_level_maps
from .options import PredictOptions
from .predictor import Prediction, Predictor
from .stream import WindowPlan, stream_rows

__all__ = (
    "Accumulator",
    "ArrayPrediction",
    "LoadedModel",
    "PredictOptions",
    "Prediction",
    "Predictor",
    "Rows",
    "WindowPlan",
    "evaluate_classifier",
    "evaluate_maps",
    "find_level_maps",
    "iter_windows",
    "load_checkpoint",
    "predict_array",
    "read_checkpoint",
    "resolve_device",
    "stream_rows",
)
