"""What a command costs before and beside its work: CPU seconds and peak memory of the whole process.

Run: make bench-start (or python experiments/bench/bench_start.py; two minutes of CPU). One scene of 128 px, 4
bands, U-Net ResNet-18 with random weights, the tree of MM-5B, one thread; each command in a process of its
own, all in turns, medians of the rounds (``--rounds``, default 3) after one that does not count. ``--memory
1024 6144`` measures predictions of scenes of these sides from a checkpoint instead (10 bands, window 256), by
PyTorch, and by ONNX Runtime, which ``--runtime auto`` takes for the second, before and after its export.

CPU is user and system time, memory the peak resident set, shared libraries included. This process stays
small: the peak of a child begins with that of the process that starts it. Prints Markdown for
docs/benchmarks.md; the exit status is 0 also where a target is missed.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PREDICT = ("predict", "model.ckpt", "scene.tif", "-o", "maps", "--overwrite")
_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")

#: What is run, and the most CPU seconds and MB; None where nothing was asked for.
_COMMANDS: dict[str, tuple[Sequence[str], float | None, float | None]] = {
    "--help": (("--help",), 1.0, None),
    "predict model.ckpt": (_PREDICT, 5.0, None),
    "predict model.ckpt, graph kept": ((*_PREDICT, "--runtime", "onnx", "--cache-dir", "graphs"), 1.5, 400.0),
    "predict model.onnx": (("predict", "model.onnx", *_PREDICT[2:4], "light", "--overwrite"), 1.5, 400.0),
    "evaluate": (("evaluate", "maps", "labels.tif", "-o", "scores.json", "--overwrite"), 2.5, None),
    "areas": (("areas", "maps", "--by", "box.geojson", "-o", "areas.csv", "--overwrite"), 2.5, None),
    "sample": (("sample", "maps", "-o", "points.gpkg", "--overwrite"), 2.5, None),
    "report": (("report", "maps", "--overwrite"), 2.5, None),
    "vectorize": (("vectorize", "maps", "-o", "polygons.gpkg", "--overwrite"), None, None),
}
#: Most MB of a whole prediction from a checkpoint, by side of the scene.
_MOST_MB = {1024: 900.0, 6144: 1000.0}


@dataclass(frozen=True)
class Cost:
    """Of one process: CPU seconds, and peak memory in MB."""

    cpu_s: float
    peak_mb: float


def run(arguments: Sequence[str], folder: Path) -> Cost:
    """Run Python with arguments in a folder, and say what it cost.

    Raises:
        RuntimeError: It failed.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    with (folder / "said.txt").open("w+", encoding="utf-8") as said:
        child = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, env=environment, stdout=said, stderr=said
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{said.read()[-2000:]}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6)


def prepare(folder: Path, sides_px: Sequence[int]) -> None:
    """Write models and scenes, in a process of its own.

    Args:
        folder: Where.
        sides_px: Of the scenes ``scene_SIDE.tif``; none for all that the table of commands takes.
    """
    import rasterio
    from prediction.models import write_checkpoint
    from prediction.scenes import write_scene
    from pyproj import Transformer

    from hierars_geo.export import export_model

    if sides_px:
        write_checkpoint(folder / "model.ckpt", "unet-resnet18", 64, bands=_BANDS)
        for side_px in sides_px:
            write_scene(folder / f"scene_{side_px}.tif", side_px, bands=_BANDS)
        return
    write_checkpoint(folder / "model.ckpt", "unet-resnet18", 64)
    write_scene(folder / "scene.tif", 128)
    export_model(folder / "model.ckpt")
    run(("-m", "hierars_geo", *_PREDICT), folder)
    shutil.copy(folder / "maps" / "scene_L3.tif", folder / "labels.tif")
    with rasterio.open(folder / "scene.tif") as scene:
        to_degrees = Transformer.from_crs(scene.crs, "EPSG:4326", always_xy=True)
        left, bottom, right, top = to_degrees.transform_bounds(*scene.bounds)
    ring = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    collection = {"type": "FeatureCollection", "features": [feature]}
    (folder / "box.geojson").write_text(json.dumps(collection), encoding="utf-8")


def bench_commands(folder: Path, rounds: int) -> None:
    """Print what each command costs, and its ratio to importing PyTorch."""
    reference = "python -c 'import torch'"
    works: dict[str, tuple[str, ...]] = {reference: ("-c", "import torch")}
    works |= {name: ("-m", "hierars_geo", *command) for name, (command, *_) in _COMMANDS.items()}
    found: dict[str, list[Cost]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            cost = run(work, folder)
            if number:
                found[name].append(cost)
    torch_s = statistics.median(cost.cpu_s for cost in found[reference])
    print("| command, 128 px | CPU | of `import torch` | at most | | peak memory | at most | |")
    print("|---|---|---|---|---|---|---|---|")
    for name, costs in found.items():
        cpu_s, peak_mb = (statistics.median(map(attr, costs)) for attr in (_cpu_s, _peak_mb))
        _, most_s, most_mb = _COMMANDS.get(name, ((), None, None))
        print(
            f"| `{name}` | {cpu_s:.2f} s | {cpu_s / torch_s:.2f} | {_limit(cpu_s, most_s, 's')} "
            f"| {peak_mb:.0f} MB | {_limit(peak_mb, most_mb, 'MB')} |"
        )


def bench_memory(folder: Path, sides_px: Sequence[int]) -> None:
    """Print the peak memory of whole predictions from a checkpoint."""
    print(
        "| scene, 10 bands, window 256 | runtime | peak memory | at most | | CPU |\n|---|---|---|---|---|---|"
    )
    for side_px in sides_px:
        for name, runtime in (("torch", "torch"), ("onnx, exported first", "onnx"), ("onnx, kept", "onnx")):
            options = ["-o", "maps", "--overwrite", "--window", "256", "--runtime", runtime]
            kept = "--cache-dir", f"graphs_{side_px}"
            command = ("predict", "model.ckpt", f"scene_{side_px}.tif", *options, *kept)
            cost = run(("-m", "hierars_geo", *command), folder)
            limit = _limit(cost.peak_mb, _MOST_MB.get(side_px), "MB")
            row = f"| {side_px} px | {name} | {cost.peak_mb:.0f} MB | {limit} | {cost.cpu_s:.0f} s |"
            print(row, flush=True)


def _cpu_s(cost: Cost) -> float:
    return cost.cpu_s


def _peak_mb(cost: Cost) -> float:
    return cost.peak_mb


def _limit(value: float, most: float | None, unit: str) -> str:
    """Two cells: what was asked for, and whether it is met."""
    if most is None:
        return " | "
    return f"{most:g} {unit} | {'met' if value <= most else '**short**'}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", nargs="+", type=int, metavar="SIDE", default=[], help="sides in pixels")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.prepare is not None:
        prepare(arguments.prepare, arguments.memory)
        return
    with tempfile.TemporaryDirectory(prefix="bench_start_") as name:
        folder = Path(name)
        sides = ("--memory", *map(str, arguments.memory)) if arguments.memory else ()
        run((str(Path(__file__).resolve()), "--prepare", name, *sides), folder)
        if arguments.memory:
            bench_memory(folder, arguments.memory)
        else:
            bench_commands(folder, arguments.rounds)


if __name__ == "__main__":
    main()
