"""Tables of scores for the terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from ..metrics import HierarchicalScores
    from ..taxonomy import Taxonomy


#: Where no terminal says how wide it is (a pipe, a log file).
_WIDTH_WITHOUT_TERMINAL = 160


def wide_console() -> Console:
    """Return the terminal, or a console that leaves room for tables where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)


def plain_table(*headings: str, whole: int = 0) -> Table:
    """Return a table without lines, of whose columns the first ``whole`` are not broken into lines."""
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for number, heading in enumerate(headings):
        kept = number < whole
        table.add_column(
            heading,
            justify="right" if heading == "MB" else "left",
            no_wrap=kept,
            overflow="ellipsis" if kept else "fold",
        )
    return table


def print_scores(scores: "Mapping[str, HierarchicalScores]", taxonomy: "Taxonomy") -> None:
    """Print one row per model: mIoU and overall accuracy of every level, and calibration errors, in per cent.

    Args:
        scores: Name of the model -> its scores.
        taxonomy: The tree they share.
    """
    table = Table(title=f"scores in per cent ({taxonomy.name})", title_justify="left")
    table.add_column("")
    for name in taxonomy.level_labels:
        table.add_column(f"{name} mIoU", justify="right")
        table.add_column(f"{name} OA", justify="right")
    for name, row in scores.items():
        cells = [f"{100 * value:.1f}" for level in row.levels for value in (level.miou, level.oa)]
        table.add_row(name, *cells)
    Console().print(table)
    for name, row in scores.items():
        errors = [row.calibration_error(level) for level in range(1, len(row.levels) + 1)]
        told = [
            f"{at} {100 * error:.1f} %"
            for at, error in zip(taxonomy.level_names, errors, strict=False)
            if error == error
        ]
        if told:
            line = f"confidence and share right differ by (expected calibration error) of {name}: "
            Console().print(line + ", ".join(told), markup=False)
    for name, row in scores.items():
        pixels = [int(level.confusion.sum()) for level in row.levels]
        if len(set(pixels)) > 1:  # some labels leave levels open
            counts = ", ".join(f"{at} {n}" for at, n in zip(taxonomy.level_labels, pixels, strict=True))
            Console().print(f"pixels that decide each level of {name}: {counts}", markup=False)
