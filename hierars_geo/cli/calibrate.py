"""``hierars-geo calibrate``: how far a model can be trusted, measured on ground kept apart."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..datamodules import SceneDataModule
    from ..models import ModelRecord

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

    Mends its confidence by a temperature and a curve per level, finds the thresholds at which maps keep a
    promise (of all pixels shown, at most a share is wrong), and learns what the training ground looks
    like, so that maps can say where they leave it.

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
    from ..metrics.risk import check_promises
    from ..output import refuse_existing

    refuse_existing([out], overwrite, [checkpoint, *config])
    check_promises(risk, delta)  # before anything heavy is imported
    from ..tasks import calibrate

    model = calibrate(checkpoint, configured_data(config), out, risk, delta, split, block_m, overwrite)
    print_trust(model.record)
    sys.stdout.write(f"{out}\n")
    return 0


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
    from .tables import print_table

    found, known = record.calibration, record.applicability
    if found is None or known is None:
        raise TypeError("a record that was calibrated knows both")
    errors = zip(record.taxonomy.level_names, found.error_before, found.error_after, strict=True)
    rows = [(name, f"{100 * before:.2f} %", f"{100 * after:.2f} %") for name, before, after in errors]
    sys.stdout.write(f"temperature {found.temperature:.3f}, {found.blocks} blocks\n")
    print_table(("level", "calibration error before", "after"), rows, whole=1)
    for promise in found.promises:
        for option, threshold in (("", promise.threshold), (" --sets", promise.set_threshold)):
            kept = "nothing can be shown: promise less, or keep more ground apart"
            if threshold is not None:
                kept = f"shows what is at least {100 * threshold:.0f} % sure"
            sys.stdout.write(f"predict --risk {promise.risk:g}{option}: {kept}\n")
    sys.stdout.write(
        f"training ground: {len(known.prototypes)} prototypes of {known.blocks} blocks; of the {found.split} "
        f"ground {100 * known.outside:.1f} % is unlike it\n"
    )
