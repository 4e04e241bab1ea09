"""``hierars-geo expand``: a checkpoint for another class tree, known classes kept."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..models.init_report import InitReport

EXAMPLES = """examples:
  hierars-geo expand crops.ckpt --taxonomy crops_with_wheat.yaml -o wheat_start.ckpt
  hierars-geo fit --config wheat.yaml --model.init_args.start.checkpoint wheat_start.ckpt
"""


def run(checkpoint: str, *, taxonomy: str, out: Path, overwrite: bool = False) -> int:
    """Carry a model over to a class tree with more, fewer or reordered classes.

    Classes of the same name keep their weights, new ones start from their relatives.

    Args:
        checkpoint: Checkpoint of a trained model.
        taxonomy: The new tree: catalog name or YAML file.
        out: The checkpoint to write.
        overwrite: Replace a file that exists.
    """
    from ..output import check_writable_folder, refuse_existing
    from ..taxonomy import Taxonomy

    tree = Taxonomy.from_yaml(taxonomy)
    refuse_existing([out], overwrite, [checkpoint, taxonomy])

    from ..models.checkpoint import Checkpoint
    from ..models.expansion import expand_checkpoint
    from ..tasks import write_checkpoint

    content, report = expand_checkpoint(Checkpoint.read(checkpoint), tree)
    check_writable_folder(out.parent)
    write_checkpoint(content, out)
    _print(report, tree.name, out)
    return 0


def _print(report: "InitReport", tree: str, out: Path) -> None:
    """Say where the classes' weights come from, and what to do next."""
    from .tables import print_table

    rows = []
    for level in report.levels:
        first = (level.level, str(len(level.copied)))
        dropped = ", ".join(level.dropped)
        origins = level.origins() or {(): ()}
        for number, (origin, names) in enumerate(origins.items()):
            cells = (*first, dropped) if number == 0 else ("", "", "")
            rows.append((cells[0], cells[1], ", ".join(names), ", ".join(origin), cells[2]))
    sys.stdout.write(f"classes of {tree}\n")
    print_table(("level", "copied", "new", "from", "dropped"), rows, whole=1)
    for level_name in report.lost_levels:
        sys.stdout.write(f"level {level_name} is not in the new tree: its weights are left out\n")
    sys.stdout.write(
        f"{out}\n"
        f"train on labels of the new classes: hierars-geo fit ... --model.init_args.start.checkpoint {out}\n"
    )
