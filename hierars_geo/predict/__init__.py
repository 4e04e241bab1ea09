"""Prediction: checkpoints, windows, blending, decoding, maps."""

from ..nn import read_checkpoint
from .accumulator import Accumulator, Block
from .arrays import ArrayPrediction, iter_windows, predict_array
from .checkpoint import LoadedModel, load_checkpoint, resolve_device
from .chunks import Chunk, ChunkPlan, predict_chunk
from .engine import ChunkLayers, Engine, SceneJob
from .engine_dask import DaskEngine
from .evaluation import evaluate_classifier, evaluate_maps, evaluate_regions, find_level_maps
from .label_source import LabelReader, LabelSource, RasterLabels
from .options import PredictOptions
from .predictor import Predictor, ScenePath
from .regions import Regions
from .results import Prediction
from .scene_list import SceneList, SceneState
from .stream import stream_blocks
from .window_plan import WindowPlan

__all__ = (
    "Accumulator",
    "ArrayPrediction",
    "Block",
    "Chunk",
    "ChunkLayers",
    "ChunkPlan",
    "DaskEngine",
    "Engine",
    "LabelReader",
    "LabelSource",
    "LoadedModel",
    "PredictOptions",
    "Prediction",
    "Predictor",
    "RasterLabels",
    "Regions",
    "SceneJob",
    "SceneList",
    "ScenePath",
    "SceneState",
    "WindowPlan",
    "evaluate_classifier",
    "evaluate_maps",
    "evaluate_regions",
    "find_level_maps",
    "iter_windows",
    "load_checkpoint",
    "predict_array",
    "predict_chunk",
    "read_checkpoint",
    "resolve_device",
    "stream_blocks",
)
