"""Numbers as people read them, lines of tables, and a round length for a scale bar."""

import math
from dataclasses import dataclass

from ..taxonomy import RGB

#: Shown for what is undefined: an en dash.
UNDEFINED = "\N{EN DASH}"


@dataclass(frozen=True)
class TableRow:
    """One line of a table as text.

    Attributes:
        name: Of the class, the level or the map that the line is about.
        cells: Its numbers.
        color: (red, green, blue) 0..255 of a class, None beside other names.
        depth: Indentation in a tree of classes, from 0.
        best: Positions of the cells that no other line has more in.
        own: The line is that of the map reported, among others.
    """

    name: str
    cells: tuple[str, ...]
    color: RGB | None = None
    depth: int = 0
    best: frozenset[int] = frozenset()
    own: bool = False


def score(value: float | None) -> str:
    """A score 0..1 with three decimals.

    Examples:
        >>> score(0.83712), score(None)
        ('0.837', '–')
    """
    return UNDEFINED if value is None or math.isnan(value) else f"{value:.3f}"


def per_cent(share: float | None) -> str:
    """A share 0..1 as per cent with one decimal; what is there but rounds to nothing says so.

    0.4267 is ``42.7 %``, 0.0002 is ``< 0.1 %``, 0 is ``0.0 %``; the blanks do not break.
    """
    if share is None or math.isnan(share):
        return UNDEFINED
    text = "<\N{NO-BREAK SPACE}0.1" if 0 < share < 0.0005 else f"{100 * share:.1f}"
    return f"{text}\N{NO-BREAK SPACE}%"


def count(value: int) -> str:
    """A whole number with thousands separators."""
    return f"{value:,d}"


def area_decimals(total_m2: float) -> int:
    """Decimals with which the hectares of a table are shown: as many as its total deserves."""
    hectares = total_m2 / 1e4
    return 2 if hectares < 100 else 1 if hectares < 10_000 else 0


def hectares(area_m2: float, decimals: int) -> str:
    """An area in hectares (without the unit); what is there but rounds to nothing says so.

    With one decimal 123 456 789 m2 are ``12,345.7`` and 3 m2 are ``< 0.1``.
    """
    value, least = area_m2 / 1e4, 10.0**-decimals
    if 0 < value < least / 2:
        return f"<\N{NO-BREAK SPACE}{least:.{decimals}f}"
    return f"{value:,.{decimals}f}"


def square_kilometres(area_m2: float) -> str:
    """An area with its unit: hectares below one square kilometre, else square kilometres."""
    if area_m2 < 1e6:
        return f"{area_m2 / 1e4:,.2f}\N{NO-BREAK SPACE}ha"
    value = area_m2 / 1e6
    return f"{value:,.{1 if value < 1000 else 0}f}\N{NO-BREAK SPACE}km²"


def metres(length_m: float) -> str:
    """A pixel size in metres with up to four significant digits.

    9.99996 is ``10 m``, 0.5 is ``0.5 m``; from 1000 on it is in kilometres.
    """
    return f"{length_m:.4g}\N{NO-BREAK SPACE}m" if length_m < 1000 else kilometres(length_m)


def kilometres(length_m: float) -> str:
    """A length in kilometres with its unit, one to three decimals."""
    value = length_m / 1000
    decimals = 3 if value < 1 else 2 if value < 10 else 1 if value < 1000 else 0
    return f"{value:,.{decimals}f}\N{NO-BREAK SPACE}km"


@dataclass(frozen=True)
class ScaleBar:
    """A scale bar.

    Attributes:
        length_m: What the bar stands for, metres.
        share: Its length as a share of the map's width, 0..1.
    """

    length_m: float
    share: float

    @property
    def label(self) -> str:
        """Length with its unit, for example ``500 m`` or ``2 km``."""
        if self.length_m >= 1000:
            return f"{self.length_m / 1000:,.0f} km"
        return f"{self.length_m:g} m"

    @property
    def half_label(self) -> str:
        """Half the length, in the unit of :attr:`label`, without it."""
        half = self.length_m / 2
        return f"{half / 1000:,g}" if self.length_m >= 1000 else f"{half:g}"


def fit_scale_bar(width_m: float) -> ScaleBar:
    """Choose the longest of 1, 2, 5 x 10^k metres that is no longer than 0.4 of the map.

    Args:
        width_m: Width of the map on the ground, metres, > 0.

    Returns:
        The bar; its share is between 0.16 and 0.4.

    Examples:
        >>> fit_scale_bar(10_680).label, fit_scale_bar(10_680).share
        ('2 km', 0.18726591760299627)
    """
    longest = width_m * 0.4
    power = 10.0 ** math.floor(math.log10(longest))
    length = max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9))
    return ScaleBar(length, length / width_m)
