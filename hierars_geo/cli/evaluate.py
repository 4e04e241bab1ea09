"""``hierars-geo evaluate``: scores of maps against labels, or estimates from points, at every level."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError
from .options import CommandParser

if TYPE_CHECKING:
    from ..accuracy import SceneAssessment
    from ..taxonomy import Taxonomy

_EXAMPLES = """examples:
  hierars-geo evaluate maps labels.tif --taxonomy mm5b -o metrics.json
  hierars-geo evaluate maps/scene_L3.tif labels.tif --taxonomy my_tree.yaml -o metrics.json
  hierars-geo evaluate maps points.gpkg --taxonomy mm5b -o accuracy.csv      # points of `sample`, labelled
"""

#: Suffixes of reference points.
_VECTOR_SUFFIXES = (".gpkg", ".shp", ".fgb", ".geojson")


def parser() -> CommandParser:
    """Build the parser."""
    p = CommandParser(
        "evaluate",
        "Compare maps with a label raster at every level of the class tree; or estimate accuracy and areas "
        "with 95 % intervals from labelled points.",
        _EXAMPLES,
    )
    p.add_argument("prediction", type=str, help="folder of one scene's maps, or a class raster of leaves")
    p.add_argument(
        "labels", type=str, help="class raster of leaf values, on any grid; or points with their class"
    )
    p.add_argument("--taxonomy", type=str, required=True, help="catalog name or YAML file")
    p.add_argument("-o", "--out", type=str, required=True, help="FILE.json to write; of points FILE.csv, too")
    p.add_argument("--region", type=float, nargs=4, help="count only left bottom right top, in the map's CRS")
    p.add_argument("--reference", type=str, default="reference", help="column of points with their class")
    p.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    return p


def main(argv: list[str]) -> int:
    """Run the command."""
    args = parser().parse_args(argv)
    from ..raster import check_writable_folder, refuse_existing
    from ..taxonomy import Taxonomy

    taxonomy = Taxonomy.from_yaml(args.taxonomy)
    out = Path(args.out)
    refuse_existing([out], args.overwrite)
    check_writable_folder(out.parent)
    if Path(args.labels).suffix.lower() in _VECTOR_SUFFIXES:
        return _assess(args, taxonomy, out)
    return _score(args, taxonomy, out)


def _score(args: Namespace, taxonomy: "Taxonomy", out: Path) -> int:
    """Compare with a label raster."""
    from ..predict import evaluate_maps
    from ..raster import atomic_path
    from .progress import progress_bar
    from .tables import print_scores

    region = _region(args.region)
    with progress_bar(f"evaluate {args.prediction}") as progress:
        scores = evaluate_maps(args.prediction, args.labels, taxonomy, region, progress)
    with atomic_path(out) as unfinished:
        text = json.dumps(scores.to_dict(taxonomy), indent=2, allow_nan=False, ensure_ascii=False)
        unfinished.write_text(text, encoding="utf-8")
    print_scores({"map": scores}, taxonomy)
    sys.stdout.write(f"{out}\n")
    return 0


def _assess(args: Namespace, taxonomy: "Taxonomy", out: Path) -> int:
    """Estimate from points."""
    import pandas as pd

    from ..accuracy import assess_maps
    from ..raster import as_output_error, atomic_path
    from .progress import progress_bar

    if args.region is not None:
        raise OptionError("Expected --region with a label raster, but got it with points. Clip the points.")
    with progress_bar(f"evaluate {args.prediction}") as progress:
        found = assess_maps(args.prediction, args.labels, taxonomy, args.reference, progress)
    with atomic_path(out) as unfinished, as_output_error(out):
        if out.suffix.lower() == ".csv":
            pd.DataFrame(found.to_rows()).to_csv(unfinished, index=False, float_format="%.10g")
        else:
            text = json.dumps(found.to_dict(), indent=2, allow_nan=False, ensure_ascii=False)
            unfinished.write_text(text, encoding="utf-8")
    for line in _overall(found):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{out}\n")
    return 0


def _overall(found: "SceneAssessment") -> list[str]:
    return [
        f"L{level.level}: overall accuracy {float(level.result.overall.value):.3f} "
        f"+- {float(level.result.overall.margin):.3f} (95 %, {level.points} points, by {level.design})"
        for level in found.levels
    ]


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
