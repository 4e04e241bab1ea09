"""``hierars-geo areas``: the area of every class inside the polygons of a layer."""

import sys

from .options import CommandParser

_EXAMPLES = """examples:
  hierars-geo areas maps --by districts.gpkg -o districts.csv --id name
  hierars-geo areas maps --by fields.gpkg -o fields_crops.gpkg --levels 3
  hierars-geo areas cdl_2016.tif --by counties.shp -o counties.parquet --taxonomy cdl
"""


def parser() -> CommandParser:
    """Build the parser."""
    p = CommandParser(
        "areas",
        "Measure every class inside the polygons of a layer (districts, fields), in m2 on the ellipsoid; "
        "pixels on an edge count with their share.",
        _EXAMPLES,
    )
    p.add_argument("maps", type=str, help="folder that predict wrote to, or a class raster")
    p.add_argument("--by", type=str, required=True, help="polygon layer, in any CRS")
    p.add_argument("--layer", type=str, help="its layer, where the file holds several")
    p.add_argument("--id", type=str, help="its column that names a polygon (default: the row number)")
    p.add_argument(
        "-o",
        "--out",
        type=str,
        required=True,
        help="FILE.csv (a row per polygon and class), FILE.parquet (a row per polygon, with the class of "
        "most ground) or FILE.gpkg (both)",
    )
    p.add_argument(
        "--taxonomy", type=str, help="catalog name or YAML file (default: what comes with the maps)"
    )
    p.add_argument("--levels", type=int, nargs="+", help="levels to measure (default: all)")
    p.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    return p


def main(argv: list[str]) -> int:
    """Run the command."""
    args = parser().parse_args(argv)
    from ..vector import class_areas
    from .progress import progress_bar

    with progress_bar(f"areas {args.maps}") as progress:
        tables = class_areas(
            args.maps,
            args.by,
            args.out,
            taxonomy=args.taxonomy,
            levels=args.levels,
            layer=args.layer,
            id_column=args.id,
            overwrite=args.overwrite,
            progress=progress,
        )
    mapped_m2, all_m2 = tables.polygons["mapped_m2"].sum(), tables.polygons["polygon_m2"].sum()
    sys.stdout.write(
        f"{args.out}: {len(tables.polygons)} polygons, {mapped_m2 / 1e4:.2f} of {all_m2 / 1e4:.2f} ha "
        "mapped\n"
    )
    return 0


__all__ = ("main", "parser")
