"""Prediction: checkpoints, windows, blending, decoding, maps."""

from typing import TYPE_CHECKING

from ..imports import lazy_face

if TYPE_CHECKING:
    from .accumulator import Accumulator, Block
    from .arrays import ArrayPrediction, iter_windows, predict_array
    from .chunks import Chunk, ChunkPlan
    from .engine import Engine, SceneJob
    from .engine_dask import DaskEngine
    from .network.torch_session import resolve_device, torch_runtime
    from .options import NetworkOptions, OutputOptions, PredictOptions, ReadingOptions, WindowOptions
    from .predictor import Predictor, ScenePath
    from .rows import Rows
    from .runtime import Runtime
    from .scene_list import SceneList, SceneState
    from .scene_run import SceneRun
    from .stream import stream_blocks
    from .window_plan import WindowPlan
else:
    __getattr__ = lazy_face(__name__, __file__)

__all__ = (
    "Accumulator",
    "ArrayPrediction",
    "Block",
    "Chunk",
    "ChunkPlan",
    "DaskEngine",
    "Engine",
    "NetworkOptions",
    "OutputOptions",
    "PredictOptions",
    "Predictor",
    "ReadingOptions",
    "Rows",
    "Runtime",
    "SceneJob",
    "SceneList",
    "ScenePath",
    "SceneRun",
    "SceneState",
    "WindowOptions",
    "WindowPlan",
    "iter_windows",
    "predict_array",
    "resolve_device",
    "stream_blocks",
    "torch_runtime",
)
