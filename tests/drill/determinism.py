"""Determinism: every command twice, with other workers, threads, chunks and breaks; what is the same?

Run: python tests/drill/determinism.py. Prints Markdown for
docs/reliability.md. ``--folder`` keeps the files. The exit status is 1 if something differs that is promised.

The second run is always in another process, with another seed of Python's hashes; one thread unless said
otherwise.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
import yaml

from hierars_geo.cli import main as command

#: What is random in a training, all at once.
TASK: Mapping[str, Any] = {
    "architecture": "unet",
    "encoder": "tu-test_resnet",
    "model_options": {"decoder_channels": [32, 16, 16, 8, 8]},
    "optimizer": {"lr": 0.003, "ema_decay": 0.9},
    "schedule": {"warmup_steps": 5},
    "dropout": 0.3,
    "loss": {"class_weights": "sqrt_inverse"},
}
DATA: Mapping[str, Any] = {
    "taxonomy": "mm5b",
    "chips": {"size": 32, "per_epoch": 32, "sampler": "balanced"},
    "augmentation": {"flips": True, "scale_range": [0.5, 2.0], "gain": 0.2, "noise": 0.05},
    "seed": 3,
}
STEPS = 16
#: Within an epoch of 8 steps.
BREAK = 12
#: What says when something was made.
TIMES = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?( ?UTC|Z|\+00:00)?"
    rb'|("hierars:run": "|Run</th><td>)[0-9a-f]{64}'  # digest of a run, in it the times of its inputs
)


@dataclass(frozen=True)
class Finding:
    """A line of the table.

    Attributes:
        step: What was run.
        change: What was different in the second run.
        result: What came of it.
        broken: Whether a promise is.
    """

    step: str
    change: str
    result: str
    broken: bool = False


class Side:
    """A process that runs commands one after the other.

    Args:
        number: Its seed of hashes.
        log: File that it writes errors to.
    """

    def __init__(self, number: int, log: Path) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--side"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("wb"),
            text=True,
            env=os.environ | {"PYTHONHASHSEED": str(number + 1)},
        )

    def run(self, arguments: list[str], threads: int) -> None:
        """Run a command.

        Raises:
            RuntimeError: It failed.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("Expected a process with pipes, but got none.")
        self._process.stdin.write(json.dumps([arguments, threads]) + "\n")
        self._process.stdin.flush()
        status = self._process.stdout.readline().strip()
        if status != "0":
            said = self.log.read_text(encoding="utf-8")[-2000:]
            raise RuntimeError(f"Expected {' '.join(arguments)} to succeed, but got status {status}: {said}")

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def be_a_side() -> int:
    """Run what stdin says; answer with the status."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        arguments, threads = json.loads(line)
        torch.set_num_threads(threads)
        answers.write(f"{command([*arguments, '--quiet'])}\n")
        answers.flush()
    return 0


class Runs:
    """Runs commands below one folder, in two processes.

    Args:
        folder: Where all files go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.findings: list[Finding] = []
        self.sides = tuple(Side(number, folder / f"side_{number}.log") for number in range(2))

    def run(self, words: str, side: int = 0, threads: int = 1) -> None:
        """Run a command on a side; ``{f}`` stands for the folder.

        Raises:
            RuntimeError: It failed.
        """
        self.sides[side].run(words.format(f=self.folder).split(), threads)

    def found(self, step: str, change: str, difference: str, promised: bool = True) -> None:
        """Keep and show a line; no difference is an empty text."""
        self.findings.append(Finding(step, change, difference or "the same", bool(difference) and promised))
        print(f"| {step} | {change} | {difference or 'the same'} |", flush=True)


def different_files(
    first: Path, second: Path, without: Callable[[bytes], bytes] = lambda content: content
) -> str:
    """Compare all files below two folders; say which differ."""
    names = [
        {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} for folder in (first, second)
    ]
    lonely = names[0] ^ names[1]
    changed = {
        name
        for name in names[0] & names[1]
        if without((first / name).read_bytes()) != without((second / name).read_bytes())
    }
    return ", ".join(sorted(lonely | changed))


def no_times(content: bytes) -> bytes:
    """Take the times out of a text."""
    return TIMES.sub(b"", content)


def different_weights(first: Path, second: Path) -> str:
    """Compare all tensors of two checkpoints, optimiser and random numbers included."""
    ours, theirs = (_tensors(torch.load(path, weights_only=True)) for path in (first, second))
    if ours.keys() != theirs.keys():
        return "other tensors"
    changed = [key for key in ours if not torch.equal(ours[key], theirs[key])]
    if not changed:
        return ""
    largest = max(float((ours[key].double() - theirs[key].double()).abs().max()) for key in changed)
    return f"{len(changed)} of {len(ours)} tensors, by up to {largest:.1g}"


