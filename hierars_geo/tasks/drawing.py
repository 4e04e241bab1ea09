"""Draw a chip: image, and labels above predictions at every level, in the colours of the tree."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ..taxonomy import Taxonomy

#: Names of red, green and blue, by sensor.
_TRUE_COLOURS: Final = (("red", "green", "blue"), ("B04", "B03", "B02"))
_NO_LABEL: Final = (235, 235, 235)
_PANEL_INCHES: Final = 2.8


def draw_levels(
    image: NDArray[Any],
    valid: NDArray[np.bool_],
    label: NDArray[np.int64],
    predicted: NDArray[np.int64],
    taxonomy: Taxonomy,
    bands: Sequence[str],
) -> Figure:
    """Draw a chip.

    Args:
        image: (C, H, W) values as stored.
        valid: (H, W).
        label: (N, H, W) class index per level, negative where there is no label.
        predicted: (N, H, W) class index per level.
        taxonomy: The tree.
        bands: Names of the channels; without red, green and blue the first three are shown, or one in grey.

    Returns:
        A figure known to no pyplot state: the labels of every level in the upper row, the predictions in
        the lower one, the image before them.
    """
    levels = taxonomy.num_levels
    figure = Figure(figsize=(_PANEL_INCHES * (levels + 1) + 1.8, 2 * _PANEL_INCHES), layout="constrained")
    rows = figure.subplots(2, levels + 1, squeeze=False)
    for axes in rows.flat:
        axes.set_axis_off()
    rows[0, 0].imshow(_stretch(image, valid, bands), interpolation="nearest")
    rows[0, 0].set_title("image")
    for number, name in enumerate(taxonomy.level_names):
        for axes, maps, title in ((rows[0], label, "label"), (rows[1], predicted, "predicted")):
            picture = _paint(maps[number], taxonomy, number + 1)
            axes[number + 1].imshow(picture, interpolation="nearest")
            axes[number + 1].set_title(f"{name} {title}")
    seen = np.unique(np.concatenate([label[-1].ravel(), predicted[-1].ravel()]))
    names, colours = taxonomy.class_names(levels), taxonomy.colors(levels)
    entries = [
        Patch(facecolor=tuple(c / 255 for c in colours[k]), edgecolor="0.5", label=names[k])
        for k in seen[seen >= 0].tolist()
    ]
    if entries:
        figure.legend(handles=entries, loc="outside right center", frameon=False, fontsize="small")
    return figure


def _stretch(image: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[str]) -> NDArray[np.uint8]:
    """Stretch three bands from their 2nd to their 98th percentile; (H, W, 3), white where not valid."""
    names = list(bands)
    known = next((rgb for rgb in _TRUE_COLOURS if set(rgb) <= set(names)), None)
    channels = [names.index(name) for name in known] if known else ([0, 1, 2] if len(image) > 2 else [0] * 3)
    picture = np.full((*valid.shape, 3), 255, dtype=np.uint8)
    if not valid.any():
        return picture
    for i, channel in enumerate(channels):
        values = image[channel].astype(np.float32)
        low, high = np.percentile(values[valid], (2, 98))
        share = np.clip((values[valid] - low) / max(float(high - low), 1e-6), 0, 1)
        picture[..., i][valid] = (share * 255).astype(np.uint8)
    return picture


def _paint(index: NDArray[np.int64], taxonomy: Taxonomy, level: int) -> NDArray[np.uint8]:
    """Paint class indices (H, W) in the colours of a level; (H, W, 3), light grey where there is none."""
    table = np.array([*taxonomy.colors(level), _NO_LABEL], dtype=np.uint8)
    return table[np.where(index < 0, len(table) - 1, index)]


__all__ = ("draw_levels",)
