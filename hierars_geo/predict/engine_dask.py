"""Many machines: chunks of scenes as Dask tasks, written by the one process that asked for them."""

import importlib
import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Self

from ..errors import CheckpointError, ClusterError, HieraRSError, OptionError
from ..scenes.dataset import bounded_block_cache
from .engine import SceneJob
from .options import PredictOptions
from .predictor import Predictor
from .rows import Rows, below

#: Rows of a chunk: large enough that the windows predicted for both sides of a cut are few.
CHUNK_ROWS = 2048

#: Chunks under way or waiting to be written, per thread of a worker: bounds what the cluster holds.
_AHEAD = 2

#: A task that raises is tried again; one whose worker dies is moved by Dask itself.
_RETRIES = 2

_CONNECT_S = 30


def predict_chunk(job: SceneJob, number: int, from_row: int) -> tuple[Rows, str]:
    """Predict one chunk, in a worker.

    A task names files and numbers; no code travels. Workers read the same paths as the client, so scenes and
    checkpoint lie on storage that all of them see, or at an address that GDAL reads.

    Args:
        job: The scene.
        number: Of the chunk, in the plan that follows from the job.
        from_row: Row of the raster to begin with where that lies inside the chunk.

    Returns:
        Its rows, and host and process that made them.

    Raises:
        HieraRSError: What the local engine would raise.
    """
    with _errors_that_travel():
        predictor = _predictor_of(job)
        with bounded_block_cache(predictor.memory.block_cache_bytes), predictor.open(job.rasters) as scene:
            plan = predictor.chunk_plan(scene, job.chunk_px, job.chunk_rows)
            part = plan[number].below(max(from_row, plan[number].window.row))
            rows = below(predictor.rows(scene, plan, part))
    return rows, f"{socket.gethostname()}:{os.getpid()}"


def worker_batch_size(job: SceneJob, window: tuple[int, int]) -> int:
    """Windows of (height, width) px per forward pass that this worker takes.

    Raises:
        HieraRSError: The checkpoint cannot be loaded here.
    """
    with _errors_that_travel():
        return _predictor_of(job).batch_size(window)


@contextmanager
def _errors_that_travel() -> Iterator[None]:
    """Raise our errors without what they were raised from: GDAL's own cannot be unpickled."""
    try:
        yield
    except HieraRSError as error:
        error.__cause__ = error.__context__ = None
        raise


def _predictor_of(job: SceneJob) -> Predictor:
    """Return the one model for a scene, season or day of a season: each may have batches of its own."""
    options = job.options.replaced(until=None, batch_size=None)
    predictor = cached_predictor(job.checkpoint, job.sha256, job.device, options)
    own = job.options
    return predictor.replaced(until=own.reading.until, batch_size=own.windows.batch_size)


@lru_cache(maxsize=1)
def cached_predictor(checkpoint: str, sha256: str, device: str, options: PredictOptions) -> Predictor:
    """Return this process's one model, loaded at its first task.

    Raises:
        CheckpointError: The file here is not the one the client has.
    """
    predictor = Predictor(checkpoint, options, device)
    if predictor.loaded.sha256 != sha256:
        raise CheckpointError(
            f"Expected {checkpoint} to be the same file on every machine, but this worker found another one. "
            "Put the checkpoint on storage that all of them share."
        )
    return predictor


@dataclass(eq=False)
class _Asked:
    """Chunks of a scene: with the cluster by their futures, and left to be handed out."""

    job: SceneJob
    left: deque[tuple[int, int]]
    numbers: dict[Any, int] = field(default_factory=dict)


