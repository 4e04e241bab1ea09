"""The commands that are drilled, as they are called in a folder that holds ``in`` and gets ``out``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

CHECKPOINT = "in/model.ckpt"
EXPORTED = "in/model.onnx"
SCENE = "in/scenes/test_0/test_0_S2.tif"
LABELS = "in/scenes/test_0/test_0_labels.tif"


@dataclass(frozen=True)
class Command:
    """A command line and how to go on after it was broken off.

    Attributes:
        name: In the table.
        words: Of the command line; paths are relative to the folder of the trial.
        again: Given that folder, the words of the command that goes on.
        remedy: What the line of an interrupt has to name.
        inputs: Files or folders that are read: deleted and truncated by the drill.
        kept: What is kept of a broken run and gone on from, as a pattern of names; empty for nothing.
        note: What going on comes to.
    """

    name: str
    words: tuple[str, ...]
    again: Callable[[Path], tuple[str, ...]]
    remedy: str
    inputs: tuple[str, ...]
    kept: str = ""
    note: str = "rerun, same bytes"


def _resumed_fit(trial: Path) -> tuple[str, ...]:
    """Go on from the newest last.ckpt; from the start where none was written."""
    written = sorted((trial / "out").rglob("last.ckpt"), key=lambda path: path.parts)
    more = ("--ckpt_path", str(written[-1].relative_to(trial))) if written else ()
    return ("fit", "--config", "in/fit.yaml", *more)


def _with(option: str, *words: str) -> Callable[[Path], tuple[str, ...]]:
    return lambda trial: (*words, option)


_FIT = ("fit", "--config", "in/fit.yaml")
_PREDICT = (
    *("predict", CHECKPOINT, SCENE, "-o", "out/maps", "--device", "cpu"),
    *("--window", "64", "--chunk-px", "100", "--confidence", "--depth-threshold", "0.5"),
)
_CACHE = ("--cache-dir", "in/graphs")
_VECTORIZE = ("vectorize", "in/maps", "-o", "out/maps.gpkg")
_REPORT = ("report", "in/maps", "-o", "out/report.html", "--image", SCENE, "--labels", LABELS)
_CATALOG = ("catalog", "build", "in/scenes", "-o", "out/catalog", "--checksums")

FIT = Command(
    "fit",
    _FIT,
    _resumed_fit,
    "--ckpt_path",
    ("in/scenes",),
    "last.ckpt",
    "resumed from last.ckpt, same weights",
)


def _prediction(name: str, words: tuple[str, ...]) -> Command:
    again = _with("--resume", *words)
    return Command(name, words, again, "--resume", (SCENE,), "chunk-*.rows", "--resume, same bytes")


PREDICT = _prediction("predict", _PREDICT)
#: The same by other libraries, which run a graph that lies ready.
OTHER_RUNTIMES = (
    _prediction("predict --runtime onnx", (*_PREDICT, "--runtime", "onnx", *_CACHE)),
    _prediction("predict --runtime openvino", (*_PREDICT, "--runtime", "openvino", *_CACHE)),
    _prediction("predict model.onnx", ("predict", EXPORTED, *_PREDICT[2:])),
)
VECTORIZE = Command("vectorize", _VECTORIZE, _with("--overwrite", *_VECTORIZE), "again", ("in/maps",))
REPORT = Command("report", _REPORT, _with("--overwrite", *_REPORT), "again", ("in/maps",))
CATALOG = Command("catalog build", _CATALOG, _with("--overwrite", *_CATALOG), "again", ("in/scenes",))
COMMANDS = (FIT, PREDICT, *OTHER_RUNTIMES, VECTORIZE, REPORT, CATALOG)


def polygons_as(suffix: str) -> Command:
    """Return the command that writes polygons in another format, one file per level."""
    words = ("vectorize", "in/maps", "-o", f"out/maps{suffix}")
    return Command(f"vectorize {suffix}", words, _with("--overwrite", *words), "again", ("in/maps",))


def write_training(path: Path, steps: int, every: int) -> None:
    """Write the configuration of a training that keeps a checkpoint every so many steps."""
    loggers = [
        {"class_path": f"lightning.pytorch.loggers.{name}", "init_args": {"save_dir": "out/runs"}}
        for name in ("CSVLogger", "TensorBoardLogger")
    ]
    content = {
        "model": {
            "class_path": "hierars_geo.tasks.BHCCMTask",
            "init_args": {
                "architecture": "unet",
                "encoder": "tu-test_resnet",
                "model_options": {"decoder_channels": [32, 16, 16, 8, 8]},
                "optimizer": {"lr": 0.003},
                "schedule": {"warmup_steps": 2},
                "dropout": 0.2,
            },
        },
        "data": {
            "class_path": "hierars_geo.datamodules.SceneDataModule",
            "init_args": {
                "sensor": "sentinel2",
                "images": ["in/scenes/train_0/train_0_S2.tif"],
                "labels": ["in/scenes/train_0/train_0_labels.tif"],
                "taxonomy": "mm5b",
                "chips": {"size": 32, "per_epoch": 2 * steps},
                "augmentation": {"flips": True},
                "loader": {"batch_size": 2},
            },
        },
        "checkpoint": {"every_n_train_steps": every},
        "trainer": {
            "max_steps": steps,
            "accelerator": "cpu",
            "devices": 1,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "limit_val_batches": 2,
            "log_every_n_steps": 5,
            "logger": loggers,
        },
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


__all__ = (
    "CATALOG",
    "CHECKPOINT",
    "COMMANDS",
    "EXPORTED",
    "FIT",
    "LABELS",
    "OTHER_RUNTIMES",
    "PREDICT",
    "REPORT",
    "SCENE",
    "VECTORIZE",
    "Command",
    "polygons_as",
    "write_training",
)
