"""``hierars-geo evaluate``: scores of maps against labels, at every level."""

import json
import sys

from ..errors import OptionError
from .options import CommandParser

_EXAMPLES = """examples:
  hierars-geo evaluate maps labels.tif --taxonomy mm5b -o metrics.json
  hierars-geo evaluate maps/scene_L3.tif labels.tif --taxonomy my_tree.yaml -o metrics.json
"""


def parser() -> CommandParser:
    """Build the parser."""
    p = CommandParser(
        "evaluate",
        "Compare maps with labels at every level of the class tree.",
        _EXAMPLES,
    )
    p.add_argument("prediction", type=str, help="folder of one scene's maps, or a class raster of leaves")
    p.add_argument("labels", type=str, help="class raster of leaf values, on any grid")
    p.add_argument("--taxonomy", type=str, required=True, help="catalog name or YAML file")
    p.add_argument("-o", "--out", type=str, required=True, help="metrics.json to write")
    p.add_argument("--region", type=float, nargs=4, help="count only left bottom right top, in the map's CRS")
    p.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    return p


def main(argv: list[str]) -> int:
    """Run the command."""
    args = parser().parse_args(argv)
    from pathlib import Path

    from ..predict import evaluate_maps
    from ..raster import atomic_path, check_writable_folder, refuse_existing
    from ..taxonomy import Taxonomy
    from .progress import progress_bar
    from .tables import print_scores

    taxonomy = Taxonomy.from_yaml(args.taxonomy)
    region = _region(args.region)
    out = Path(args.out)
    refuse_existing([out], args.overwrite)
    check_writable_folder(out.parent)
    with progress_bar(f"evaluate {args.prediction}") as progress:
        scores = evaluate_maps(args.prediction, args.labels, taxonomy, region, progress)
    with atomic_path(out) as unfinished:
        text = json.dumps(scores.to_dict(taxonomy), indent=2, allow_nan=False, ensure_ascii=False)
        unfinished.write_text(text, encoding="utf-8")
    print_scores({"map": scores}, taxonomy)
    sys.stdout.write(f"{out}\n")
    return 0


def _region(edges: list[float] | None) -> tuple[float, float, float, float] | None:
    """Check a box.

    Raises:
        OptionError: It is empty or turned round.
    """
    if edges is None:
        return None
    left, bottom, right, top = edges
    if not (left < right and bottom < top):
        raise OptionError(f"Expected region to be left < right and bottom < top, but got {edges}.")
    return left, bottom, right, top


__all__ = ("main", "parser")
