"""Scale bars: a round length that fits the map."""

import math
from dataclasses import dataclass


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


def fit_scale_bar(width_m: float, max_share: float = 0.4) -> ScaleBar:
    """Choose the longest of 1, 2, 5 x 10^k metres that is no longer than a share of the map.

    Args:
        width_m: Width of the map on the ground, metres, > 0.
        max_share: Longest bar as a share of the width.

    Returns:
        The bar; its share is between 0.4 and 1 times ``max_share``.

    Examples:
        >>> fit_scale_bar(10_680).label, fit_scale_bar(10_680).share
        ('2 km', 0.18726591760299627)
    """
    longest = width_m * max_share
    power = 10.0 ** math.floor(math.log10(longest))
    length = max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9))
    return ScaleBar(length, length / width_m)


__all__ = ("ScaleBar", "fit_scale_bar")
