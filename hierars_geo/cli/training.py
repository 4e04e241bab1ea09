"""``hierars-geo fit | validate | test``: Lightning's own command line around our data and tasks."""

import sys
from argparse import RawDescriptionHelpFormatter

from jsonargparse import DefaultHelpFormatter

_EXAMPLES = """examples:
  hierars-geo fit --config experiments/quickstart/bhccm_s2.yaml
  hierars-geo fit --config my.yaml --trainer.max_steps 2000 --model.init_args.mode flat
  hierars-geo test --config my.yaml --ckpt_path runs/lightning_logs/version_0/checkpoints/last.ckpt
"""


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: The sub-command and Lightning's options.
    """
    from lightning.pytorch import LightningModule
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

    from .. import __version__
    from .. import tasks as tasks  # known to the parser by class name alone
    from ..data import SceneDataModule
    from .options import OneLineErrors

    class TrainingParser(OneLineErrors, LightningArgumentParser):
        """Lightning's parser with one-line errors."""

    class ExamplesFormatter(RawDescriptionHelpFormatter, DefaultHelpFormatter):
        """Keeps the lines of the examples."""

    class TrainingCLI(LightningCLI):
        """Ties the task to its data: bands, normalisation, tree, chip size and GSD are said once."""

        def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
            parser.epilog = _EXAMPLES
            parser.formatter_class = ExamplesFormatter
            parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
            parser.set_defaults({"checkpoint.save_last": True, "checkpoint.filename": "best"})
            for name in ("taxonomy", "bands", "mean", "std", "gsd_m", "chip_size"):
                parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")

        def before_fit(self) -> None:
            """Load what is resumed from as data, never as code."""
            self.config_init[self.subcommand]["weights_only"] = True

        before_validate = before_fit
        before_test = before_fit

        def after_fit(self) -> None:
            """Say where the checkpoint is and what to do with it."""
            for callback in self.trainer.checkpoint_callbacks:
                path = getattr(callback, "best_model_path", "") or getattr(callback, "last_model_path", "")
                if path:
                    sys.stdout.write(f"{path}\n")

    TrainingCLI(
        model_class=LightningModule,
        datamodule_class=SceneDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        seed_everything_default=0,
        parser_kwargs={"prog": "hierars-geo", "version": __version__},
        save_config_kwargs={"overwrite": True},
        trainer_defaults=_trainer_defaults(),
        parser_class=TrainingParser,
        args=argv,
    )
    return 0


def _trainer_defaults() -> dict[str, object]:
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": "runs"}}
    return {"logger": logger}


__all__ = ("main",)
