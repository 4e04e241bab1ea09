"""The folder of a training run: one for all loggers, and none where the training never began."""

import contextlib
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from lightning.pytorch import Callback, LightningModule, Trainer

_LOGGERS: Final = "lightning.pytorch.loggers"
#: Loggers that number the folders of their runs.
_NUMBERED: Final = ("CSVLogger", "TensorBoardLogger")


def default_loggers() -> list[dict[str, Any]]:
    """Return the loggers where none is named: a table, and TensorBoard where it is installed."""
    names = [name for name in _NUMBERED if name != "TensorBoardLogger" or find_spec("tensorboard")]
    return [{"class_path": f"{_LOGGERS}.{name}", "init_args": {"save_dir": "runs"}} for name in names]


def share_version(loggers: object) -> None:
    """Give loggers that would number their folders each on its own the same next number.

    Args:
        loggers: ``trainer.logger`` of a parsed configuration; anything but a list is left alone.
    """
    if not isinstance(loggers, list):
        return
    homes: dict[Path, list[Any]] = {}
    for logger in loggers:
        if logger["class_path"].split(".")[-1] not in _NUMBERED or "version" not in logger["init_args"]:
            continue
        options = logger["init_args"]
        if options["version"] is None:
            homes.setdefault(Path(options["save_dir"]) / (options["name"] or ""), []).append(options)
    for home, numbered in homes.items():
        for options in numbered:
            options["version"] = _next_version(home)


def _next_version(home: Path) -> int:
    """Return the number after the largest ``version_N`` below a folder."""
    names = [path.name for path in home.iterdir()] if home.is_dir() else []
    return 1 + max((int(n[1]) for name in names if (n := re.fullmatch(r"version_(\d+)", name))), default=-1)


class FailedStart(Callback):
    """Take away what a training wrote that failed before its first step: it would look like a run.

    Files that were there before stay.
    """

    def __init__(self) -> None:
        self._before: Mapping[Path, frozenset[Path]] = {}

    def remember(self, trainer: Trainer) -> None:
        """Look at the folders of a run before anything is written."""
        folders = {Path(logger.log_dir) for logger in trainer.loggers if logger.log_dir is not None}
        self._before = {folder: frozenset(_around(folder)) for folder in folders}

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Remove what is new, from the files up to the folders."""
        if trainer.global_step > 0 or not trainer.is_global_zero:
            return
        for folder, before in self._before.items():
            for path in sorted(set(_around(folder)) - before, reverse=True):
                with contextlib.suppress(OSError):  # a folder that somebody else has written to
                    path.rmdir() if path.is_dir() else path.unlink()


def _around(folder: Path) -> list[Path]:
    """Return a folder, all that is in it, and the folders above it: those that exist."""
    return [path for path in (*folder.rglob("*"), folder, *folder.parents) if path.exists()]


__all__ = ("FailedStart", "default_loggers", "share_version")
