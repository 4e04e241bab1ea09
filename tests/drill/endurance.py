"""Long runs: does a process that trains, predicts or writes results for long hold more and more?

Run: make endurance (or python tests/drill/endurance.py). ``--minutes`` is the time of each of the
two trainings (default 10), ``--predictions`` the number of scenes predicted in one process (5000),
``--calls`` the number of calls of each kind of result (400); ``--only`` takes some parts. Prints
Markdown for docs/reliability.md; the exit status is 1 if anything leaks.

Every part is a process of its own with its own temporary folder, looked at at regular steps: resident
memory, file handles, threads and processes (loader workers included), what lies in the temporary folder,
lines written to stdout and stderr, warnings. After a warm-up (the first 30 % of the looks) a slope is fitted
to each. Memory may grow by 1 MiB per 1000 iterations, the counts by 0.5; what is surely (95 %) above that
leaks. Growth of memory of less than 16 MiB over a whole part is the allocator's noise, unless it is ten times
too fast.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import rasterio
import yaml
from holding import Course, Recorder, Sample, courses, load
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from hierars_geo.cli import main as command
from hierars_geo.datamodules import SceneDataModule
from hierars_geo.predict import PredictOptions, Predictor
from hierars_geo.tasks import BHCCMTask, ProgressLines, RequireLabels

MODEL: Mapping[str, Any] = {
    "architecture": "unet",
    "encoder": "tu-test_resnet",
    "model_options": {"decoder_channels": [32, 16, 16, 8, 8]},
    "optimizer": {"lr": 0.001, "ema_decay": 0.99},
    "schedule": {"warmup_steps": 20},
}
#: Chips of a batch.
BATCH = 2
#: Steps of an epoch of the trainings; each ends with a validation and a checkpoint.
EPOCH_STEPS = 100
SCENES = 8
SCENE_PX = 64


class Work:
    """The files that the parts share.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def scene(self, what: str, name: str = "train_0") -> str:
        """Return a file of a synthetic scene: ``S2`` or ``labels``."""
        return str(self.folder / "scenes" / name / f"{name}_{what}.tif")

    @property
    def checkpoint(self) -> str:
        """A trained model."""
        return str(self.folder / "model.ckpt")

    @property
    def maps(self) -> str:
        """Maps of a scene."""
        return str(self.folder / "maps")

    @property
    def tiny(self) -> list[str]:
        """Small scenes."""
        return [str(self.folder / "tiny" / f"tiny_{number}.tif") for number in range(SCENES)]

    def data(self, workers: int = 0, chips: int = BATCH * EPOCH_STEPS) -> dict[str, Any]:
        """Return the options of the data module."""
        return {
            "images": [self.scene("S2")],
            "labels": [self.scene("labels")],
            "taxonomy": "mm5b",
            "chips": {"size": 32, "per_epoch": chips},
            "augmentation": {"flips": True},
            "loader": {"batch_size": BATCH, "num_workers": workers},
        }

    def prepare(self) -> None:
        """Make the scenes, a model and maps."""
        size = ["--size-m", "1920", "--sensors", "sentinel2", "--scenes", "1"]
        _succeed("synth", str(self.folder / "scenes"), *size)
        (self.folder / "tiny").mkdir()
        with rasterio.open(self.scene("S2")) as whole:
            for number, path in enumerate(self.tiny):
                window = rasterio.windows.Window(12 * number, 12 * number, SCENE_PX, SCENE_PX)
                profile = whole.profile | {
                    "width": SCENE_PX,
                    "height": SCENE_PX,
                    "transform": whole.window_transform(window),
                }
                with rasterio.open(path, "w", **profile) as part:
                    part.write(whole.read(window=window))
                    part.descriptions = whole.descriptions
        config = self.fit_config(200)
        _succeed("fit", "--config", config, "--checkpoint.dirpath", str(self.folder / "fitted"))
        (self.folder / "fitted" / "last.ckpt").rename(self.checkpoint)
        predicted = ["--confidence", "--depth-threshold", "0.6"]
        _succeed("predict", self.checkpoint, self.scene("S2", "test_0"), "-o", self.maps, *predicted)

    def fit_config(self, steps: int) -> str:
        """Write a configuration of a training."""
        content = {
            "model": {"class_path": "hierars_geo.tasks.BHCCMTask", "init_args": dict(MODEL)},
            "data": {
                "class_path": "hierars_geo.datamodules.SceneDataModule",
                "init_args": self.data(chips=BATCH * steps),
            },
            "trainer": {
                "max_steps": steps,
                "accelerator": "cpu",
                "enable_progress_bar": False,
                "logger": {
                    "class_path": "lightning.pytorch.loggers.CSVLogger",
                    "init_args": {"save_dir": str(self.folder / "runs")},
                },
            },
        }
        path = self.folder / f"fit_{steps}.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return str(path)


