"""``hierars-geo catalog``: published data sets, and STAC collections of one's own files."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import CommandParser

if TYPE_CHECKING:
    from ..data.catalog import Problem

_EXAMPLES = """examples:
  hierars-geo catalog list
  hierars-geo catalog show five_billion_pixels
  hierars-geo catalog build scenes -o catalog
  hierars-geo catalog build archive -o catalog --taxonomy mm5b --time 2019-08-01/2019-08-31 --on-error skip
  hierars-geo catalog validate catalog
  hierars-geo catalog validate five_billion_pixels downloads/FBP
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


def _list(options: Any) -> int:  # noqa: ANN401
    from .catalog_tables import print_list

    print_list()
    return 0


def _show(options: Any) -> int:  # noqa: ANN401
    from .catalog_tables import print_record

    print_record(options.dataset)
    return 0


def _build(options: Any) -> int:  # noqa: ANN401
    from ..data.catalog import BuildOptions, build_catalog
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
        sys.stderr.write(f"hierars-geo: note: left out {path}: {reason}\n")
    sys.stdout.write(f"{result.path}\n")
    sys.stdout.write(f"{result.items} items, {result.files} files, {len(result.skipped)} left out\n")
    return 0


def _validate(options: Any) -> int:  # noqa: ANN401
    from ..data.catalog import read_record, validate_catalog, validate_dataset
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
    "build": _build,
    "list": _list,
    "show": _show,
    "validate": _validate,
}


__all__ = ("main",)
