"""The table of a level with its confusion matrix, whose rows are reference classes and add up to 100 %."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from ..taxonomy import Taxonomy
from .class_order import tree_order
from .formats import UNDEFINED, TableRow

_FONT = "DejaVu Sans"  # ships with matplotlib
_DPI = 160
_CSS_DPI = 96
_CELL_IN, _SMALL_CELL_IN = 0.40, 0.22
#: Up to this many classes the cells hold numbers.
_MAX_NUMBERED = 26
_LONGEST_NAME = 32
_WHITE_TEXT_FROM = 0.55


@dataclass(frozen=True)
class ConfusionFigure:
    """A confusion matrix as a picture.

    Attributes:
        png: The picture.
        width_px: Width at which its text has its nominal size, CSS pixels (96 per inch).
    """

    png: bytes
    width_px: int


@dataclass(frozen=True)
class LevelTable:
    """What is known of the classes of one level, as text.

    Attributes:
        name: Of the level.
        summary: Numbers of the whole level.
        rows: Classes that occur, in the order of the tree.
        classes: How many classes the level has; those without a row occur nowhere.
        matrix: The confusion matrix; None where there is none.
    """

    name: str
    summary: tuple[str, ...]
    rows: tuple[TableRow, ...]
    classes: int
    matrix: ConfusionFigure | None

    @property
    def omitted(self) -> int:
        """How many classes have no row."""
        return self.classes - len(self.rows)


def row_normalised(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide every row by its sum; NaN in a row without pixels."""
    totals = confusion.sum(axis=1, keepdims=True)
    shares = np.full(confusion.shape, np.nan)
    np.divide(confusion, totals, out=shares, where=totals > 0)
    return shares


def draw_confusion(confusion: NDArray[np.int64], taxonomy: Taxonomy, level: int) -> ConfusionFigure | None:
    """Draw a confusion matrix: classes in the order of the tree that occur; None where none does.

    Args:
        confusion: (C, C) int64, rows reference, columns prediction, in class index order.
        taxonomy: The class tree.
        level: Level of the classes, 1..N.
    """
    order = [i for i in tree_order(taxonomy, level) if confusion[i].any() or confusion[:, i].any()]
    if not order:
        return None
    numbered = len(order) <= _MAX_NUMBERED
    side_in = len(order) * (_CELL_IN if numbered else _SMALL_CELL_IN)
    figure = Figure(figsize=(side_in, side_in), dpi=_DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    shares = row_normalised(confusion[np.ix_(order, order)])
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal", interpolation="nearest")
    if numbered:
        _write_numbers(axes, shares)
    roots = [taxonomy.paths[taxonomy.paths[:, level - 1] == index][0, 0] for index in order]
    for position in np.flatnonzero(np.diff(roots)) + 0.5:
        axes.axhline(position, color="#666666", linewidth=0.8)
        axes.axvline(position, color="#666666", linewidth=0.8)
    _name_axes(axes, [_label(taxonomy, level, index) for index in order], 9 if numbered else 7)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.06, facecolor="white")
    with Image.open(buffer) as image:
        width_px = round(image.width * _CSS_DPI / _DPI)
    return ConfusionFigure(buffer.getvalue(), width_px)


def _write_numbers(axes: Axes, shares: NDArray[np.float64]) -> None:
    """Write per cent into the cells; what rounds to nothing stays empty, a row without pixels gets dashes."""
    for (row, col), share in np.ndenumerate(shares):
        if np.isnan(share):
            text = UNDEFINED
        elif share < 0.005:
            continue
        else:
            text = f"{100 * share:.0f}"
        color = "white" if share > _WHITE_TEXT_FROM else "#222222"
        axes.text(col, row, text, ha="center", va="center", fontsize=8, family=_FONT, color=color)


def _name_axes(axes: Axes, names: list[str], size_pt: int) -> None:
    axes.set_xticks(range(len(names)), labels=names, rotation=90)
    axes.set_yticks(range(len(names)), labels=names)
    axes.set_xlabel("Predicted class", labelpad=8)
    axes.set_ylabel("Reference class", labelpad=8)
    axes.tick_params(length=0)
    axes.spines[:].set_color("#888888")
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label):
        text.set_fontfamily(_FONT)
        text.set_fontsize(size_pt)
        text.set_parse_math(False)  # a class may be named "$x$"


def _label(taxonomy: Taxonomy, level: int, index: int) -> str:
    """A class name that fits and that the font can draw, else the class's raster value."""
    name = taxonomy.class_names(level)[index]
    font = font_manager.get_font(font_manager.findfont(_FONT))
    if not all(font.get_char_index(ord(char)) for char in name):
        return f"class {taxonomy.class_values(level)[index]}"
    return (
        name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
    )