class DaskEngine:
    """A connection to a Dask cluster; without an address, to one on this machine, ended with the block.

    Several scenes may be with it at once, asked for by one thread.

    Args:
        scheduler: Address such as ``tcp://10.0.0.1:8786``; None starts workers here.
        workers: Processes to start here: default one per GPU, or one per CPU core.
        chunk_rows: Most rows of a chunk.

    Attributes:
        chunks_by_worker: Chunks that came back, by host and process.

    Raises:
        OptionError: Dask is not installed.
        ClusterError: No scheduler answers.
    """

    def __init__(
        self, scheduler: str | None = None, workers: int | None = None, chunk_rows: int = CHUNK_ROWS
    ) -> None:
        self.chunk_rows = chunk_rows
        self.chunks_by_worker: Counter[str] = Counter()
        distributed = _distributed()
        self._lost = (
            distributed.KilledWorker,
            distributed.CancelledError,
            distributed.comm.CommClosedError,
            distributed.TimeoutError,
        )
        self._cluster: Any = None
        self._asked: list[_Asked] = []
        if scheduler is None:
            count = workers or _gpus() or os.cpu_count() or 1
            self._cluster = distributed.LocalCluster(
                n_workers=count, threads_per_worker=1, processes=True, dashboard_address=":0"
            )
        try:
            self._client: Any = distributed.Client(self._cluster or scheduler, timeout=_CONNECT_S)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"Expected a Dask scheduler at {scheduler}, but none answered. Start 'dask scheduler' "
                "and workers with 'dask worker ADDRESS --nthreads 1'."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster, and end the one that was started here."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def batch_size(self, job: SceneJob, window: tuple[int, int]) -> int:
        """Ask one of the workers, which all have the same kind of device, how large its batches are.

        Raises:
            ClusterError: Workers died too often, or the scheduler went away.
            HieraRSError: The checkpoint cannot be loaded there.
        """
        size: int = self._result(self._client.submit(worker_batch_size, job, window, pure=False).result)
        return size

    @property
    def chunks_ahead(self) -> int:
        """Every worker's next chunk, and the one after it while a scene's files are written here."""
        threads: dict[str, int] = self._client.nthreads()
        return _AHEAD * max(1, sum(threads.values()))

    @contextmanager
    def chunks(
        self, job: SceneJob, starts: Sequence[tuple[int, int]]
    ) -> Iterator[Iterator[tuple[int, Rows]]]:
        """Ask for chunks of a scene; workers turn to them after those of scenes that were asked for before.

        Only so many of all scenes are under way, or finished and not yet stored, that every worker has its
        next one: nothing piles up on the workers where the disk here is slower. What is left at the end of
        the block is cancelled.

        Args:
            job: The scene.
            starts: (number of the chunk, row of the raster to begin with) of what is missing.

        Yields:
            What gives number of each and its rows, as they are finished.

        Raises:
            ClusterError: Workers died too often, or the scheduler went away.
            HieraRSError: A task failed, as it would have here.
        """
        asked = _Asked(job, deque(starts))
        self._asked.append(asked)
        try:
            self._submit()
            yield self._finished(asked)
        finally:
            self._asked.remove(asked)
            if asked.numbers:
                self._client.cancel(list(asked.numbers))

    def _finished(self, asked: "_Asked") -> Iterator[tuple[int, Rows]]:
        while asked.left or asked.numbers:
            if not asked.numbers:  # other scenes hold all the room
                self._hand_out(asked)
            first = partial(_distributed().wait, list(asked.numbers), return_when="FIRST_COMPLETED")
            for future in self._result(first).done:
                rows, worker = self._result(future.result)
                number = asked.numbers.pop(future)
                self._submit()
                self.chunks_by_worker[worker] += 1
                yield number, rows

    def _submit(self) -> None:
        """Hand out as much as may be under way, scenes in the order in which they were asked for."""
        room = self.chunks_ahead - sum(len(asked.numbers) for asked in self._asked)
        for asked in self._asked:
            while asked.left and room > 0:
                self._hand_out(asked)
                room -= 1

    def _hand_out(self, asked: "_Asked") -> None:
        number, row = asked.left.popleft()
        future = self._client.submit(predict_chunk, asked.job, number, row, pure=False, retries=_RETRIES)
        asked.numbers[future] = number

    def _result(self, ask: Callable[[], Any]) -> Any:  # noqa: ANN401
        try:
            return ask()
        except self._lost as error:
            reason = " ".join(str(error).split())[:160]
            raise ClusterError(
                f"Expected the Dask cluster to keep working, but {type(error).__name__}: {reason}. See the "
                "workers' logs (memory is the usual reason), then run again with --resume."
            ) from error


def _gpus() -> int:
    """GPUs of this machine that PyTorch sees, where it is installed."""
    if find_spec("torch") is None:
        return 0
    count: int = importlib.import_module("torch").cuda.device_count()
    return count


def _distributed() -> ModuleType:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise OptionError(
            "Expected Dask to be installed for --engine dask, but it is not. "
            "Install it: pip install 'hierars-geo[dask]'."
        ) from error
