"""The other tools: installed into environments of their own, called in processes of their own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_HERE = Path(__file__).parent
_INSTALL_LIMIT_S = 1800


@dataclass(frozen=True)
class Peer:
    """A release of another tool.

    Attributes:
        name: Of its environment.
        requirements: What is installed.
        tools: Names in ``peer_process.TOOLS``.
    """

    name: str
    requirements: tuple[str, ...]
    tools: tuple[str, ...]


PEERS = (
    Peer(
        "geoai",
        ("geoai-py==0.40.*",),
        ("geoai predict_geotiff", "geoai semantic_inference_on_geotiff"),
    ),
    Peer("terratorch", ("terratorch==1.2.*",), ("terratorch tiled_inference + read and write",)),
    Peer("rastervision", ("rastervision-core==0.31.*",), ("Raster Vision smooth labels",)),
)


@dataclass(frozen=True)
class PeerRun:
    """What a process reported.

    Attributes:
        seconds: Of each run; empty where it failed.
        peak_bytes: Beyond imports and model.
        failure: Why there is nothing, in a few words.
    """

    seconds: tuple[float, ...] = ()
    peak_bytes: int = 0
    failure: str = ""


def install(peer: Peer, folder: Path) -> str:
    """Install a peer into ``folder/<name>`` with uv where it is on the PATH, with pip otherwise.

    PyTorch is held to this environment's release, so that the model runs alike.

    Returns:
        Why it cannot be installed, or nothing.
    """
    home = folder / peer.name
    python = _python(home)
    done = home / ".installed"
    wanted = [*peer.requirements, f"torch=={_torch_release()}"]
    if done.is_file() and done.read_text(encoding="utf-8") == "\n".join(wanted):
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv")
    steps = (
        [
            [uv, "venv", "-q", "--allow-existing", "--python", sys.executable, str(home)],
            [uv, "pip", "install", "-q", "--python", str(python), *wanted],
        ]
        if uv
        else [
            [sys.executable, "-m", "venv", str(home)],
            [str(python), "-m", "pip", "install", "-q", *wanted],
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


def run(
    peer: Peer,
    folder: Path,
    tool: str,
    model: Path,
    raster: Path,
    out: Path,
    window_px: int,
    overlap_px: int,
    classes: int,
    batch: int,
    rounds: int,
    limit_s: float,
) -> PeerRun:
    """Run one tool in a process of its own.

    Args:
        peer: Installed by :func:`install`.
        folder: Of the environments.
        tool: Name in ``peer_process.TOOLS``.
        model: Exported program.
        raster: What to predict.
        out: File of the result.
        window_px: Side of a window.
        overlap_px: Pixels that neighbours share.
        classes: Channels of the model.
        batch: Windows per forward pass.
        rounds: Runs.
        limit_s: The process is ended after this time.
    """
    job = {
        "tool": tool,
        "model": str(model),
        "raster": str(raster),
        "out": str(out),
        "window": window_px,
        "overlap_px": overlap_px,
        "classes": classes,
        "batch": batch,
        "rounds": rounds,
    }
    command = [str(_python(folder / peer.name)), str(_HERE / "peer_process.py"), json.dumps(job)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return PeerRun(failure=f"not done after {limit_s:.0f} s")
    if ended.returncode < 0:
        return PeerRun(failure=f"ended by signal {-ended.returncode} (memory)")
    if ended.returncode:
        return PeerRun(failure=f"failed: {_last_line(ended.stderr)}")
    result = json.loads(ended.stdout.splitlines()[-1])
    return PeerRun(tuple(result["seconds"]), result["peak_bytes"])


def _python(home: Path) -> Path:
    return home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _torch_release() -> str:
    return version("torch").split("+")[0]


def _last_line(text: str) -> str:
    lines: Sequence[str] = text.strip().splitlines() or ["no message"]
    return lines[-1].strip()[:120].replace("|", "/")
