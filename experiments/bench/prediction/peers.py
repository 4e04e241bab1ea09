"""The other tools: installed into environments of their own, called in processes of their own."""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_NEWEST_PYTHON = _HERE.parents[2] / ".ci" / "newest-python"
_INSTALL_LIMIT_S = 1800


@dataclass(frozen=True)
class Peer:
    """A release of another tool.

    Attributes:
        name: Of its environment.
        requirements: What is installed; none for this environment.
        tools: Names in ``peer_process.TOOLS``.
        newest_python: Whether it needs a newer Python than this one.
        suffix: Of the model that it runs.
    """

    name: str
    requirements: tuple[str, ...]
    tools: tuple[str, ...]
    newest_python: bool = False
    suffix: str = ".pt2"


OURS = Peer("", (), ("hierars-geo, torch", "hierars-geo, --runtime onnx"), suffix=".ckpt")
PEERS = (
    OURS,
    Peer(
        "geoai",
        ("geoai-py==0.43.*",),
        ("geoai predict_geotiff", "geoai semantic_inference_on_geotiff"),
        newest_python=True,
    ),
    Peer(
        "terratorch",
        ("terratorch==1.2.13",),
        ("terratorch tiled_inference, source and sink", "terratorch tiled_inference + read and write"),
        newest_python=True,
    ),
    Peer("rastervision", ("rastervision-core==0.31.1",), ("Raster Vision smooth labels",)),
)


@dataclass(frozen=True)
class PeerRun:
    """What a process reported.

    Attributes:
        seconds: Median of the runs after the first; 0 where it failed.
        cpu_seconds: The same, of all threads.
        peak_bytes: Beyond imports and model.
        failure: Why there is nothing, in a few words.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    failure: str = ""


def install(peer: Peer, folder: Path) -> str:
    """Install a peer into ``folder/<name>`` with uv where it is on the PATH, with pip otherwise.

    PyTorch is held to this environment's release, so that the model runs alike.

    Returns:
        Why it cannot be installed, or nothing.
    """
    if not peer.requirements:
        return ""
    home = folder / peer.name
    python = _python(home)
    done = home / ".installed"
    wanted = [*peer.requirements, f"torch=={_torch_release()}"]
    if done.is_file() and done.read_text(encoding="utf-8") == "\n".join(wanted):
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    base = sys.executable
    if peer.newest_python:
        base = subprocess.run([_NEWEST_PYTHON], capture_output=True, text=True, check=False).stdout.strip()
        if not base:
            return "not installed: needs Python 3.12 or newer"
    uv = shutil.which("uv")
    steps = (
        [
            [uv, "venv", "-q", "--allow-existing", "--python", base, str(home)],
            [uv, "pip", "install", "-q", "--python", str(python), *wanted],
        ]
        if uv
        else [
            [base, "-m", "venv", str(home)],
            [str(python), "-m", "pip", "install", "-q", "--no-cache-dir", *wanted],
        ]
    )
    for step in steps:
        try:
            ended = subprocess.run(
                step, capture_output=True, text=True, timeout=_INSTALL_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return "installing took too long"
        if ended.returncode:
            return f"not installed: {_last_line(ended.stderr)}"
    done.write_text("\n".join(wanted), encoding="utf-8")
    return ""


def remove(peer: Peer, folder: Path) -> None:
    """Remove a peer's environment of several gigabytes."""
    if peer.requirements:
        shutil.rmtree(folder / peer.name, ignore_errors=True)


def run(peer: Peer, folder: Path, job: Mapping[str, Any], limit_s: float) -> PeerRun:
    """Run one tool in a process of its own.

    Args:
        peer: Installed by :func:`install`.
        folder: Of the environments.
        job: See ``peer_process``.
        limit_s: The process is ended after this time.
    """
    python = _python(folder / peer.name) if peer.requirements else sys.executable
    command = [str(python), str(_HERE / "peer_process.py"), json.dumps(dict(job))]
    environment = None if peer is OURS else {**os.environ, "PYTHONPATH": ""}
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        return PeerRun(failure=f"not done after {limit_s:.0f} s")
    if ended.returncode < 0:
        return PeerRun(failure=f"ended by signal {-ended.returncode} (memory)")
    if ended.returncode:
        return PeerRun(failure=f"failed: {_last_line(ended.stderr)}")
    result = json.loads(ended.stdout.splitlines()[-1])
    seconds, cpu = (statistics.median(result[key][1:] or result[key]) for key in ("seconds", "cpu_seconds"))
    return PeerRun(seconds, cpu, result["peak_bytes"])


def _python(home: Path) -> Path:
    return home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _torch_release() -> str:
    return version("torch").split("+")[0]


def _last_line(text: str) -> str:
    lines: Sequence[str] = text.strip().splitlines() or ["no message"]
    return lines[-1].strip()[:120].replace("|", "/")