def _succeed(*arguments: str) -> None:
    """Run a command in this process.

    Raises:
        RuntimeError: It failed.
    """
    status = command(list(arguments))
    if status:
        raise RuntimeError(f"Expected hierars-geo {' '.join(arguments)} to succeed, but got status {status}.")


class Watched(Callback):
    """Looks after every step, and stops the training when the time is over."""

    def __init__(self, recorder: Recorder, minutes: float) -> None:
        self.recorder = recorder
        self.end = time.monotonic() + 60 * minutes

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: object) -> None:
        """Look."""
        self.recorder.look(trainer.global_step)
        trainer.should_stop = time.monotonic() > self.end


def train(work: Work, recorder: Recorder, options: argparse.Namespace, workers: int) -> None:
    """Train for minutes, with validation, checkpoint and log at the end of every epoch."""
    data = SceneDataModule(**work.data(workers))
    task = BHCCMTask(**MODEL)
    folder = work.folder / f"long_{workers}"
    trainer = Trainer(
        max_steps=10**7,
        max_epochs=-1,
        accelerator="cpu",
        logger=CSVLogger(folder),
        log_every_n_steps=20,
        enable_model_summary=False,
        callbacks=[
            RequireLabels(),
            ProgressLines(60.0),
            ModelCheckpoint(folder, "best", "val/mIoU_L3", mode="max", save_last=True),
            Watched(recorder, options.minutes),
        ],
    )
    trainer.fit(task, datamodule=data)


