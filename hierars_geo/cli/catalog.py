"""``hierars-geo catalog``: published data sets, and STAC collections of one's own files."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .verbosity import complain, note

if TYPE_CHECKING:
    from ..catalog.assembly.sources import SourceName
    from ..catalog.problems import Problem
    from ..scenes.raster_paths import Paths

DESCRIPTION = "Data sets: what is known of published ones, and your own."
EXAMPLES = {
    "catalog": """examples:
  hierars-geo catalog list
  hierars-geo catalog show five_billion_pixels
  hierars-geo catalog build scenes -o catalog
  hierars-geo catalog build archive -o catalog --taxonomy mm5b --time 2019-08-01/2019-08-31 --on-error skip
  hierars-geo catalog validate catalog
  hierars-geo catalog validate five_billion_pixels downloads/FBP
  hierars-geo catalog assemble --gf2 gf2 --s2 s2 --labels annotation -o data
""",
    "build": """example:
  hierars-geo catalog build scenes -o catalog --checksums

Writes catalog/collection.json and one item per scene, with relative paths to the files, which stay where they
are. Images of one scene in several files (Sentinel-2 products, one file per band) are one item; labels are
found by their name (scene_labels.tif, labels/scene.tif).
""",
    "validate": """examples:
  hierars-geo catalog validate catalog
  hierars-geo catalog validate gewata downloads/gewata

Every file is read through. One line per problem: file, what was compared, what was expected and found.
""",
    "assemble": """example:
  hierars-geo synth scenes --scenes 4
  hierars-geo catalog assemble --gf2 'scenes/*/*_GF2.tif' --s2 'scenes/*/*_S2.tif' \\
      --google 'scenes/*/*_GE.tif' --labels 'scenes/*/*_labels.tif' --chip-m 1280 -o mm5b_like
  hierars-geo fit --config MODEL.yaml --config mm5b_like/fit_sentinel2.yaml

Writes SPLIT/SOURCE/NAME.tif and SPLIT/labels/NAME.tif, a STAC catalog, places.csv (dates, shifts), chips.csv,
classes.csv, time_differences.csv and .png, sheet.png, and a fit_SOURCE.yaml for every source.
""",
}


def list_datasets() -> int:
    """List the data sets."""
    from .tables import print_list

    print_list()
    return 0


def show(dataset: str) -> int:
    """Show source, licence, layout, bands and classes of a data set.

    Args:
        dataset: Name in the catalog or path of a .yaml file.
    """
    from .tables import print_record

    print_record(dataset)
    return 0


def build(
    folder: str,
    *,
    out: str,
    dataset: str | None = None,
    taxonomy: str | None = None,
    time: str | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    checksums: bool = False,
    overwrite: bool = False,
) -> int:
    """Scan a folder into a STAC collection.

    Args:
        folder: Folder with rasters, searched to any depth.
        out: Folder of the collection.
        dataset: Data set that the files are of, by name or .yaml file.
        taxonomy: Class tree of the labels (default: what their tags say).
        time: DAY or DAY/DAY for files that say no time, YYYY-MM-DD.
        on_error: Files that cannot be used: stop and name all of them, or leave them out and list them in the
            collection.
        checksums: Record the SHA-256 of every file.
        overwrite: Replace a collection that exists.
    """
    from ..catalog.build import BuildOptions, build_catalog
    from .progress import progress_bar

    chosen = BuildOptions(dataset, taxonomy, time, on_error, checksums, overwrite)
    with progress_bar("catalog build") as progress:
        result = build_catalog(folder, out, chosen, progress)
    for path, reason in sorted(result.skipped.items()):
        note(f"left out {path}: {reason}")
    sys.stdout.write(f"{result.path}\n")
    sys.stdout.write(f"{result.items} items, {result.files} files, {len(result.skipped)} left out\n")
    return 0


def make_dataset(
    *,
    gf2: list[str] | None = None,
    s2: list[str] | None = None,
    google: list[str] | None = None,
    labels: list[str],
    label_scheme: Literal["five_billion_pixels", "mm5b"] = "mm5b",
    out: str,
    chip_m: float = 2560.0,
    whole: bool = False,
    days: float | None = None,
    min_cover: float = 0.3,
    min_valid: float = 0.5,
    correct_shift: bool = False,
    split: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    overwrite: bool = False,
) -> int:
    """Make a data set of several sources of the same places, as MM-5B is.

    Scenes are paired by footprint and time, their shifts measured, and chips of one ground cut at each
    source's own resolution.

    Args:
        gf2: GaoFen-2 scenes: files, folders or patterns.
        s2: Sentinel-2 scenes.
        google: Google Earth images.
        labels: Label rasters.
        label_scheme: What label values mean: the 18 classes, or the 24 of Five-Billion-Pixels.
        out: Folder of the data set.
        chip_m: Side of a chip in metres.
        whole: Do not cut: one image per place and source.
        days: Most days between the reference and another source.
        min_cover: Least share of a reference scene covered.
        min_valid: Least valid share of a chip.
        correct_shift: Move sources by their measured shift.
        split: Shares of places.
        seed: Which places go where.
        overwrite: Replace a data set that exists.
    """
    from ..catalog.assembly.assemble import assemble
    from ..catalog.assembly.sources import AssembleOptions
    from .progress import progress_bar
    from .tables import print_assembly

    train, val, test = split
    chosen = AssembleOptions(
        label_scheme=label_scheme,
        chip_m=None if whole else chip_m,
        days=days,
        min_cover=min_cover,
        min_valid=min_valid,
        correct_shift=correct_shift,
        fractions=(train, val, test),
        seed=seed,
        overwrite=overwrite,
    )
    given: dict[SourceName, list[str] | None] = {"gaofen2": gf2, "sentinel2": s2, "google_earth": google}
    sources: dict[SourceName, Paths] = {name: paths for name, paths in given.items() if paths}
    with progress_bar("catalog assemble") as progress:
        result = assemble(sources, labels, out, chosen, progress)
    for entry in result.unpaired:
        note(f"left out {entry['path']}: {entry['reason']}")
    print_assembly(result)
    return 0


def validate(record: str, folder: Path | None = None) -> int:
    """Compare files with the record; status 1 if they differ.

    Args:
        record: Folder of a STAC collection, or data set by name or .yaml file.
        folder: Where the data set lies, if a data set was named.
    """
    from ..catalog.validation import validate_catalog, validate_dataset
    from ..taxonomy.dataset_records import read_record
    from .progress import progress_bar

    with progress_bar("catalog validate") as progress:
        if folder is None:
            problems = validate_catalog(Path(record), progress)
        else:
            problems = validate_dataset(read_record(record), folder, progress)
    return _tell(problems, str(folder or record))


def _tell(problems: "list[Problem]", what: str) -> int:
    for problem in problems:
        sys.stdout.write(f"{problem.file}: {problem.kind}: {problem.message}\n")
    if problems:
        complain(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in {what}")
        return 1
    sys.stdout.write(f"OK {what}\n")
    return 0


SUBCOMMANDS = {
    "list": list_datasets,
    "show": show,
    "build": build,
    "assemble": make_dataset,
    "validate": validate,
}
