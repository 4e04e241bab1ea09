"""What a process holds as it goes on: memory, handles, threads, files it left; and whether that grows."""

import ctypes
import gc
import json
import statistics
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TextIO

import psutil
from scipy.stats import theilslopes

#: Share of the samples that does not count: caches, pools and the allocator settle.
WARM_UP = 0.3
#: Most growth per 1000 iterations that is called flat.
LIMITS = {"memory": 1.0, "handles": 0.5, "threads": 0.5, "processes": 0.5, "leftovers": 0.5}
#: A slope of less than this over a whole run is the noise of the allocator, however short the run.
NOISE_MIB = 16.0


#: Has glibc give back memory that it keeps for later, which looks like growth; elsewhere it does nothing.
_TRIM: Callable[[int], int] = getattr(ctypes.CDLL(None), "malloc_trim", lambda keep: keep)


@dataclass(frozen=True)
class Sample:
    """One look at a process and its children.

    Attributes:
        iteration: How far it was.
        seconds: Since the start.
        memory: Resident MiB, children included; pages that they share count in each of them.
        handles: Open file descriptors, children included.
        threads: Of all of them.
        processes: The process and its children.
        leftovers: Files and folders in the temporary folder, which is the process's own.
        lines: Written to stdout and stderr so far.
        warnings: Given so far, libraries' included.
        objects: Python objects that the garbage collector knows.
    """

    iteration: int
    seconds: float
    memory: float
    handles: int
    threads: int
    processes: int
    leftovers: int
    lines: int
    warnings: int
    objects: int


class Recorder:
    """Looks at its own process every so many iterations.

    Args:
        temporary: The temporary folder of the process.
        log: File that its stdout and stderr go to.
        out: File to write samples and warnings to, at every look.
        every: Iterations between two looks.
    """

    def __init__(self, temporary: Path, log: Path, out: Path, every: int) -> None:
        self.temporary, self.log, self.out, self.every = temporary, log, out, every
        self.samples: list[Sample] = []
        self.given: Counter[str] = Counter()
        self._start = time.monotonic()
        warnings.simplefilter("always")
        warnings.showwarning = self._count

    def _count(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        self.given[f"{category.__name__}: {str(message)[:100]}"] += 1

    def look(self, iteration: int) -> None:
        """Take a sample where one is due."""
        if iteration % self.every:
            return
        gc.collect()
        _TRIM(0)
        sys.stdout.flush()
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        self.samples.append(
            Sample(
                iteration,
                round(time.monotonic() - self._start, 2),
                round(sum(each.memory_info().rss for each in family) / 2**20, 3),
                sum(each.num_fds() for each in family),
                sum(each.num_threads() for each in family),
                len(family),
                sum(1 for _ in self.temporary.rglob("*")),
                self.log.read_bytes().count(b"\n"),
                self.given.total(),
                len(gc.get_objects()),
            )
        )
        content = {"samples": [asdict(each) for each in self.samples], "warnings": dict(self.given)}
        self.out.write_text(json.dumps(content), encoding="utf-8")


@dataclass(frozen=True)
class Course:
    """How one quantity went after the warm-up.

    Attributes:
        first: Median of the first tenth of the samples.
        last: Median of the last tenth.
        slope: Per 1000 iterations (Theil-Sen: the median of the slopes of all pairs).
        surely: The lower end of its 95 % interval.
    """

    first: float
    last: float
    slope: float
    surely: float

    def grows(self, name: str) -> bool:
        """Whether it grows by more than its limit, and by more than noise."""
        if name == "memory" and self.last - self.first < NOISE_MIB and self.slope < 10 * LIMITS[name]:
            return False
        return min(self.slope, self.surely) > LIMITS[name]


def courses(samples: list[Sample]) -> dict[str, Course]:
    """Fit every quantity.

    Raises:
        ValueError: There are too few samples to say anything.
    """
    settled = samples[int(WARM_UP * len(samples)) :]
    if len(settled) < 10:
        raise ValueError(f"Expected 10 samples after the warm-up, but got {len(settled)}. Let it run longer.")
    steps = [each.iteration / 1000 for each in settled]
    tenth = max(1, len(settled) // 10)
    found = {}
    for name in (field.name for field in fields(Sample) if field.name not in ("iteration", "seconds")):
        values = [float(getattr(each, name)) for each in settled]
        fit = theilslopes(values, steps)
        found[name] = Course(
            statistics.median(values[:tenth]),
            statistics.median(values[-tenth:]),
            float(fit.slope),
            float(fit.low_slope),
        )
    return found


def load(path: Path) -> tuple[list[Sample], dict[str, int]]:
    """Read what a recorder wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [Sample(**each) for each in content["samples"]], content["warnings"]


__all__ = ("LIMITS", "NOISE_MIB", "WARM_UP", "Course", "Recorder", "Sample", "courses", "load")