def fits(work: Work, recorder: Recorder, options: argparse.Namespace) -> None:
    """Train again and again in one process, as notebooks and searches do."""
    config = work.fit_config(5)
    for number in range(1, max(20, 5 * options.calls // 8) + 1):
        _succeed("fit", "--config", config, "--checkpoint.dirpath", str(work.folder / "short"))
        recorder.look(number)


def predict(work: Work, recorder: Recorder, options: argparse.Namespace) -> None:
    """Predict small scenes, a new predictor every 250."""
    scenes, out = work.tiny, work.folder / "predicted"
    for number in range(1, options.predictions + 1):
        if number % 250 == 1:
            predictor = Predictor(work.checkpoint, PredictOptions(confidence=number % 500 == 1), device="cpu")
        predictor.predict(scenes[number % SCENES], out, overwrite=True)
        recorder.look(number)


def vectorize(work: Work, recorder: Recorder, options: argparse.Namespace) -> None:
    """Make polygons in every format."""
    ways = ("a.gpkg", "b.parquet --simplify-m 15", "c.fgb --min-area-m2 500", "d.geojson --smooth")
    _call_in_turn([f"vectorize {work.maps} -o OUT/{way}" for way in ways], work, recorder, options.calls)


def statistics(work: Work, recorder: Recorder, options: argparse.Namespace) -> None:
    """Compute areas, scores, points and a catalog."""
    polygons, labels = work.folder / "polygons.gpkg", work.scene("labels", "test_0")
    _succeed("vectorize", work.maps, "-o", str(polygons), "--min-area-m2", "5000")
    commands = (
        f"areas {work.maps} --by {polygons} --layer L1 -o OUT/areas.csv",
        f"areas {work.maps} --by {polygons} --layer L1 -o OUT/areas.gpkg",
        f"evaluate {work.maps} {labels} --taxonomy mm5b -o OUT/metrics.json",
        f"evaluate {work.maps} {labels} --taxonomy mm5b -o OUT/r.csv --by {polygons} --layer L1",
        f"sample {work.maps} -o OUT/points.gpkg --points 300 --min-per-class 5",
        f"catalog build {work.folder / 'scenes'} -o OUT/catalog",
    )
    _call_in_turn([f"{each} --overwrite" for each in commands], work, recorder, options.calls)


def report(work: Work, recorder: Recorder, options: argparse.Namespace) -> None:
    """Write reports, every fourth with figures and GIS files."""
    plain = f"report {work.maps} -o OUT/report.html --image {work.scene('S2', 'test_0')} --overwrite"
    commands = [
        plain,
        f"{plain} --labels {work.scene('labels', 'test_0')}",
        plain,
        f"{plain} --gis --figures OUT/f",
    ]
    _call_in_turn(commands, work, recorder, options.calls)


def _call_in_turn(commands: list[str], work: Work, recorder: Recorder, calls: int) -> None:
    out = work.folder / "results"
    out.mkdir(exist_ok=True)
    for number in range(1, calls + 1):
        text = commands[number % len(commands)].replace("OUT", str(out))
        overwrite = [] if "--overwrite" in text else ["--overwrite"]
        _succeed(*text.split(), *overwrite)
        recorder.look(number)


Part = Callable[[Work, Recorder, argparse.Namespace], None]
#: Part -> (what an iteration is, iterations between two looks, the work).
PARTS: dict[str, tuple[str, int, Part]] = {
    "train": ("training step, 0 workers", 20, lambda w, r, o: train(w, r, o, 0)),
    "train-2": ("training step, 2 workers", 20, lambda w, r, o: train(w, r, o, 2)),
    "fits": ("training of 5 steps", 2, fits),
    "predict": ("prediction", 50, predict),
    "vectorize": ("vectorize", 4, vectorize),
    "statistics": ("areas, evaluate, sample, catalog", 6, statistics),
    "report": ("report", 4, report),
}


def run_part(name: str, options: argparse.Namespace) -> int:
    """Be the process of one part; the parent has set its temporary folder and its log."""
    work = Work(Path(options.folder))
    _, every, body = PARTS[name]
    files = work.folder / f"{name}.log", work.folder / f"{name}.json"
    body(work, Recorder(Path(tempfile.gettempdir()), *files, every), options)
    return 0


def start_part(name: str, options: argparse.Namespace) -> Path:
    """Run one part in a process of its own.

    Returns:
        Its samples.

    Raises:
        RuntimeError: It failed.
    """
    folder = Path(options.folder)
    temporary = folder / f"{name}.tmp"
    temporary.mkdir()
    log = folder / f"{name}.log"
    words = [
        sys.executable,
        __file__,
        "--part",
        name,
        "--folder",
        str(folder),
        "--minutes",
        str(options.minutes),
    ]
    words += ["--predictions", str(options.predictions), "--calls", str(options.calls)]
    settings = {"TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    with log.open("wb") as file:
        done = subprocess.run(words, stdout=file, stderr=file, env=os.environ | settings)
    if done.returncode:
        raise RuntimeError(f"Expected {name} to succeed, but got status {done.returncode}. See {log}.")
    return folder / f"{name}.json"


HEADER = (
    "| iteration | number | min | memory, MiB | MiB per 1000 | handles | threads | processes | "
    "temporary files | lines per 1000 | warnings per 1000 | |"
)


def row(name: str, samples: list[Sample], found: Mapping[str, Course], leaks: list[str]) -> str:
    """Lay out the line of a part; counts as first -> last where they differ."""

    def count(quantity: str) -> str:
        course = found[quantity]
        same = course.first == course.last
        return f"{course.last:g}" if same else f"{course.first:g} to {course.last:g}"

    memory = found["memory"]
    cells = (
        PARTS[name][0],
        str(samples[-1].iteration),
        f"{samples[-1].seconds / 60:.1f}",
        f"{memory.first:.0f} to {memory.last:.0f}",
        f"{memory.slope:+.2f}",
        *(count(quantity) for quantity in ("handles", "threads", "processes", "leftovers")),
        *(f"{found[quantity].slope:.0f}" for quantity in ("lines", "warnings")),
        f"LEAKS {', '.join(leaks)}" if leaks else "flat",
    )
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Run all parts, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of each training (default: 10)")
    parser.add_argument("--predictions", type=int, default=5000, help="scenes (default: 5000)")
    parser.add_argument("--calls", type=int, default=400, help="of each kind of result (default: 400)")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="parts to run")
    parser.add_argument("--folder", help="folder to work in, and to keep (default: a temporary one)")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        return run_part(options.part, options)
    with tempfile.TemporaryDirectory(prefix="endurance-") as temporary:
        options.folder = options.folder or temporary
        Path(options.folder).mkdir(parents=True, exist_ok=True)
        Work(Path(options.folder)).prepare()
        return measure(options)


def measure(options: argparse.Namespace) -> int:
    """Run the parts that are asked for and print a line for each."""
    from holding import LIMITS

    print(HEADER, "|---|" + "---:|" * 10 + "---|", sep="\n", flush=True)
    leaking = False
    for name in options.only:
        samples, _ = load(start_part(name, options))
        found = courses(samples)
        leaks = [quantity for quantity in LIMITS if found[quantity].grows(quantity)]
        leaking = leaking or bool(leaks)
        print(row(name, samples, found, leaks), flush=True)
    return int(leaking)


if __name__ == "__main__":
    sys.exit(main())
