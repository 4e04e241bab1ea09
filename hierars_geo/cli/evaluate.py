"""``hierars-geo evaluate``: scores of maps against labels, or estimates from points, at every level."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError
from .options import CommandParser

if TYPE_CHECKING:
    from ..accuracy import LabelSource, SceneAssessment
    from ..maps import Maps
    from ..scenes import Regions
    from ..taxonomy import Taxonomy

_EXAMPLES = """examples:
  hierars-geo evaluate maps labels.tif --taxonomy mm5b -o metrics.json
  hierars-geo evaluate maps/scene_L3.tif labels.tif --taxonomy my_tree.yaml -o metrics.json
  hierars-geo evaluate maps labels.tif --taxonomy mm5b -o districts.csv --by districts.gpkg --id name
  hierars-geo evaluate maps fields.gpkg --taxonomy mm5b -o metrics.json --attribute class_name
  hierars-geo evaluate maps points.gpkg --taxonomy mm5b -o accuracy.csv      # points of `sample`, labelled
"""

#: Suffixes of reference points.
_VECTOR_SUFFIXES = (".gpkg", ".shp", ".fgb", ".geojson")


def parser() -> CommandParser:
    """Build the parser."""
    p = CommandParser(
        "evaluate",
        "Compare maps with labels (a class raster, or polygons) at every level of the class tree, as a whole "
        "and inside regions; or estimate accuracy and areas with 95 % intervals from labelled points.",
        _EXAMPLES,
    )
    p.add_argument("maps", type=str, help="folder that predict wrote to, or a class raster")
    p.add_argument(
        "labels", type=str, help="class raster on any grid; polygons (with --attribute); or points"
    )
    p.add_argument(
        "--taxonomy", type=str, help="catalog name or YAML file (default: what comes with the maps)"
    )
    p.add_argument("-o", "--out", type=str, required=True, help="FILE.json or FILE.csv to write")
    p.add_argument("--region", type=float, nargs=4, help="count only left bottom right top, in the map's CRS")
    p.add_argument("--by", type=str, help="polygon layer, in any CRS: scores of each region, too")
    p.add_argument("--layer", type=str, help="layer of --by, where the file holds several")
    p.add_argument("--id", type=str, help="column of --by that names a region (default: the row number)")
    p.add_argument("--attribute", type=str, help="labels are polygons; their column with the class")
    p.add_argument("--level", type=int, help="level that the values of a label raster are classes of")
    p.add_argument("--reference", type=str, default="reference", help="column of points with their class")
    p.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    return p


def main(argv: list[str]) -> int:
    """Run the command."""
    args = parser().parse_args(argv)
    from ..maps import Maps
    from ..output.output import check_writable_folder, refuse_existing

    maps = Maps.open(args.maps, args.taxonomy)
    out = Path(args.out)
    refuse_existing([out], args.overwrite, [*maps.files, args.labels, args.by, args.taxonomy])
    check_writable_folder(out.parent)
    if Path(args.labels).suffix.lower() in _VECTOR_SUFFIXES and args.attribute is None:
        return _assess(args, maps, out)
    return _score(args, maps, out)


def _score(args: Namespace, maps: "Maps", out: Path) -> int:
    """Compare with a label raster or polygons."""
    import pandas as pd

    from ..accuracy.evaluation import evaluate_regions
    from ..output.output import as_output_error, atomic_path
    from .progress import progress_bar
    from .tables import print_scores

    if out.suffix.lower() not in (".json", ".csv"):
        raise OptionError(f"Expected the output to end in .json or .csv, but got '{out.name}'.")
    region = _region(args.region)
    taxonomy = maps.taxonomy
    regions = _regions(args, maps)
    labels = _labels(args, taxonomy)
    with progress_bar(f"evaluate {args.maps}") as progress:
        scores, parts = evaluate_regions(maps, labels, None, regions, region, progress)
    with atomic_path(out) as unfinished, as_output_error(out):
        if out.suffix.lower() == ".csv":
            named = {"": scores} | parts
            rows = [{"region": name} | row for name, part in named.items() for row in part.to_rows(taxonomy)]
            pd.DataFrame(rows).to_csv(unfinished, index=False, float_format="%.10g", lineterminator="\n")
        else:
            content = scores.to_dict(taxonomy)
            if regions is not None:
                content["regions"] = [
                    {"region": name} | part.to_dict(taxonomy) for name, part in parts.items()
                ]
            text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
            unfinished.write_text(text, encoding="utf-8")
    print_scores({"map": scores} | parts, taxonomy)
    sys.stdout.write(f"{out}\n")
    return 0


def _labels(args: Namespace, taxonomy: "Taxonomy") -> "str | LabelSource":
    if args.attribute is None and args.level is None:
        return str(args.labels)
    from ..accuracy import ReferenceLabels

    return ReferenceLabels(args.labels, taxonomy, args.attribute, args.level)


def _regions(args: Namespace, maps: "Maps") -> "Regions | None":
    """Read the polygons of --by in the CRS of the maps.

    Raises:
        OptionError: --id or --layer without --by, or no such column.
    """
    if args.by is None:
        if args.id is not None or args.layer is not None:
            raise OptionError("Expected --by together with --id or --layer, but got it alone.")
        return None
    from ..polygons.moved_polygons import read_polygons
    from ..scenes import Regions

    table = read_polygons(args.by, maps.grid, args.layer)
    if args.id is not None and args.id not in table.columns.drop(table.geometry.name):
        known = ", ".join(map(str, table.columns.drop(table.geometry.name)))
        raise OptionError(f"Expected a column of {args.by} ({known}), but got '{args.id}'.")
    names = range(len(table)) if args.id is None else table[args.id]
    return Regions([str(name) for name in names], table.geometry.to_numpy())


def _assess(args: Namespace, maps: "Maps", out: Path) -> int:
    """Estimate from points."""
    import pandas as pd

    from ..accuracy import assess_maps
    from ..output.output import as_output_error, atomic_path
    from .progress import progress_bar

    if args.region is not None:
        raise OptionError("Expected --region with a label raster, but got it with points. Clip the points.")
    if args.by is not None or args.level is not None:
        raise OptionError("Expected --by and --level with label rasters or polygons, but got points.")
    with progress_bar(f"evaluate {args.maps}") as progress:
        found = assess_maps(maps, args.labels, None, args.reference, progress)
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
