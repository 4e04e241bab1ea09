"""``hierars-geo fit | validate | test``: Lightning's own command line around our data and tasks."""

import sys

_EXAMPLES = """examples:
  hierars-geo fit --config experiments/quickstart/bhccm_s2.yaml
  hierars-geo fit --config my.yaml --trainer.max_epochs 20 --model.init_args.mode flat
  hierars-geo test --config my.yaml --ckpt_path runs/my/checkpoints/best.ckpt
"""


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: The sub-command and Lightning's options.
    """
    from lightning.pytorch import LightningModule
    from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

    from .. import __version__, data, tasks  # noqa: F401  # both are found by class name alone
    from ..data import SceneDataModule

    class TrainingCLI(LightningCLI):
        """Ties the task to its data: bands, normalisation, tree, chip size and GSD are said once."""

        def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
            parser.epilog = _EXAMPLES
            parser.link_arguments("data.taxonomy", "model.init_args.taxonomy", apply_on="instantiate")
            for name in ("bands", "mean", "std", "gsd_m", "chip_size"):
                parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")

    TrainingCLI(
        model_class=LightningModule,
        datamodule_class=SceneDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        seed_everything_default=0,
        parser_kwargs={"prog": "hierars-geo", "version": __version__},
        save_config_kwargs={"overwrite": True},
        trainer_defaults=_trainer_defaults(),
        args=argv,
    )
    sys.stderr.flush()
    return 0


def _trainer_defaults() -> dict[str, object]:
    return {
        "logger": {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": "runs"}}
    }


__all__ = ("main",)
