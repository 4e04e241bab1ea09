"""``hierars-geo calibrate``: how far a model can be trusted, measured on ground kept apart."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..datamodules import SceneDataModule
    from ..models import Model, ModelRecord

EXAMPLES = """examples:
  hierars-geo calibrate model.ckpt --config my.yaml --risk 0.05 0.1 -o calibrated.ckpt
  hierars-geo predict calibrated.ckpt scene.tif -o maps --risk 0.1 --applicability
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
    """Measure how far a model can be trusted, on ground that its training never saw.

    Mends its confidence by one temperature, finds the thresholds at which maps keep a promise (of all pixels
    shown, at most a share is wrong), and learns what the training ground looks like, so that maps can say
    where they leave it.

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
    from ..metrics.risk import check_promises
    from ..output.output import check_writable_folder, refuse_existing

    # all that can be checked is checked before the ground is read
    refuse_existing([out], overwrite, [checkpoint, *config])
    check_promises(risk, delta)
    if block_m is not None and not block_m > 0:
        raise OptionError(f"Expected --block-m to be > 0 m, but got {block_m:g}.")
    check_writable_folder(out.parent)

    from ..models.checkpoint import load

    loaded = load(checkpoint)
    data = configured_data(config)
    data.setup(split)
    if split not in data.parts:
        raise OptionError(
            f"Expected ground kept apart as {split}, but the data have none "
            f"(in {', '.join(config)}). Give splits a {split}_fraction or a {split}_region."
        )
    record = calibrate_checkpoint(loaded, data, out, risk, delta, split, block_m)
    print_trust(record)
    sys.stdout.write(f"{out}\n")
    return 0


def calibrate_checkpoint(
    loaded: "Model",
    data: "SceneDataModule",
    out: Path,
    risks: Sequence[float],
    delta: float = 0.1,
    split: Literal["val", "test"] = "val",
    block_m: float | None = None,
) -> "ModelRecord":
    """Measure on some ground how far a model can be trusted, and write its checkpoint anew.

    Args:
        loaded: The model, as it was trained.
        data: Set up; its training ground and the ground kept apart.
        out: The checkpoint to write; its folder exists.
        risks: Promises, see :func:`.calibrate`.
        delta: See there.
        split: Ground kept apart.
        block_m: Side of a block of ground in metres; None for two chips.

    Raises:
        HieraRSError: Model and data do not fit, or there is too little ground.
    """
    from dataclasses import replace

    from pyproj import CRS

    from ..metrics.risk import check_promises
    from ..models.checkpoint import Checkpoint
    from ..models.record import RECORD_KEY
    from ..samplers.chip_samplers import GridChipSampler
    from ..tasks import write_checkpoint
    from ..tasks.applicability import MOST_CHIPS, learn_ground, share_outside
    from ..tasks.calibration import block_at, block_of, calibrate
    from ..tasks.training_data import require_same_data

    require_same_data(loaded.record, data)
    side_m = block_m or 2 * data.chip_size * data.gsd_m
    part = data.parts[split]
    ground = GridChipSampler(part, data.chip_size)
    crs = CRS.from_user_input(part.crs)
    blocks = {block_at(ground.lattice.bounds(chip.window), crs, side_m) for chip in ground.chips}
    check_promises(risks, delta, len(blocks))
    network = loaded.network
    known = learn_ground(
        network,
        data.sample_dataloader("train", MOST_CHIPS),
        lambda batch, chip: block_of(batch, chip, side_m),
    )
    outside = share_outside(network, known, data.sample_dataloader(split, MOST_CHIPS))
    loader = data.val_dataloader() if split == "val" else data.test_dataloader()
    found = calibrate(network, loaded.record.taxonomy, lambda: loader, risks, side_m, delta, split)
    record = replace(loaded.record, calibration=found, applicability=replace(known, outside=outside))
    content = dict(Checkpoint.read(loaded.path).content)
    content[RECORD_KEY] = content[RECORD_KEY] | record.to_dict()
    write_checkpoint(content, out)
    return record


def configured_data(paths: list[str]) -> "SceneDataModule":
    """Build the data module of a training's configuration, given with its overlays."""
    from jsonargparse import Namespace

    from ..datamodules import SceneDataModule
    from .training_cli import TrainingParser, parse_training_config

    said = parse_training_config(*paths).data
    builder = TrainingParser()
    builder.add_subclass_arguments(SceneDataModule, "data")
    data: SceneDataModule = builder.instantiate_classes(Namespace(data=said)).data  # type: ignore[no-untyped-call]
    return data


def print_trust(record: "ModelRecord") -> None:
    """Print how far a calibrated model can be trusted."""
    from rich.console import Console
    from rich.table import Table

    found, known = record.calibration, record.applicability
    if found is None or known is None:
        raise TypeError("a record that was calibrated knows both")
    table = Table(title=f"temperature {found.temperature:.3f}, {found.blocks} blocks", title_justify="left")
    for heading in ("level", "calibration error before", "after"):
        table.add_column(heading, justify="left" if heading == "level" else "right")
    names = record.taxonomy.level_names
    for name, before, after in zip(names, found.error_before, found.error_after, strict=True):
        table.add_row(name, f"{100 * before:.2f} %", f"{100 * after:.2f} %")
    Console().print(table)
    for promise in found.promises:
        kept = "no threshold keeps it" if promise.threshold is None else f"confidence {promise.threshold:.2f}"
        sys.stdout.write(f"risk {promise.risk:g}: {kept}\n")
    sys.stdout.write(
        f"training ground: {len(known.prototypes)} prototypes of {known.blocks} blocks; of the {found.split} "
        f"ground {100 * known.outside:.1f} % is unlike it\n"
    )