def _tensors(content: object, path: str = "") -> dict[str, torch.Tensor]:
    if isinstance(content, torch.Tensor):
        return {path: content}
    items: Sequence[tuple[object, object]] = ()
    if isinstance(content, Mapping):
        items = list(content.items())
    elif isinstance(content, list | tuple):
        items = list(enumerate(content))
    return {key: value for name, part in items for key, value in _tensors(part, f"{path}/{name}").items()}


def different_maps(first: Path, second: Path) -> str:
    """Compare the rasters of two folders, byte by byte and, where they differ, pixel by pixel."""
    said = []
    for path in sorted(first.glob("*.tif")):
        other = second / path.name
        if path.read_bytes() == other.read_bytes():
            continue
        with rasterio.open(path) as ours, rasterio.open(other) as theirs:
            a, b = ours.read().astype(float), theirs.read().astype(float)
        share = float(np.mean(a != b))
        said.append(f"{path.stem}: {100 * share:.3f} % of the pixels, by up to {np.abs(a - b).max():g}")
    return "; ".join(said)


def synth(runs: Runs) -> None:
    """Scenes of three sensors and crops."""
    for side, folder in enumerate(("scenes", "scenes_again")):
        runs.run(f"synth {{f}}/{folder} --size-m 1920 --google-size-m 320 --scenes 1 --crops", side)
    again = different_files(runs.folder / "scenes", runs.folder / "scenes_again")
    runs.found("synth, all sensors and crops", "again", again)


def fit(runs: Runs) -> None:
    """Trainings with everything that is random."""

    def train(
        name: str, workers: int = 0, threads: int = 1, more: str = "", data: Mapping[str, Any] = DATA
    ) -> Path:
        train, val = (f"{runs.folder}/scenes/{scene}/{scene}" for scene in ("train_0", "test_0"))
        told: dict[str, Any] = {
            "images": [f"{train}_S2.tif"],
            "labels": [f"{train}_labels.tif"],
            "splits": {
                "test_fraction": 0.0,
                "val_images": [f"{val}_S2.tif"],
                "val_labels": [f"{val}_labels.tif"],
            },
            "loader": {"batch_size": 4, "num_workers": workers},
        }
        content = {
            "model": {"class_path": "hierars_geo.tasks.BHCCMTask", "init_args": dict(TASK)},
            "data": {
                "class_path": "hierars_geo.datamodules.SceneDataModule",
                "init_args": {**data, **told},
            },
            "trainer": {
                "max_steps": STEPS,
                "accelerator": "cpu",
                "logger": False,
                "default_root_dir": str(runs.folder),
            },
        }
        path = runs.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        kept = "--checkpoint.every_n_train_steps 4 --checkpoint.save_top_k -1 --checkpoint.filename {{step}}"
        runs.run(
            f"fit --config {path} {kept} --checkpoint.dirpath {{f}}/{name} {more}",
            int(name != "first"),
            threads,
        )
        return runs.folder / name / f"step={STEPS}.ckpt"

    first = train("first")
    step = "fit, weights and optimiser"
    runs.found(step, "again", different_weights(first, train("again")))
    runs.found(step, "1 loader worker rather than 0", different_weights(first, train("worker", workers=1)))
    runs.found(step, "2 loader workers", different_weights(first, train("workers", workers=2)))
    start = runs.folder / "first" / f"step={BREAK}.ckpt"
    resumed = train("resumed", more=f"--ckpt_path {start}")
    runs.found(step, "resumed within an epoch", different_weights(first, resumed))
    resumed = train("resumed_workers", workers=2, more=f"--ckpt_path {start}")
    runs.found(step, "resumed with 2 loader workers", different_weights(first, resumed))
    threads = different_weights(first, train("threads", threads=2))
    runs.found(step, "2 threads rather than 1", threads, promised=False)
    twice = different_weights(runs.folder / "threads" / first.name, train("threads_again", threads=2))
    runs.found(f"{step}, 2 threads", "again", twice)
    (runs.folder / "model.ckpt").write_bytes(first.read_bytes())


