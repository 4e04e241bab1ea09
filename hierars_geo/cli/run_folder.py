"""The folder of a training run: one for all loggers, and none where the training never began."""

import contextlib
import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.utilities import rank_zero_only

from ..output import as_output_error, atomic_path, remove_abandoned

_LOGGERS: Final = "lightning.pytorch.loggers"
#: Where they write unless something else is said.
_HOME: Final = "runs"
#: Loggers that number the folders of their runs.
_NUMBERED: Final = ("CSVLogger", "TensorBoardLogger")


def default_loggers() -> list[dict[str, Any]]:
    """Return the loggers where none is named: a table, and TensorBoard where it is installed."""
    names = [name for name in _NUMBERED if name != "TensorBoardLogger" or find_spec("tensorboard")]
    return [{"class_path": f"{_LOGGERS}.{name}", "init_args": {"save_dir": _HOME}} for name in names]


def share_version(loggers: object, root: str | None = None) -> list[Path]:
    """Give loggers that would number their folders each on its own the same next number, and take it.

    The folder is made at once: of two trainings that start together each gets its own.

    Args:
        loggers: ``trainer.logger`` of a parsed configuration; anything but a list is left alone.
        root: ``trainer.default_root_dir``, the home of loggers of which nothing is said.

    Returns:
        Folders that were made, from the innermost on.

    Raises:
        OutputError: A folder cannot be made.
    """
    made: list[Path] = []
    if not isinstance(loggers, list):
        return made
    homes: dict[str, list[Any]] = {}
    for logger in loggers:
        if logger["class_path"].split(".")[-1] not in _NUMBERED or "version" not in logger["init_args"]:
            continue
        options = logger["init_args"]
        if root is not None and options["save_dir"] == _HOME:
            options["save_dir"] = root
        if options["version"] is None:
            homes.setdefault(os.path.join(options["save_dir"], options["name"] or ""), []).append(options)
    for home, numbered in homes.items():
        # other processes of the same training write nothing; elsewhere than on disks nothing is made
        local = "://" not in home and getattr(rank_zero_only, "rank", 0) == 0
        number, new = _take_version(Path(home)) if local else (_next_version(Path(home)), [])
        made += new
        for options in numbered:
            options["version"] = number
    return made


def _take_version(home: Path) -> tuple[int, list[Path]]:
    """Make the next ``version_N`` below a folder; return N and the folders that were made for it."""
    missing = [folder for folder in (home, *home.parents) if not folder.exists()]
    with as_output_error(home):
        home.mkdir(parents=True, exist_ok=True)
        while True:
            number = _next_version(home)
            try:
                (home / f"version_{number}").mkdir()
            except FileExistsError:  # another training was quicker
                continue
            break
        for run in home.glob("version_*/"):
            for folder in (run, run / "checkpoints"):
                if folder.is_dir():  # a training that was killed does not come back to its folder
                    remove_abandoned(folder)
    return number, [home / f"version_{number}", *missing]


def _next_version(home: Path) -> int:
    """Return the number after the largest ``version_N`` below a folder."""
    names = [path.name for path in home.iterdir()] if home.is_dir() else []
    return 1 + max((int(n[1]) for name in names if (n := re.fullmatch(r"version_(\d+)", name))), default=-1)


class WholeConfig(SaveConfigCallback):
    """Keeps the configuration in the folder of the run, whole or not at all.

    Without a logger it lies beside the checkpoints; a run that keeps neither keeps no configuration.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write it when the training starts."""
        if self.already_saved:
            return
        folder = trainer.log_dir if trainer.loggers else _checkpoints(trainer)  # log_dir asks all processes
        if folder is None:
            return
        if "://" in folder:
            super().setup(trainer, pl_module, stage)
            return
        if trainer.is_global_zero:
            path = Path(folder) / self.config_filename
            with as_output_error(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_path(path) as unfinished:
                    text = self.parser.dump(self.config, skip_none=False)
                    unfinished.write_text(text, encoding="utf-8")
        self.already_saved = True


def _checkpoints(trainer: Trainer) -> str | None:
    """Return the folder of a run without loggers, whose ``log_dir`` would be the current folder itself."""
    if trainer.checkpoint_callback is None:
        return None
    named = getattr(trainer.checkpoint_callback, "dirpath", None)
    return str(named or os.path.join(trainer.default_root_dir, "checkpoints"))


class HowToGoOn(Callback):
    """Tells an interrupt what goes on from where the training was: the command line says it."""

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Name the last checkpoint."""
        if not isinstance(exception, KeyboardInterrupt):
            return
        written = [getattr(callback, "last_model_path", "") for callback in trainer.checkpoint_callbacks]
        named = [path for path in written if path]
        exception.args = (
            f"Go on with --ckpt_path {named[0]}."
            if named
            else "No checkpoint was written yet: run it again.",
        )


class FailedStart(Callback):
    """Take away what a training wrote that failed before its first step: it would look like a run.

    Files that were there before stay.
    """

    def __init__(self) -> None:
        self._before: Mapping[Path, frozenset[Path]] = {}
        #: Empty folders that were made for the run, from the innermost on.
        self.made: list[Path] = []

    def remember(self, trainer: Trainer) -> None:
        """Look at the folders of a run before anything is written."""
        named = [logger.log_dir for logger in trainer.loggers] or [_checkpoints(trainer)]
        folders = {Path(folder) for folder in named if folder is not None}
        self._before = {folder: frozenset(_around(folder)) for folder in folders}

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Remove what is new, from the files up to the folders."""
        if trainer.global_step > 0 or not trainer.is_global_zero:
            return
        for folder, before in self._before.items():
            for path in sorted(set(_around(folder)) - before, reverse=True):
                with contextlib.suppress(OSError):  # a folder that somebody else has written to
                    path.rmdir() if path.is_dir() else path.unlink()

    def take_back(self) -> None:
        """Remove the folders that were made for the run where nothing came to lie in them."""
        for folder in self.made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _around(folder: Path) -> list[Path]:
    """Return a folder, all that is in it, and the folders above it: those that exist."""
    return [path for path in (*folder.rglob("*"), folder, *folder.parents) if path.exists()]
