"""Lightning's command line tied to our data and tasks; imported only when a training command is called."""

import re
import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any, Final

from jsonargparse import DefaultHelpFormatter, Namespace
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, ProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from .. import __version__
from .. import tasks as tasks  # known to the parser by class name alone
from ..datamodules.datamodule import SceneDataModule
from ..errors import CheckpointError, OptionError
from ..models.checkpoint import Checkpoint
from .options import OneLineErrors
from .run_folder import FailedStart, HowToGoOn, WholeConfig, default_loggers, share_version
from .verbosity import EVERYWHERE, is_quiet

EXAMPLES: Final = """examples:
  hierars-geo fit --config experiments/quickstart/bhccm_s2.yaml
  hierars-geo fit --config my.yaml --trainer.max_steps 2000 --model.init_args.mode flat
  hierars-geo fit --config my.yaml --head pooled       # frozen encoder, solved in one pass
  hierars-geo test --config my.yaml --ckpt_path runs/lightning_logs/version_0/checkpoints/last.ckpt
"""


class TrainingParser(OneLineErrors, LightningArgumentParser):
    """Lightning's parser with one-line errors."""


class ExamplesFormatter(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the lines of the examples."""


class TrainingCLI(LightningCLI):
    """Trains a task on a data module, which alone says bands, normalisation, tree, chip size and GSD.

    Args:
        args: The sub-command and its options; without ``run`` the options alone.
        run: Whether there are sub-commands.
    """

    def __init__(self, args: ArgsType, run: bool = True) -> None:
        self._failed_start = FailedStart()
        if isinstance(args, list):
            args = _as_the_parser_reads(args)
        try:
            super().__init__(
                model_class=LightningModule,
                datamodule_class=SceneDataModule,
                subclass_mode_model=True,
                subclass_mode_data=True,
                seed_everything_default=0,
                # the sub-commands' parsers take the formatter of the one above them
                parser_kwargs={
                    "prog": "hierars-geo",
                    "version": __version__,
                    "formatter_class": ExamplesFormatter,
                },
                save_config_callback=WholeConfig,
                trainer_defaults={
                    "logger": default_loggers(),
                    "callbacks": [
                        tasks.RequireLabels(),
                        tasks.ProgressLines(),
                        tasks.NeverPredicted(),
                        tasks.PixelBaseline(),
                        HowToGoOn(),
                        self._failed_start,
                    ],
                },
                parser_class=TrainingParser,
                args=args,
                run=run,
            )
        except BaseException:
            self._failed_start.take_back()
            raise

    def _instantiate_trainer(self, config: dict[str, Any], callbacks: list[Callback]) -> Trainer:
        """Show a bar over the steps, unless bars are turned off or the configuration has one of its own.

        Raises:
            OptionError: No checkpoint is to be kept.
        """
        if config.get("enable_checkpointing") is False:
            raise OptionError(
                "Expected trainer.enable_checkpointing to be true, but got false: a run goes on from its "
                "checkpoints. Leave it out, or try a configuration with --trainer.fast_dev_run true."
            )
        named = config.get("callbacks") or []
        own = any(isinstance(each, ProgressBar) for each in (named if isinstance(named, list) else [named]))
        if config.get("enable_progress_bar") is not False and not own:
            callbacks = [*callbacks, tasks.StepBar()]
        trainer: Trainer = super()._instantiate_trainer(config, callbacks)
        return trainer

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the checkpoint's options."""
        parser.epilog = EXAMPLES + EVERYWHERE
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.set_defaults({"checkpoint.save_last": True, "checkpoint.filename": "best"})

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, and look at the checkpoint before Lightning opens it.

        Raises:
            HieraRSError: An option is wrong, or the checkpoint is missing, damaged or unsafe.
        """
        super().parse_arguments(parser, args)
        path = self._checkpoint()
        if path is not None:
            Checkpoint.read(path)
        elif self.config.get("subcommand") in ("validate", "test") and not self._named("ckpt_path"):
            raise OptionError(
                f"Expected --ckpt_path, the model to {self.config['subcommand']}, but got none. "
                "Name a checkpoint that fit wrote."
            )

    def before_instantiate_classes(self) -> None:
        """Let all loggers of a run write into one folder; with ``--quiet`` show neither bar nor summary."""
        config = self.config[self.config["subcommand"]] if "subcommand" in self.config else self.config
        if "subcommand" in self.config:
            self._failed_start.made = share_version(
                config["trainer"]["logger"], config["trainer"]["default_root_dir"]
            )
        if is_quiet():
            _silence(config["trainer"])

    def before_fit(self) -> None:
        """Load what is resumed from as data, never as code, and refuse that of another model."""
        self.config_init[self.subcommand]["weights_only"] = True
        self._failed_start.remember(self.trainer)
        if self.subcommand == "fit" and "val" not in getattr(self.datamodule, "parts", ("val",)):
            for callback in self.trainer.checkpoint_callbacks:
                if isinstance(callback, ModelCheckpoint) and callback.filename == "best":
                    callback.save_top_k = 0  # nothing says which is the best: last.ckpt is all there is
        path = self._checkpoint()
        if path is None:
            return
        if isinstance(self.model, tasks.SegmentationTask):
            self.model.build(tasks.TrainingData.of(self.datamodule))
        try:
            self.model.on_load_checkpoint(dict(Checkpoint.read(path).content))
        except CheckpointError as error:
            raise CheckpointError(f"{str(error).rstrip('.')} (in {path}).") from error

    before_validate = before_fit

    def before_test(self) -> None:
        """Refuse to test on nothing.

        Raises:
            OptionError: There is no test ground.
        """
        self.before_fit()
        self.datamodule.test_dataloader()

    def after_fit(self) -> None:
        """Say where the checkpoint is."""
        if not self.trainer.is_global_zero:
            return
        for callback in self.trainer.checkpoint_callbacks:
            path = getattr(callback, "best_model_path", "") or getattr(callback, "last_model_path", "")
            if path:
                sys.stdout.write(f"{path}\n")

    def _checkpoint(self) -> str | None:
        """Return the file that ``--ckpt_path`` names, None for none or a word such as ``last``."""
        named = self._named("ckpt_path")
        return named if isinstance(named, str) and named not in ("best", "hpc", "last", "registry") else None

    def _named(self, option: str) -> Any:  # noqa: ANN401
        subcommand = self.config.get("subcommand")
        return self.config[subcommand].get(option) if subcommand else None


def _as_the_parser_reads(words: list[str]) -> list[str]:
    """Spell out ``--head``, and say ``null`` of an option in a group as a group of that one option.

    Of ``--data.init_args.splits.test_region null`` jsonargparse 4.53 makes the text None.
    """
    said: list[str] = []
    for word in words:
        option, equals, value = re.sub(r"^--head(?=$|=)", "--model.init_args.head", word).partition("=")
        if option == "null" and said:
            option, equals, value = said.pop(), "=", option
        grouped = re.fullmatch(r"(--(?:data|model)(?:\.init_args)?\.(?!init_args\.)\w+)\.([\w.]+)", option)
        if grouped and value == "null" and "init_args" not in grouped[2]:
            names = grouped[2].split(".")
            said += [grouped[1], f"{{{': {'.join(names)}: null{'}' * len(names)}"]
        else:
            said += [option, value] if value == "null" else [option + equals + value]
    return said


def _silence(trainer: Namespace) -> None:
    """Turn off what a trainer shows, also where the configuration asks for it."""
    shown = ("ModelSummary", "ProgressBar", "RichModelSummary", "RichProgressBar", "TQDMProgressBar")
    trainer["enable_progress_bar"] = trainer["enable_model_summary"] = False
    callbacks = trainer["callbacks"]
    if isinstance(callbacks, list):
        trainer["callbacks"] = [each for each in callbacks if each["class_path"].split(".")[-1] not in shown]


class _ParsedOnly(TrainingCLI):
    """Stops before anything is built or opened."""

    def instantiate_classes(self) -> None:
        """Build nothing."""


def parse_training_config(*paths: str | Path) -> Namespace:
    """Parse a configuration as ``fit`` does, without opening its data or building its model.

    Args:
        *paths: YAML files, of which later ones change what earlier ones say.

    Returns:
        Every option, also those by default.

    Raises:
        OptionError: A class or option does not exist, or a value is of another type.
    """
    named = [word for path in paths for word in ("--config", str(path))]
    config: Namespace = _ParsedOnly(named, run=False).config
    return config
