"""Processes against threads on this machine, and what 64 workers would do, from the times of single tasks."""

import heapq
import multiprocessing
import pickle
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hierars_geo.predict import ChunkPlan, PredictOptions, Predictor, Rows, WindowPlan
from hierars_geo.predict.engine_dask import CHUNK_ROWS
from hierars_geo.predict.maps import stored_layer, write_layer
from hierars_geo.predict.rows import RowStore, below

_OPTIONS = PredictOptions(runtime="torch")


def by_threads(checkpoint: Path, scene: Path, threads: int, processes: int) -> tuple[float, dict[str, bytes]]:
    """Predict the rows of a scene in some processes, a chunk each, after a window that does not count.

    Returns:
        Seconds on the clock, models loaded; and the rows of every layer.
    """
    context = multiprocessing.get_context("spawn")
    ready, done = context.Barrier(processes + 1), context.SimpleQueue()
    half = (str(checkpoint), str(scene), threads, ready, done)
    running = [
        context.Process(target=_predict_chunk, args=(*half, number, processes)) for number in range(processes)
    ]
    for process in running:
        process.start()
    ready.wait()
    start = time.perf_counter()
    found = dict(done.get() for _ in running)
    seconds = time.perf_counter() - start
    for process in running:
        process.join()
    return seconds, {name: b"".join(found[nth][name] for nth in range(processes)) for name in found[0]}


def _predict_chunk(
    checkpoint: str, scene: str, threads: int, ready: Any, done: Any, number: int, count: int
) -> None:
    torch.set_num_threads(threads)
    predictor = Predictor(checkpoint, _OPTIONS, "cpu")
    with predictor.open(scene) as source:
        plan = predictor.chunk_plan(source, chunk_rows=-(-source.grid.height // count))
        next(predictor.rows(source, plan, plan[number].window))
        ready.wait()
        rows = below(predictor.rows(source, plan, plan[number].window))
        done.put((number, {name: layer.tobytes() for name, layer in rows.layers.items()}))


@dataclass(frozen=True)
class TaskTimes:
    """CPU seconds of one thread.

    Attributes:
        window_s: Of a worker, for a window: reading, network, blending, decoding.
        store_s: Of the client, for a pixel: taking rows over and storing them.
        finish_s: Of the client, for a pixel: three cloud-optimised GeoTIFFs from stored rows.
    """

    window_s: float
    store_s: float
    finish_s: float


def task_times(checkpoint: Path, scene: Path) -> TaskTimes:
    """Time the tasks of a prediction."""
    predictor = Predictor(checkpoint, _OPTIONS, "cpu")
    taxonomy = predictor.loaded.record.taxonomy
    with tempfile.TemporaryDirectory(dir=scene.parent) as name, predictor.open(scene) as source:
        plan = predictor.chunk_plan(source)
        pixels = plan.shape[0] * plan.shape[1]
        window = plan[0].window
        next(predictor.rows(source, plan, window))
        compute_s, rows = _cpu(lambda: below(predictor.rows(source, plan, window)))
        travelling = pickle.dumps(rows)

        kept = RowStore(Path(name), plan, tuple(stored_layer(one, taxonomy) for one in predictor.layers))

        def store() -> None:
            arrived: Rows = pickle.loads(travelling)
            with kept.open_chunk(plan[0]) as writer:
                writer.append(arrived)

        def finish() -> None:
            for layer in predictor.layers:
                write_layer(layer, kept, source.grid, taxonomy, Path(name) / f"{layer.name}.tif", {})

        store_s, _ = _cpu(store)
        finish_s, _ = _cpu(finish)
    return TaskTimes(compute_s / plan.num_windows, store_s / pixels, finish_s / pixels)


def _cpu(work: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


@dataclass(frozen=True)
class Simulated:
    """A scene on some workers.

    Attributes:
        workers: Workers of one thread.
        seconds: Until its maps are there.
        busy: Share of the workers' time that they compute, 0..1.
        bottleneck: What the time is spent waiting for.
    """

    workers: int
    seconds: float
    busy: float
    bottleneck: str


def simulate(
    times: TaskTimes, side_px: int, window_px: int, overlap: float, paths: int, workers: int
) -> Simulated:
    """Let workers take the chunks of a scene, the next free one the next chunk, and one client store them.

    Reading and the network between machines cost nothing here; workers wait for nobody but the client.
    """
    shape = side_px, side_px
    windows = WindowPlan.of(shape, window_px, overlap)
    plan = ChunkPlan.of(shape, windows, paths, chunk_rows=CHUNK_ROWS)
    free = [0.0] * workers
    arrived, computed_s = [], 0.0
    for number in range(len(plan)):
        task_s = times.window_s * windows.count_within(plan[number].window)
        end = heapq.heappop(free) + task_s
        heapq.heappush(free, end)
        arrived.append((end, plan[number].window))
        computed_s += task_s
    client = 0.0
    for end, window in sorted(arrived, key=lambda one: one[0]):
        client = max(client, end) + times.store_s * window.height * window.width
    last = max(free)
    seconds = client + times.finish_s * side_px**2
    reason = {
        f"{len(plan)} chunks for {workers} workers": last - computed_s / workers,
        "the client's storing and COGs": seconds - last,
        "the network's own time": computed_s / workers,
    }
    return Simulated(
        workers, seconds, computed_s / (workers * seconds), max(reason, key=lambda one: reason[one])
    )
