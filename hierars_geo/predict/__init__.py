"""Prediction: checkpoints, windows, blending, decoding, maps."""

from .accumulator import Accumulator, Block
from .arrays import ArrayPrediction, iter_windows, predict_array
from .checkpoint import LoadedModel, load_checkpoint, resolve_device
from .chunks import Chunk, ChunkPlan, predict_chunk
from .engine import ChunkLayers, Engine, SceneJob
from .engine_dask import DaskEngine
from .options import PredictOptions
from .predictor import Predictor, ScenePath
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
    "LoadedModel",
    "PredictOptions",
    "Predictor",
    "SceneJob",
    "SceneList",
    "ScenePath",
    "SceneState",
    "WindowPlan",
    "iter_windows",
    "load_checkpoint",
    "predict_array",
    "predict_chunk",
    "resolve_device",
    "stream_blocks",
)
