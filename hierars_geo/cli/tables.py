"""Tables for the terminal: scores, and what the catalog knows of data sets."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..taxonomy import Taxonomy
from ..taxonomy.dataset_records import DatasetRecord, SourceRecord, read_record
from ..taxonomy.yaml_reader import catalog_names

if TYPE_CHECKING:
    from ..catalog.assembly.assemble import AssembleResult
    from ..metrics import HierarchicalScores


#: Where no terminal says how wide it is (a pipe, a log file).
_WIDTH_WITHOUT_TERMINAL = 160


def wide_console() -> Console:
    """Return the terminal, or a console that leaves room for tables where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], whole: int = 0) -> None:
    """Print a table without lines, of which the first ``whole`` columns are names, printed to be copied.

    No word is broken, and no name cut: where a table does not fit, its names stand below each other, and
    where it still does not fit it is wider than the terminal.
    """
    console = wide_console()
    widths = _widths(headings, rows, whole, console.width)
    if sum(widths) > console.width and whole > 1:
        rows = [("\n  ".join(row[:whole]), *row[whole:]) for row in rows]
        headings, whole = (", ".join(headings[:whole]), *headings[whole:]), 1
        widths = _widths(headings, rows, whole, console.width)
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for number, width in enumerate(widths):
        numeric = number > 0 and all(
            re.fullmatch(r"(nan|[-+]?\d*(\.\d+)?)( %)?", row[number]) for row in rows
        )
        justify: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(Text(headings[number]), justify=justify, no_wrap=number < whole, width=width - 1)
    for row in rows:
        table.add_row(*map(Text, row))
    console.width = max(console.width, sum(widths))
    console.print(table)


