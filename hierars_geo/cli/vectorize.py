"""``hierars-geo vectorize``: maps in, nested polygons out."""

import sys

from .options import CommandParser

_EXAMPLES = """examples:
  hierars-geo vectorize maps -o maps/scene.gpkg
  hierars-geo vectorize maps/scene_L3.tif -o scene.gpkg --min-area-m2 2500 --simplify-m 15
  hierars-geo vectorize maps -o scene.geojson --min-area-m2 2500 --smooth
  hierars-geo vectorize cdl_2016.tif -o fields.parquet --taxonomy cdl --levels 2
"""


def parser() -> CommandParser:
    """Build the parser."""
    p = CommandParser(
        "vectorize",
        "Turn maps into polygons: every level nested in the one above, borders shared, areas in m2 on the "
        "ellipsoid, QGIS styles inside the GeoPackage.",
        _EXAMPLES,
    )
    p.add_argument("maps", type=str, help="folder that predict wrote to, or a class raster")
    p.add_argument(
        "-o",
        "--out",
        type=str,
        required=True,
        help="FILE.gpkg (layers L1 L2 ...); FILE.parquet, FILE.fgb or FILE.geojson (one file per level)",
    )
    p.add_argument(
        "--taxonomy", type=str, help="catalog name or YAML file (default: what comes with the maps)"
    )
    p.add_argument("--levels", type=int, nargs="+", help="levels to write (default: all)")
    p.add_argument(
        "--min-area-m2",
        type=float,
        default=0.0,
        help="smaller regions of the finest level join the neighbour with the longest border (default: 0)",
    )
    p.add_argument(
        "--simplify-m",
        type=float,
        default=0.0,
        help="tolerance in metres; shared borders stay shared, the outer border stays (default: 0)",
    )
    p.add_argument(
        "--smooth",
        action="store_true",
        help="round the corners of pixels off; shared borders stay shared, the outer border stays",
    )
    p.add_argument("--overwrite", action="store_true", help="replace files that exist")
    return p


def main(argv: list[str]) -> int:
    """Run the command."""
    args = parser().parse_args(argv)
    from ..vector import vectorize
    from .progress import progress_bar

    with progress_bar(f"vectorize {args.maps}") as progress:
        summary = vectorize(
            args.maps,
            args.out,
            taxonomy=args.taxonomy,
            levels=args.levels,
            min_area_m2=args.min_area_m2,
            simplify_m=args.simplify_m,
            smooth=args.smooth,
            overwrite=args.overwrite,
            progress=progress,
        )
    counts = ", ".join(f"L{level} {count}" for level, count in summary.features.items())
    sieved = f", {summary.sieved} small regions joined to neighbours" if args.min_area_m2 else ""
    files = " ".join(map(str, summary.files))
    sys.stdout.write(f"{files}: {counts} polygons, {summary.area_m2 / 1e4:.2f} ha{sieved}\n")
    return 0


__all__ = ("main", "parser")
