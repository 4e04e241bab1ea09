"""Several processes: two runs on one output folder, and a Dask worker that dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import rasterio

from .commands import CHECKPOINT, FIT, SCENE, Command
from .contents import differences, final_weights, leftovers, results
from .killing import Tick
from .outcome import Outcome, counted
from .running import Ended, Running, run
from .trial import Bench

_TURNS = 3
_DASK_LIMIT_S = 1800.0


def two_runs(bench: Bench, command: Command, tick: Tick) -> Outcome:
    """Start the same command twice at once, on one output folder."""
    problems, seen = [], []
    for turn in range(_TURNS):
        with bench.trial() as trial:
            first = Running(command.words, trial)
            first.wait_until(turn * 0.3 * bench.seconds[command.name])
            second = Running(command.words, trial)
            ended = [first.end(), second.end()]
            problem = _together_problem(bench, command, trial, ended)
        seen.append("both finished" if not any(run.status for run in ended) else "one finished, one refused")
        if problem:
            problems.append(problem)
        tick()
    return Outcome("two runs on one folder", command.name, _TURNS, tuple(problems), counted(seen))


def _together_problem(bench: Bench, command: Command, trial: Path, ended: list[Ended]) -> str | None:
    whole = bench.whole[command.name]
    failed = [run for run in ended if run.status != 0]
    if len(failed) == 2:
        return f"neither finished: {failed[0].stderr.strip()[-200:]} / {failed[1].stderr.strip()[-200:]}"
    for run_ in failed:
        if problem := run_.refusal():
            return problem
    if left := leftovers(trial):
        return f"left over: {', '.join(left[:3])}"
    if command is FIT:
        found = results(trial / "out")
        last = [name for name in found if name.endswith("last.ckpt")]
        if len(last) != len(ended) - len(failed) or {found[n] for n in last} != {final_weights(whole)}:
            return f"{len(last)} folders for two trainings, or weights of another training in one"
        return None
    changed = differences(trial / "out", whole)
    return f"differs from an undisturbed run: {', '.join(changed[:3])}" if changed else None


def worker_killed(bench: Bench, tick: Tick) -> Outcome:
    """Kill a busy Dask worker, then another one, while a scene of six chunks is predicted by two."""
    fault, name = "Dask worker process killed", "predict --engine dask"
    with bench.trial() as trial:
        _heighten(trial / SCENE, trial / "in" / "tall.tif", 6 * 2048)
        words = ["predict", CHECKPOINT, "in/tall.tif", "--device", "cpu", "--window", "64"]
        local = run([*words, "-o", "out/local"], trial, _DASK_LIMIT_S)
        command = [sys.executable, "-m", "hierars_geo", *words, "-o", "out/dask", "--engine", "dask"]
        with (trial / "stderr.txt").open("wb") as stderr:
            process = subprocess.Popen(
                [*command, "--workers", "2"],
                cwd=trial,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
            killed = _kill_workers(process, trial / "out" / "dask", 2)
            try:
                status: int | None = process.wait(_DASK_LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                status = None
        said = (trial / "stderr.txt").read_text(encoding="utf-8", errors="replace")
        whole = _rasters(trial / "out" / "local")
        found = _rasters(trial / "out" / "dask")
        problem = None
        if local.status != 0 or status != 0:
            problem = f"status {local.status} without Dask, {status} with it: {said.strip()[-300:]}"
        elif whole != found:
            problem = "maps differ from those without Dask"
        elif left := leftovers(trial):
            problem = f"left over: {', '.join(left[:3])}"
    tick()
    problems = (problem,) if problem else ()
    return Outcome(fault, name, killed, problems, "chunks are computed again, maps the same as without Dask")


def _rasters(folder: Path) -> dict[str, str]:
    return {name: found for name, found in results(folder).items() if not name.endswith(".json")}


def _kill_workers(process: "subprocess.Popen[bytes]", out: Path, wanted: int) -> int:
    """Kill workers that compute, one after the other; return how many were hit."""
    killed = 0
    parent = psutil.Process(process.pid)
    while process.poll() is None and killed < wanted:
        time.sleep(0.5)
        if killed and _stored_rows(out) < killed:  # the next one only when work has gone on
            continue
        try:
            workers = [child for child in parent.children(recursive=True) if _is_worker(child)]
            busy = [child for child in workers if child.cpu_times().user > 4.0 * (1 - killed / wanted)]
            if busy and _stored_rows(out) >= killed:
                max(busy, key=lambda child: child.cpu_times().user).kill()
                killed += 1
        except psutil.NoSuchProcess:
            continue
    return killed


def _stored_rows(out: Path) -> int:
    return sum(path.stat().st_size > 0 for path in out.glob(".*/chunk-*.rows"))


def _is_worker(process: psutil.Process) -> bool:
    return "spawn_main" in " ".join(process.cmdline())


def _heighten(scene: Path, target: Path, height: int) -> None:
    """Repeat a scene downwards."""
    with rasterio.open(scene) as source:
        image, profile, names = source.read(), source.profile, source.descriptions
    tall = np.tile(image, (1, -(-height // image.shape[1]), 1))[:, :height]
    with rasterio.open(target, "w", **(profile | {"height": height})) as sink:
        sink.write(tall)
        sink.descriptions = names


__all__ = ("two_runs", "worker_killed")
