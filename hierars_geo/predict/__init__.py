"""Prediction: checkpoints, windows, blending, decoding, maps."""

from .accumulator import Accumulator, Block
from .arrays import ArrayPrediction, iter_windows, predict_array
from .chunks import Chunk, ChunkPlan
from .engine import Engine, SceneJob
from .engine_dask import DaskEngine
from .options import PredictOptions
from .predictor import Predictor, ScenePath
from .rows import Rows
from .runtime import Runtime, resolve_device, torch_runtime
from .scene_list import SceneList, SceneState
from .stream import stream_blocks
from .window_plan import WindowPlan

__all__ = (
    "Accumulator",
    "ArrayPrediction",
    "Block",
    "Chunk",
    "ChunkPlan",
    "DaskEngine",
    "Engine",
    "PredictOptions",
    "Predictor",
    "Rows",
    "Runtime",
    "SceneJob",
    "SceneList",
    "ScenePath",
    "SceneState",
    "WindowPlan",
    "iter_windows",
    "predict_array",
    "resolve_device",
    "stream_blocks",
    "torch_runtime",
)
