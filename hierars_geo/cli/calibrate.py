"""``hierars-geo calibrate``: what a model's confidence is worth, measured on ground kept apart."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..datamodules import SceneDataModule
    from ..models.calibration import Calibration

EXAMPLES = """examples:
  hierars-geo calibrate model.ckpt --config my.yaml --risk 0.05 0.1 -o calibrated.ckpt
  hierars-geo predict calibrated.ckpt scene.tif -o maps --risk 0.1
"""


def run(
    checkpoint: str,
    *,
    config: list[str],
    out: Path,
    risk: list[float] = [0.05, 0.1],  # noqa: B006  # only read, and shown by --help
    delta: float = 0.1,
    split: Literal["val", "test"] = "val",
    block_m: float | None = None,
    overwrite: bool = False,
) -> int:
    """Measure a model's confidence on ground that its training never saw, and mend it by one temperature.

    Finds the thresholds at which maps keep a promise: of all pixels shown, at most a share is wrong.

    Args:
        checkpoint: Checkpoint of a trained model.
        config: The configuration that says the data, with its overlays.
        out: The checkpoint to write.
        risk: Promises: shares of what is shown that may be wrong, 0..1.
        delta: Chance that a promise fails for the draw of the blocks.
        split: Ground to use.
        block_m: Side of a block of ground in metres (default: two chips).
        overwrite: Replace a file that exists.
    """
    from ..errors import OptionError
    from ..output.output import check_writable_folder, refuse_existing

    refuse_existing([out], overwrite, [checkpoint, *config])
    if block_m is not None and not block_m > 0:
        raise OptionError(f"Expected --block-m to be > 0 m, but got {block_m:g}.")

    from dataclasses import replace

    from ..models.checkpoint import Checkpoint, load
    from ..models.record import RECORD_KEY
    from ..tasks import write_checkpoint
    from ..tasks.calibration import calibrate

    loaded = load(checkpoint)
    data = _data(config)
    data.setup(split)
    if split not in data.parts:
        raise OptionError(
            f"Expected ground kept apart as {split}, but the data have none "
            f"(in {', '.join(config)}). Give splits a {split}_fraction or a {split}_region."
        )
    loader = data.val_dataloader() if split == "val" else data.test_dataloader()
    side_m = block_m or 2 * data.chip_size * data.gsd_m
    found = calibrate(loaded.network, loaded.record.taxonomy, lambda: loader, risk, side_m, delta, split)
    content = dict(Checkpoint.read(checkpoint).content)
    record = replace(loaded.record, calibration=found).to_dict()
    content[RECORD_KEY] = content[RECORD_KEY] | record
    check_writable_folder(out.parent)
    write_checkpoint(content, out)
    _print(found, loaded.record.taxonomy.level_names, out)
    return 0


def _data(paths: list[str]) -> "SceneDataModule":
    """Build the data module of a training's configuration."""
    from jsonargparse import Namespace

    from ..datamodules import SceneDataModule
    from .training_cli import TrainingParser, parse_training_config

    said = parse_training_config(*paths).data
    builder = TrainingParser()
    builder.add_subclass_arguments(SceneDataModule, "data")
    data: SceneDataModule = builder.instantiate_classes(Namespace(data=said)).data  # type: ignore[no-untyped-call]
    return data


def _print(found: "Calibration", level_names: tuple[str, ...], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"temperature {found.temperature:.3f}, {found.blocks} blocks", title_justify="left")
    for heading in ("level", "calibration error before", "after"):
        table.add_column(heading, justify="left" if heading == "level" else "right")
    for name, before, after in zip(level_names, found.error_before, found.error_after, strict=True):
        table.add_row(name, f"{100 * before:.2f} %", f"{100 * after:.2f} %")
    Console().print(table)
    for promise in found.promises:
        kept = "no threshold keeps it" if promise.threshold is None else f"confidence {promise.threshold:.2f}"
        sys.stdout.write(f"risk {promise.risk:g}: {kept}\n")
    sys.stdout.write(f"{out}\n")


__all__ = ("EXAMPLES", "run")