def predict(runs: Runs) -> None:
    """Maps of every kind."""
    layers = "--confidence --depth-threshold 0.6 --entropy --probabilities --device cpu"
    scene = "{f}/scenes/test_0/test_0_S2.tif"

    def maps(name: str, more: str = "", threads: int = 1) -> Path:
        words = f"predict {{f}}/model.ckpt {scene} -o {{f}}/{name} {layers} {more}"
        runs.run(words, int(name != "maps"), threads)
        return runs.folder / name

    first = maps("maps")
    step = "predict, all rasters"
    runs.found(step, "again", different_maps(first, maps("maps_again")))
    without = different_files(first, runs.folder / "maps_again", no_times)
    runs.found("predict, styles, names, STAC item", "again, apart from times", without)
    runs.found(step, "chunks of 128 columns", different_maps(first, maps("maps_chunks", "--chunk-px 128")))
    dask = maps("maps_dask", "--engine dask --workers 2")
    runs.found(step, "2 Dask workers", different_maps(first, dask))
    runs.found(step, "2 threads", different_maps(first, maps("maps_threads", threads=2)), promised=False)
    one = maps("maps_one", "--batch-size 1")
    runs.found(step, "batches of 1 rather than the default", different_maps(first, one), promised=False)


def results(runs: Runs) -> None:
    """Polygons, tables, points, reports, graphs."""
    maps, scene = "{f}/maps", "{f}/scenes/test_0/test_0"
    areas = f"areas {maps} --by {{f}}/first_polygons/a.gpkg --layer L1 -o {{f}}/OUT/b"
    report = f"report {maps} -o {{f}}/OUT/report.html --figures {{f}}/OUT/f"
    commands = {
        "vectorize, GeoPackage": f"vectorize {maps} -o {{f}}/OUT/a.gpkg --min-area-m2 500",
        "vectorize, GeoParquet": f"vectorize {maps} -o {{f}}/OUT/a.parquet --simplify-m 15",
        "vectorize, FlatGeobuf": f"vectorize {maps} -o {{f}}/OUT/a.fgb --smooth",
        "vectorize, GeoJSON": f"vectorize {maps} -o {{f}}/OUT/a.geojson",
        "areas, CSV": f"{areas}.csv",
        "areas, GeoPackage": f"{areas}.gpkg",
        "areas, GeoParquet": f"{areas}.parquet",
        "evaluate": f"evaluate {maps} {scene}_labels.tif --taxonomy mm5b -o {{f}}/OUT/metrics.json",
        "sample": f"sample {maps} -o {{f}}/OUT/points.gpkg --points 300 --min-per-class 5",
        "report, figures": f"{report} --image {scene}_S2.tif",
        "catalog build": "catalog build {f}/scenes -o {f}/OUT/catalog",
        "export, ONNX": "export {f}/model.ckpt -o {f}/OUT/model.onnx",
    }
    runs.run(f"vectorize {maps} -o {{f}}/first_polygons/a.gpkg --min-area-m2 500")
    for step, words in commands.items():
        key = re.sub(r"\W+", "_", step)
        folders = [f"results/{key}/{turn}" for turn in (1, 2)]
        for number, folder in enumerate(folders, start=1):
            (runs.folder / folder).mkdir(parents=True)
            runs.run(words.replace("OUT", folder), number - 1, threads=number)
        first, second = (runs.folder / folder for folder in folders)
        whole = different_files(first, second)
        timeless = different_files(first, second, no_times)
        change = "again, with 2 threads" + (", apart from times" if whole and not timeless else "")
        runs.found(step, change, timeless)


def demo(runs: Runs) -> None:
    """All at once."""
    sizes = "--steps 20 --size-m 1280 --scenes 1 --chip-size 32 --encoder tu-test_resnet"
    for side, name in enumerate(("demo", "demo_again")):
        runs.run(f"demo {{f}}/{name} {sizes}", side)
    first, second = runs.folder / "demo", runs.folder / "demo_again"
    runs.found("demo, all files", "again, apart from times", different_files(first, second, no_times))


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="new folder to work in, and to keep")
    parser.add_argument("--side", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        return be_a_side()
    with tempfile.TemporaryDirectory(prefix="determinism-") as temporary:
        folder = Path(options.folder or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        runs = Runs(folder)
        print("| what | changed | |", "|---|---|---|", sep="\n", flush=True)
        for part in (synth, fit, predict, results, demo):
            part(runs)
        for side in runs.sides:
            side.close()
        (folder / "findings.json").write_text(
            json.dumps([vars(each) for each in runs.findings], indent=1), encoding="utf-8"
        )
    return int(any(each.broken for each in runs.findings))


if __name__ == "__main__":
    sys.exit(main())
