"""Many machines: chunks of scenes as Dask tasks, written by the one process that asked for them."""

import importlib
import os
import socket
from collections import Counter
from collections.abc import Generator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from types import ModuleType
from typing import Any, Self

from ..errors import CheckpointError, ClusterError, OptionError
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
    predictor = cached_predictor(job.checkpoint, job.sha256, job.device, job.options)
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
    return cached_predictor(job.checkpoint, job.sha256, job.device, job.options).batch_size(window)


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


class DaskEngine:
    """A connection to a Dask cluster; without an address, to one on this machine, ended with the block.

    Several threads may predict scenes with it at once.

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
        size: int = self._result(self._client.submit(worker_batch_size, job, window, pure=False))
        return size

    def chunks(
        self, job: SceneJob, starts: Sequence[tuple[int, int]]
    ) -> Generator[tuple[int, Rows], None, None]:
        """Predict chunks of a scene on the cluster.

        Only so many are under way that every worker has its next one: nothing piles up on the workers where
        the disk here is slower.

        Args:
            job: The scene.
            starts: (number of the chunk, row of the raster to begin with) of what is missing.

        Yields:
            Number of each and its rows, as they are finished.

        Raises:
            ClusterError: Workers died too often, or the scheduler went away.
            HieraRSError: A task failed, as it would have here.
        """
        left = iter(starts)
        number_of: dict[Any, int] = {}

        def submit(count: int) -> list[Any]:
            futures = []
            for number, row in islice(left, count):
                future = self._client.submit(predict_chunk, job, number, row, pure=False, retries=_RETRIES)
                number_of[future] = number
                futures.append(future)
            return futures

        try:
            finished = _distributed().as_completed(submit(self._most_ahead()))
            for future in finished:
                rows, worker = self._result(future)
                number = number_of.pop(future)
                finished.update(submit(1))
                self.chunks_by_worker[worker] += 1
                yield number, rows
        finally:
            if number_of:
                self._client.cancel(list(number_of))

    def _most_ahead(self) -> int:
        threads: dict[str, int] = self._client.nthreads()
        return _AHEAD * max(1, sum(threads.values()))

    def _result(self, future: Any) -> Any:  # noqa: ANN401
        try:
            return future.result()
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