def _widths(headings: Sequence[str], rows: Sequence[Sequence[str]], whole: int, total: int) -> list[int]:
    """Widths of columns with a space behind each: of their longest word or name, and what room is left."""
    lines = [
        [line for cell in cells for line in cell.splitlines()] for cells in zip(headings, *rows, strict=True)
    ]
    most = [1 + max(map(cell_len, own), default=0) for own in lines]
    words = [[word for line in own for word in line.split()] for own in lines]
    widths = [
        most[n] if n < whole else 1 + max(map(cell_len, words[n]), default=0) for n in range(len(lines))
    ]
    spare = max(0, total - sum(widths))
    for done, n in enumerate(sorted(range(len(lines)), key=lambda n: most[n] - widths[n])):
        given = min(most[n] - widths[n], spare // (len(lines) - done))
        widths[n], spare = widths[n] + given, spare - given
    return widths


def print_scores(scores: "Mapping[str, HierarchicalScores]", taxonomy: Taxonomy) -> None:
    """Print a row per model: mIoU, overall accuracy and calibration errors of every level, in per cent."""
    headings = [f"{name} {score}" for name in taxonomy.level_labels for score in ("mIoU", "OA")]
    rows = [
        (name, *(f"{100 * value:.1f}" for level in row.levels for value in (level.miou, level.oa)))
        for name, row in scores.items()
    ]
    sys.stdout.write(f"scores in per cent ({taxonomy.name})\n")
    print_table(["", *headings], rows, whole=1)
    for name, row in scores.items():
        errors = [row.calibration_error(level) for level in range(1, len(row.levels) + 1)]
        told = [
            f"{at} {100 * error:.1f} %"
            for at, error in zip(taxonomy.level_names, errors, strict=False)
            if error == error
        ]
        if told:
            line = f"confidence and share right differ by (expected calibration error) of {name}: "
            sys.stdout.write(f"{line}{', '.join(told)}\n")
    for name, row in scores.items():
        pixels = [int(level.confusion.sum()) for level in row.levels]
        if len(set(pixels)) > 1:  # some labels leave levels open
            counts = ", ".join(f"{at} {n}" for at, n in zip(taxonomy.level_labels, pixels, strict=True))
            sys.stdout.write(f"pixels that decide each level of {name}: {counts}\n")


def print_list() -> None:
    """Print one row per data set of the catalog."""
    rows = []
    for name in catalog_names("datasets"):
        record = read_record(name)
        sources = ", ".join(f"{key} {source.gsd_m:g} m" for key, source in record.sources.items())
        rows.append((name, record.taxonomy or "-", sources, record.title))
    print_table(("name", "taxonomy", "sources", "title"), rows, whole=3)


def print_record(name: str) -> None:
    """Print what is known of a data set, by its name in the catalog or the path of a YAML file."""
    record = read_record(name)
    console = wide_console()
    console.print(Text.assemble((record.name, "bold"), f"  {record.title}"))
    facts = Table(box=None, show_header=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    for key, value in _facts(record):
        facts.add_row(key, Text(value))
    console.print(facts)
    sources = [(key, *_cells(source)) for key, source in record.sources.items()]
    print_table(("source", "bands", "m", "type", "nodata", "CRS", "images", "labels"), sources)
    for key, source in record.sources.items():
        if source.statistics is not None:
            console.print(
                Text(f"{key}: mean {_numbers(source.statistics.mean)}, std {_numbers(source.statistics.std)}")
            )
        if source.note is not None:
            console.print(Text(f"{key}: {source.note}"))
    if record.label_scheme is not None:
        print_table(("value", "label", f"value in {record.taxonomy}", "class"), _scheme(record))


def print_assembly(result: "AssembleResult") -> None:
    """Print what was assembled: one row per place and source with its date and shift."""
    rows = []
    for place in result.places:
        chips = sum(chip.place.name == place.name for chip in result.chips)
        for name, scene in place.scenes.items():
            day = "unknown" if scene.acquired is None else f"{scene.acquired:%Y-%m-%d}"
            gap, shift = place.gap_days(name), place.measured.get(name)
            moved = "reference"
            if shift is not None:
                east, north = (round(metres, 2) + 0.0 for metres in place.shifts[name])
                moved = f"{east:+.2f}, {north:+.2f}" if shift.reliable else "not measurable"
            days = "-" if gap is None or name == place.reference else f"{gap:+.0f}"
            rows.append((place.name, place.split, str(chips), name, day, days, moved))
    print_table(("place", "split", "chips", "source", "date", "days", "shift east, north in m"), rows)
    wide_console().print(Text(f"{len(result.chips)} chips of {len(result.places)} places in {result.folder}"))


def _facts(record: DatasetRecord) -> list[tuple[str, str]]:
    days = "not stated" if record.time is None else f"{record.time[0]} to {record.time[1]}"
    rows = [
        ("citation", record.citation),
        ("licence", record.licence),
        ("how to get it", record.access),
        ("page", record.url or "-"),
        ("area", record.area),
        ("time", days),
        ("taxonomy", record.taxonomy or "-"),
    ]
    return rows + [("checksum", f"{file}  {digest}") for file, digest in record.checksums.items()]


def _cells(source: SourceRecord) -> tuple[str, ...]:
    return (
        " ".join(source.bands),
        f"{source.gsd_m:g}",
        source.dtype,
        "-" if source.nodata is None else f"{source.nodata:g}",
        source.crs or ("any" if source.georeferenced else "none: chips"),
        source.images,
        source.labels or "-",
    )


def _scheme(record: DatasetRecord) -> list[tuple[str, str, str, str]]:
    tree = Taxonomy.from_yaml(record.taxonomy or "")
    finest = tree.num_levels
    names = dict(zip(tree.class_values(finest), tree.class_names(finest), strict=True))
    rows = []
    scheme = record.label_scheme
    for value, name in scheme.names.items() if scheme else ():
        target = scheme.to_taxonomy[value] if scheme else 0
        rows.append((str(value), name, str(target), names.get(target, "unlabelled")))
    return rows


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
