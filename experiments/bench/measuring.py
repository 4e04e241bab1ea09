"""Two things side by side in one process: medians of times, peaks of memory, rows of a table."""

import gc
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ON_GPU = DEVICE.type == "cuda"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    ours: str
    other: str
    ratio: float
    target: float | None = None
    at_most: bool = True

    def __str__(self) -> str:
        """Markdown."""
        figures = f"{self.ours} | {self.other} | {self.ratio:.2f}"
        if self.target is None:
            return f"| {self.what} | {figures} | | |"
        met = self.ratio <= self.target if self.at_most else self.ratio >= self.target
        sign = "at most" if self.at_most else "at least"
        verdict = "met" if met else "SHORT OF TARGET"
        return f"| {self.what} | {figures} | {sign} {self.target} | {verdict} |"


def seconds(work: Callable[[], object]) -> float:
    """Time one run."""
    if ON_GPU:
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if ON_GPU:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def medians(ours: Callable[[], object], other: Callable[[], object], turns: int) -> tuple[float, float]:
    """Run both in turns, after one run of each that does not count; return the medians in seconds."""
    both = (ours, other)
    for work in both:
        work()
    times = [[seconds(work) for work in (both if turn % 2 else both[::-1])] for turn in range(turns)]
    ordered = [pair if turn % 2 else pair[::-1] for turn, pair in enumerate(times)]
    return statistics.median(a for a, _ in ordered), statistics.median(b for _, b in ordered)


def peak_bytes(work: Callable[[], object]) -> int:
    """Highest level of allocated memory during a run, above the level before it."""
    gc.collect()
    if ON_GPU:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    changes = sorted(
        (event["ts"], event["args"]["Bytes"]) for event in events if event.get("name") == "[memory]"
    )
    level = peak = 0
    for _, change in changes:
        level += change
        peak = max(peak, level)
    return peak


def ms(value: float) -> str:
    """Milliseconds."""
    return f"{value * 1e3:.1f} ms"


def time_row(what: str, pair: tuple[float, float], target: float | None = None) -> Row:
    """Compare two times in seconds."""
    return Row(what, ms(pair[0]), ms(pair[1]), pair[0] / pair[1], target)


def memory_row(what: str, pair: tuple[int, int], target: float | None = None) -> Row:
    """Compare two peaks in bytes."""
    ours, other = (f"{value / 2**20:.0f} MiB" for value in pair)
    return Row(what, ours, other, pair[0] / pair[1], target)


def print_table(rows: list[Row]) -> None:
    """Print the table, in Markdown."""
    print("| what | ours | other | ratio | target | |\n|---|---|---|---|---|---|")
    print("\n".join(str(row) for row in rows))


def describe_machine() -> str:
    """Say what is measured on."""
    hardware = torch.cuda.get_device_name() if ON_GPU else f"{torch.get_num_threads()} CPU threads"
    return f"{hardware}, {platform.machine()}, torch {torch.__version__}"
