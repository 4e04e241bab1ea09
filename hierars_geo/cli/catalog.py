"""``hierars-geo catalog``: published data sets, and STAC collections of one's own files."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import CommandParser
from .verbosity import note

if TYPE_CHECKING:
    from ..catalog.assembly.sources import SourceName
    from ..catalog.problems import Problem
    from ..scenes.raster_paths import Paths

_EXAMPLES = """examples:
  hierars-geo catalog list
  hierars-geo catalog show five_billion_pixels
  hierars-geo catalog build scenes -o catalog
  hierars-geo catalog build archive -o catalog --taxonomy mm5b --time 2019-08-01/2019-08-31 --on-error skip
  hierars-geo catalog validate catalog
  hierars-geo catalog validate five_billion_pixels downloads/FBP
  hierars-geo catalog assemble --gf2 gf2 --s2 s2 --labels annotation -o data
"""

_BUILD_EXAMPLES = """example:
  hierars-geo catalog build scenes -o catalog --checksums

Writes catalog/collection.json and one item per scene, with relative paths to the files, which stay where they
are. Images of one scene in several files (Sentinel-2 products, one file per band) are one item; labels are
found by their name (scene_labels.tif, labels/scene.tif).
"""

_VALIDATE_EXAMPLES = """examples:
  hierars-geo catalog validate catalog
  hierars-geo catalog validate gewata downloads/gewata

Every file is read through. One line per problem: file, what was compared, what was expected and found.
"""


_ASSEMBLE_EXAMPLES = """example:
  hierars-geo synth scenes --scenes 4
  hierars-geo catalog assemble --gf2 'scenes/*/*_GF2.tif' --s2 'scenes/*/*_S2.tif' \\
      --google 'scenes/*/*_GE.tif' --labels 'scenes/*/*_labels.tif' --chip-m 1280 -o mm5b_like
  hierars-geo fit --config MODEL.yaml --config mm5b_like/fit_sentinel2.yaml

Writes SPLIT/SOURCE/NAME.tif and SPLIT/labels/NAME.tif, a STAC catalog, places.csv (dates, shifts), chips.csv,
classes.csv, time_differences.csv and .png, sheet.png, and a fit_SOURCE.yaml for every source.
"""


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: What follows ``hierars-geo catalog`` on the command line.

    Returns:
        0 if all went well, 1 if files are not as recorded.

    Raises:
        HieraRSError: Something does not exist or is not valid, or an option is wrong.
        SystemExit: ``--help``.
    """
    options = _parser().parse_args(argv)
    name = options.subcommand
    return _COMMANDS[name](options[name])


def _parser() -> CommandParser:
    parser = CommandParser("catalog", "Data sets: what is known of published ones, and your own.", _EXAMPLES)
    commands = parser.add_subcommands()
    commands.add_subcommand(
        "list", CommandParser(description="List the data sets."), help="list the data sets"
    )
    show = CommandParser(description="Show what is known of a data set.")
    show.add_argument("dataset", help="name in the catalog or path of a .yaml file")
    commands.add_subcommand("show", show, help="source, licence, layout, bands and classes of a data set")
    commands.add_subcommand("build", _build_parser(), help="scan a folder into a STAC collection")
    commands.add_subcommand("assemble", _assemble_parser(), help="make a multi-source data set, as MM-5B is")
    validate = CommandParser(description="Compare files with the record.", examples=_VALIDATE_EXAMPLES)
    validate.add_argument("record", help="folder of a STAC collection, or data set by name or .yaml file")
    validate.add_argument("folder", nargs="?", help="where the data set lies, if a data set was named")
    commands.add_subcommand(
        "validate", validate, help="compare files with the record; status 1 if they differ"
    )
    return parser


def _build_parser() -> CommandParser:
    build = CommandParser(description="Scan real files into a STAC collection.", examples=_BUILD_EXAMPLES)
    build.add_argument("folder", help="folder with rasters, searched to any depth")
    build.add_argument("-o", "--out", required=True, help="folder of the collection")
    build.add_argument("--dataset", help="data set that the files are of, by name or .yaml file")
    build.add_argument("--taxonomy", help="class tree of the labels (default: what their tags say)")
    build.add_argument("--time", type=str, help="DAY or DAY/DAY for files that say no time, YYYY-MM-DD")
    build.add_argument(
        "--on-error",
        choices=["raise", "skip"],
        default="raise",
        help="files that cannot be used: stop and name all of them, or leave them out and list them in the "
        "collection (default: raise)",
    )
    build.add_argument("--checksums", action="store_true", help="record the SHA-256 of every file")
    build.add_argument("--overwrite", action="store_true", help="replace a collection that exists")
    return build


