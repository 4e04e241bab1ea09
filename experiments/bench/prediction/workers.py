"""Processes against threads on this machine, and what 64 workers would do, from the times of single tasks."""

import heapq
import multiprocessing
import pickle
import tempfile
import time
from collections import deque
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
    """Scenes on some workers.

    Attributes:
        workers: Workers of one thread.
        seconds: Until the maps of all are there, over the number of scenes.
        busy: Share of the workers' time that they compute, 0..1.
        client: Share of the time that the client stores rows and makes maps, 0..1.
    """

    workers: int
    seconds: float
    busy: float
    client: float


def simulate(
    times: TaskTimes, side_px: int, window_px: int, overlap: float, paths: int, workers: int, scenes: int = 1
) -> Simulated:
    """Let workers take the chunks of scenes, the next free one the next chunk, and one client store them.

    As the engine does it: two chunks a worker are under way or wait to be stored, those of a scene before
    those of the next; the client takes the chunks of a scene as they are finished, makes its maps, and turns
    to the next scene. Reading and the network between machines cost nothing here.
    """
    shape = side_px, side_px
    plan = ChunkPlan.of(shape, WindowPlan.of(shape, window_px, overlap), paths, chunk_rows=CHUNK_ROWS)
    windows = [plan[number].window for number in range(len(plan))]
    task_s = [times.window_s * plan.windows.count_within(window) for window in windows]
    left = deque((scene, number) for scene in range(scenes) for number in range(len(plan)))
    free = [0.0] * workers
    finished: list[list[tuple[float, int]]] = [[] for _ in range(scenes)]

    def ask(now: float) -> None:
        if left:
            scene, number = left.popleft()
            end = max(heapq.heappop(free), now) + task_s[number]
            heapq.heappush(free, end)
            heapq.heappush(finished[scene], (end, number))

    for _ in range(2 * workers):
        ask(0.0)
    client = idle = 0.0
    for scene in range(scenes):
        for _ in windows:
            end, number = heapq.heappop(finished[scene])
            idle += max(0.0, end - client)
            client = max(client, end)
            ask(client)
            client += times.store_s * windows[number].height * windows[number].width
        client += times.finish_s * side_px**2
    busy = sum(task_s) * scenes / (workers * client)
    return Simulated(workers, client / scenes, busy, 1 - idle / client)
