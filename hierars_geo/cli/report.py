"""``hierars-geo report``: the maps of a folder in, one HTML file out."""

import sys

from .options import CommandParser

_EXAMPLES = """examples:
  hierars-geo report maps
  hierars-geo report maps -o report.html --image scene.tif
  hierars-geo report maps --image scene.tif --labels labels.tif --metrics metrics.json --title "North valley"
  hierars-geo report maps --accuracy accuracy.json --figures figures --gis
"""


def parser() -> CommandParser:
    """Build the parser."""
    p = CommandParser(
        "report",
        "Write one HTML file with maps, legends, areas by class, scores and provenance. It needs no other "
        "file: send it as it is.",
        _EXAMPLES,
    )
    p.add_argument(
        "maps",
        type=str,
        nargs="+",
        help="folder that predict wrote to (every scene in it is shown), or class rasters",
    )
    p.add_argument("-o", "--out", type=str, help="file to write (default: report.html beside the maps)")
    p.add_argument("--image", type=str, help="image to show: a raster, or a folder with one file per band")
    p.add_argument("--labels", type=str, help="reference labels (finest level) to show and to compare with")
    p.add_argument("--metrics", type=str, help="scores written by hierars-geo evaluate")
    p.add_argument(
        "--accuracy",
        type=str,
        help="estimates from points, FILE.json of evaluate (default: accuracy.json beside the maps)",
    )
    p.add_argument(
        "--taxonomy", type=str, help="catalog name or YAML file (default: what comes with the maps)"
    )
    p.add_argument("--title", type=str, help="heading (default: from the scenes' names)")
    p.add_argument("--figures", type=str, help="folder for the maps as figures, each as PNG and as PDF")
    p.add_argument(
        "--gis",
        action="store_true",
        help="write beside the maps, too: a QGIS project, SLD and MapLibre styles, a STAC collection",
    )
    p.add_argument("--overwrite", action="store_true", help="replace files that exist")
    return p


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: What follows ``hierars-geo report`` on the command line.

    Returns:
        0.

    Raises:
        HieraRSError: A file is missing, does not fit or cannot be written, or an option is wrong.
        SystemExit: ``--help``.
    """
    args = parser().parse_args(argv)
    from pathlib import Path

    from ..maps import Maps
    from ..report import write_gis_files, write_report

    maps = Maps.open(args.maps, args.taxonomy)
    path = write_report(
        maps,
        Path(args.out) if args.out else None,
        image=Path(args.image) if args.image else None,
        labels=Path(args.labels) if args.labels else None,
        metrics=Path(args.metrics) if args.metrics else None,
        accuracy=Path(args.accuracy) if args.accuracy else None,
        figures=Path(args.figures) if args.figures else None,
        title=args.title,
        overwrite=args.overwrite,
    )
    for written in (path, *(write_gis_files(maps, args.overwrite) if args.gis else ())):
        sys.stdout.write(f"{written}\n")
    return 0


__all__ = ("main", "parser")