def _assemble_parser() -> CommandParser:
    p = CommandParser(
        description="Make a data set of several sources of the same places, as MM-5B is: pair scenes by "
        "footprint and time, measure their shifts, cut chips of one ground at each source's own resolution.",
        examples=_ASSEMBLE_EXAMPLES,
    )
    p.add_argument("--gf2", nargs="+", default=[], help="GaoFen-2 scenes: files, folders or patterns")
    p.add_argument("--s2", nargs="+", default=[], help="Sentinel-2 scenes")
    p.add_argument("--google", nargs="+", default=[], help="Google Earth images")
    p.add_argument("--labels", nargs="+", required=True, help="label rasters")
    p.add_argument(
        "--label-scheme",
        choices=["five_billion_pixels", "mm5b"],
        default="mm5b",
        help="what label values mean: the 18 classes, or the 24 of Five-Billion-Pixels (default: mm5b)",
    )
    p.add_argument("-o", "--out", required=True, help="folder of the data set")
    p.add_argument("--chip-m", type=float, default=2560.0, help="side of a chip in metres (default: 2560)")
    p.add_argument("--whole", action="store_true", help="do not cut: one image per place and source")
    p.add_argument("--days", type=float | None, help="most days between the reference and another source")
    p.add_argument(
        "--min-cover", type=float, default=0.3, help="least share of a reference scene covered (default: 0.3)"
    )
    p.add_argument("--min-valid", type=float, default=0.5, help="least valid share of a chip (default: 0.5)")
    p.add_argument("--correct-shift", action="store_true", help="move sources by their measured shift")
    p.add_argument(
        "--split",
        type=float,
        nargs=3,
        default=[0.6, 0.2, 0.2],
        help="shares of places (default: 0.6 0.2 0.2)",
    )
    p.add_argument("--seed", type=int, default=0, help="which places go where (default: 0)")
    p.add_argument("--overwrite", action="store_true", help="replace a data set that exists")
    return p


def _list(options: Any) -> int:  # noqa: ANN401
    from .catalog_tables import print_list

    print_list()
    return 0


def _show(options: Any) -> int:  # noqa: ANN401
    from .catalog_tables import print_record

    print_record(options.dataset)
    return 0


def _build(options: Any) -> int:  # noqa: ANN401
    from ..catalog.build import BuildOptions, build_catalog
    from .progress import progress_bar

    chosen = BuildOptions(
        dataset=options.dataset,
        taxonomy=options.taxonomy,
        time=options.time,
        on_error=options.on_error,
        checksums=options.checksums,
        overwrite=options.overwrite,
    )
    with progress_bar("catalog build") as progress:
        result = build_catalog(options.folder, options.out, chosen, progress)
    for path, reason in sorted(result.skipped.items()):
        note(f"left out {path}: {reason}")
    sys.stdout.write(f"{result.path}\n")
    sys.stdout.write(f"{result.items} items, {result.files} files, {len(result.skipped)} left out\n")
    return 0


def _assemble(options: Any) -> int:  # noqa: ANN401
    from ..catalog.assembly.assemble import assemble
    from ..catalog.assembly.options import AssembleOptions
    from .catalog_tables import print_assembly
    from .progress import progress_bar

    train, val, test = options.split
    chosen = AssembleOptions(
        label_scheme=options.label_scheme,
        chip_m=None if options.whole else options.chip_m,
        days=options.days,
        min_cover=options.min_cover,
        min_valid=options.min_valid,
        correct_shift=options.correct_shift,
        fractions=(train, val, test),
        seed=options.seed,
        overwrite=options.overwrite,
    )
    given: dict[SourceName, list[str]] = {
        "gaofen2": options.gf2,
        "sentinel2": options.s2,
        "google_earth": options.google,
    }
    sources: dict[SourceName, Paths] = {name: paths for name, paths in given.items() if paths}
    with progress_bar("catalog assemble") as progress:
        result = assemble(sources, options.labels, options.out, chosen, progress)
    for entry in result.unpaired:
        note(f"left out {entry.path}: {entry.reason}")
    print_assembly(result)
    return 0


def _validate(options: Any) -> int:  # noqa: ANN401
    from ..catalog.validate_catalog import validate_catalog
    from ..catalog.validate_dataset import validate_dataset
    from ..taxonomy.dataset_records import read_record
    from .progress import progress_bar

    with progress_bar("catalog validate") as progress:
        if options.folder is None:
            problems = validate_catalog(Path(options.record), progress)
        else:
            problems = validate_dataset(read_record(options.record), Path(options.folder), progress)
    return _tell(problems, options.folder or options.record)


def _tell(problems: "list[Problem]", what: str) -> int:
    for problem in problems:
        sys.stdout.write(f"{problem.file}: {problem.kind}: {problem.message}\n")
    if problems:
        sys.stderr.write(
            f"hierars-geo: {len(problems)} problem{'s' if len(problems) > 1 else ''} in {what}\n"
        )
        return 1
    sys.stdout.write(f"OK {what}\n")
    return 0


_COMMANDS: dict[str, Callable[[Any], int]] = {
    "assemble": _assemble,
    "build": _build,
    "list": _list,
    "show": _show,
    "validate": _validate,
}


__all__ = ("main",)
