"""Peak memory of predictions of growing rasters."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).parent


def measure(
    checkpoint: Path, scene: Path, window_px: int, overlap: float, batch: int, constant: bool = False
) -> dict[str, float]:
    """Predict a scene, or a folder of dates, in a process of its own.

    Args:
        checkpoint: The model.
        scene: A raster, or the folder.
        window_px: Side of a window.
        overlap: Share of it that neighbours share.
        batch: Windows per forward pass.
        constant: Put a pattern of path logits in place of the network: a large scene takes minutes.

    Returns:
        ``seconds`` and ``cpu_seconds`` of the prediction, ``peak_bytes`` beyond imports and model, and
        ``process_bytes``, all of the process.
    """
    with tempfile.TemporaryDirectory(dir=scene.parent) as out:
        command = [checkpoint, scene, out, window_px, overlap, batch, int(constant)]
        done = subprocess.run(
            [sys.executable, str(_HERE / "memory_process.py"), *map(str, command)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"the prediction of {scene} failed:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result
