"""Pictures of classes: pixels in the colours of a tree, and the entries of a legend."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .schema import RGB, hex_color
from .tree import Taxonomy

if TYPE_CHECKING:
    from matplotlib.patches import Patch

NO_LABEL: RGB = (235, 235, 235)


def painted(index: NDArray[Any], taxonomy: Taxonomy, level: int) -> NDArray[np.uint8]:
    """Paint class indices (H, W) of a level in the tree's colours (H, W, 3), no class in light grey."""
    table = np.array([*taxonomy.colors(level), NO_LABEL], dtype=np.uint8)
    return table[np.where(index < 0, len(table) - 1, index)]


def legend_patch(color: RGB, label: str) -> "Patch":
    """Return an entry of a figure's legend."""
    from matplotlib.patches import Patch

    return Patch(facecolor=hex_color(color), edgecolor="0.5", label=label)


def class_patches(indices: Iterable[int], taxonomy: Taxonomy, level: int) -> "list[Patch]":
    """Return entries of a legend for classes of a level, in the order of the tree."""
    names, colors = taxonomy.class_names(level), taxonomy.colors(level)
    return [legend_patch(colors[index], names[index]) for index in sorted(set(indices)) if index >= 0]
