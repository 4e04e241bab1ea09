"""What a worker process does: one chunk of one scene, from plain arguments.

A task names files and numbers; no code travels. Workers read the same paths as the client, so scenes and
checkpoint lie on storage that all of them see, or at an address that GDAL reads.
"""

import os
import socket
import time
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError
from ..scenes.dataset import bounded_block_cache
from .engine import ChunkLayers, SceneJob
from .options import PredictOptions
from .predictor import Predictor


def predict_chunk_layers(job: SceneJob, number: int, from_row: int) -> ChunkLayers:
    """Predict one chunk: the task of the Dask engine.

    Args:
        job: The scene.
        number: Of the chunk, in the plan that follows from the job.
        from_row: Row of the raster to begin with where that lies inside the chunk.

    Raises:
        HieraRSError: What the local engine would raise.
    """
    start = time.perf_counter()
    predictor = cached_predictor(job.checkpoint, job.sha256, job.device, job.options)
    parts: dict[str, list[NDArray[np.generic]]] = {}
    any_data = False
    with bounded_block_cache(), predictor.open(job.rasters) as scene:
        plan = predictor.chunk_plan(scene, chunk_rows=job.chunk_rows)
        for strip in predictor.chunk_strips(scene, plan, plan[number], from_row):
            any_data = any_data or strip.any_data
            for name, array in strip.layers.items():
                parts.setdefault(name, []).append(array)
        windows = plan.windows.count_within(plan[number].below(max(from_row, plan[number].window.row)))
    joined = {name: np.concatenate(strips, axis=-2) for name, strips in parts.items()}
    worker = f"{socket.gethostname()}:{os.getpid()}"
    return ChunkLayers(joined, any_data, windows, time.perf_counter() - start, worker)


def worker_batch_size(job: SceneJob, window: tuple[int, int]) -> int:
    """Windows of (height, width) px per forward pass that this worker takes.

    Raises:
        HieraRSError: The checkpoint cannot be loaded here.
    """
    return cached_predictor(job.checkpoint, job.sha256, job.device, job.options).batch_size(window)


@lru_cache(maxsize=1)
def cached_predictor(checkpoint: str, sha256: str, device: str, options: PredictOptions) -> Predictor:
    """Return this process's one model, loaded at its first task.

    Raises:
        CheckpointError: The file here is not the one the client has.
    """
    plain: dict[str, Any] = options.to_dict()
    predictor = Predictor(checkpoint, device, **plain)
    if predictor.loaded.sha256 != sha256:
        raise CheckpointError(
            f"Expected {checkpoint} to be the same file on every machine, but this worker found another one. "
            "Put the checkpoint on storage that all of them share."
        )
    return predictor


__all__ = ("cached_predictor", "predict_chunk_layers", "worker_batch_size")
