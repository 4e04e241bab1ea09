"""SIGKILL at any moment, and Ctrl-C."""

import random
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from .commands import Command
from .contents import differences, half_written, leftovers
from .outcome import Outcome
from .running import Running, run
from .trial import Bench

#: Seconds that a command may take to end after Ctrl-C: a batch is finished, a file removed.
END_S = 10.0
#: Shares of the undisturbed time at which Ctrl-C is pressed.
_INTERRUPTS = (0.1, 0.3, 0.5, 0.7, 0.9)
INTERRUPTED = 130

Tick = Callable[[], None]


def goes_on(
    bench: Bench, command: Command, trial: Path, whole: Mapping[str, str] | None = None
) -> str | None:
    """Go on after a fault; say what is not as after an undisturbed run, that of the bench by default."""
    ended = run(command.again(trial), trial)
    if ended.status != 0:
        return f"going on ended with {ended.status}: {ended.stderr.strip()[-300:]}"
    if left := leftovers(trial):
        return f"left over after success: {', '.join(left[:3])}"
    if changed := differences(trial / "out", whole or bench.whole[command.name]):
        return f"differs from the undisturbed run: {', '.join(changed[:3])}"
    return None


def killed(bench: Bench, command: Command, kills: int, rng: random.Random, tick: Tick) -> Outcome:
    """Kill the whole process group at moments spread over the run, look, go on, and compare.

    A run that ends before its moment does not count; its share of the time is tried again, earlier.
    """
    problems, tried, late, whole_run = [], 0, 0, bench.seconds[command.name]
    shares = [(number + rng.random()) / kills for number in range(kills)]
    for share in shares:
        for earlier in (1.0, 0.8, 0.6, 0.4):
            with bench.trial() as trial:
                running = Running(command.words, trial)
                hit = running.signal_at(share * earlier * whole_run, signal.SIGKILL)
                running.end()
                if not hit:
                    late += 1
                    continue
                tried += 1
                problem = None
                if bad := half_written(trial / "out", bench.whole[command.name]):
                    problem = f"half-written after the kill: {', '.join(bad[:3])}"
                problem = problem or goes_on(bench, command, trial)
            if problem:
                problems.append(f"at {share * earlier:.0%} of the run: {problem}")
            break
        tick()
    ended = f"; {late} runs ended before their moment and were repeated" if late else ""
    return Outcome(
        "SIGKILL", command.name, tried, tuple(problems), f"{command.note}, nothing left over{ended}"
    )


def interrupted(bench: Bench, command: Command, tick: Tick) -> Outcome:
    """Press Ctrl-C at several moments."""
    problems, tried, slowest, line = [], 0, 0.0, ""
    for share in _INTERRUPTS:
        with bench.trial() as trial:
            running = Running(command.words, trial)
            hit = running.signal_at(share * bench.seconds[command.name], signal.SIGINT)
            before = running.started + share * bench.seconds[command.name]
            ended = running.end(2 * END_S)
            if hit and ended.status != 0:  # pressed when all was done: nothing to say
                tried += 1
                took = running.started + ended.seconds - before
                slowest = max(slowest, took)
                problem = _interrupt_problem(bench, command, trial, ended.status, ended.stderr, took)
                line = ended.lines[-1] if ended.lines else ""
                if problem:
                    problems.append(f"at {share:.0%} of the run: {problem}")
        tick()
    note = f"status {INTERRUPTED} after at most {slowest:.1f} s; `{line}`"
    return Outcome("SIGINT (Ctrl-C)", command.name, tried, tuple(problems), note)


def _interrupt_problem(
    bench: Bench, command: Command, trial: Path, status: int | None, stderr: str, took: float
) -> str | None:
    own = [line for line in stderr.splitlines() if line.startswith("hierars-geo: ")]
    own = [line for line in own if not line.startswith("hierars-geo: note: ")]
    if status is None or took > END_S:
        return f"ended only after {took:.0f} s"
    if status != INTERRUPTED or "Traceback" in stderr:
        return f"status {status}: {stderr.strip()[-300:]}"
    begun = not command.kept or any((trial / "out").rglob(command.kept))
    remedies = (command.remedy,) if begun else (command.remedy, "again")
    if len(own) != 1 or not any(remedy in own[0] for remedy in remedies):
        return f"no one line that says how to go on: {' / '.join(own)}"
    if bad := half_written(trial / "out", bench.whole[command.name]):
        return f"half-written: {', '.join(bad[:3])}"
    resumable = command.words[0] == "predict"
    left = [name for name in leftovers(trial) if not (resumable and ".hierars-part" in name)]
    if left:
        return f"left over: {', '.join(left[:3])}"
    return goes_on(bench, command, trial)


__all__ = ("END_S", "INTERRUPTED", "Tick", "goes_on", "interrupted", "killed")
