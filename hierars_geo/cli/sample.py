"""``hierars-geo sample``: points to label, for accuracy and areas with intervals."""

import sys

from ..errors import OptionError
from .options import CommandParser

_EXAMPLES = """examples:
  hierars-geo sample maps -o points.gpkg                       # enough for a standard error of 1 %
  hierars-geo sample maps -o points.gpkg --level 2 --size 600 --min-per-class 40
  hierars-geo sample maps -o points.gpkg --expected 0.85 Forest=0.95 Grassland=0.6
  # fill in the column `reference` in a GIS, then
  hierars-geo evaluate maps points.gpkg --taxonomy mm5b -o accuracy.json
"""


def parser() -> CommandParser:
    """Build the parser."""
    p = CommandParser(
        "sample",
        "Draw points from a map, stratified by its classes, for people to label (Olofsson et al. 2014).",
        _EXAMPLES,
    )
    p.add_argument("maps", type=str, help="folder that predict wrote to, or a class raster")
    p.add_argument("-o", "--out", type=str, required=True, help="FILE.gpkg with layers points and strata")
    p.add_argument(
        "--taxonomy", type=str, help="catalog name or YAML file (default: what comes with the maps)"
    )
    p.add_argument("--level", type=int, help="level whose classes are the strata (default: the finest)")
    p.add_argument("--size", type=int, help="points in all (default: as many as --target-error asks for)")
    p.add_argument(
        "--target-error", type=float, default=0.01, help="standard error of the overall accuracy to reach"
    )
    p.add_argument(
        "--expected",
        type=str,
        nargs="+",
        default=["0.8"],
        help="user's accuracy to expect, of all classes (0.8) or by class (NAME=0.9)",
    )
    p.add_argument("--min-per-class", type=int, default=50, help="least points of a class (default: 50)")
    p.add_argument("--seed", type=int, default=0, help="decides the draw")
    p.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    return p


def main(argv: list[str]) -> int:
    """Run the command."""
    args = parser().parse_args(argv)
    default, by_class = _expected(args.expected)
    from ..accuracy import sample_points
    from .progress import progress_bar

    with progress_bar(f"sample {args.maps}") as progress:
        points = sample_points(
            args.maps,
            args.out,
            taxonomy=args.taxonomy,
            level=args.level,
            size=args.size,
            target_error=args.target_error,
            expected_accuracy=default,
            expected_by_class=by_class,
            minimum=args.min_per_class,
            seed=args.seed,
            overwrite=args.overwrite,
            progress=progress,
        )
    sys.stdout.write(f"{args.out}: {len(points)} points in {points['stratum'].nunique()} strata\n")
    return 0


def _expected(given: list[str]) -> tuple[float, dict[str, float]]:
    """Split accuracies of all classes and of single ones.

    Raises:
        OptionError: One is no number.
    """
    default, by_class = 0.8, {}
    for text in given:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            raise OptionError(f"Expected 0.8 or NAME=0.8 after --expected, but got '{text}'.") from None
        if name:
            by_class[name] = value
        else:
            default = value
    return default, by_class


__all__ = ("main", "parser")
