"""Draw a sample: image in natural colours, labels in the colours of their tree."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch as LegendPatch
from numpy.typing import NDArray

from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX

#: (red, green, blue) in the spellings of the sensors that are known.
_TRUE_COLOURS = (("red", "green", "blue"), ("B04", "B03", "B02"))
_NO_LABEL = (235, 235, 235)


def figure_of(
    sample: dict[str, Any], bands: Sequence[str], taxonomy: Taxonomy | None, suptitle: str | None = None
) -> Figure:
    """Draw what a sample holds, side by side.

    Args:
        sample: ``image`` (C, H, W) with ``valid`` (H, W), ``mask`` (H, W), ``prediction`` (H, W): those that
            are there.
        bands: Names of the image's channels.
        taxonomy: Class tree of mask and prediction; colours and legend are those of its leaves.
        suptitle: Title of the figure.

    Returns:
        A figure of its own, known to no pyplot state.
    """
    panels: list[tuple[str, NDArray[Any]]] = []
    if "image" in sample:
        panels.append(("Image", true_colour(_numpy(sample["image"]), _numpy(sample["valid"]), bands)))
    classes: set[int] = set()
    for key in ("mask", "prediction"):
        if key in sample and taxonomy is not None:
            index = _numpy(sample[key])
            classes |= set(np.unique(index[index != IGNORE_INDEX]).tolist())
            panels.append((key.capitalize(), class_colours(index, taxonomy)))
    figure = Figure(figsize=(4.5 * len(panels) + (2.2 if classes else 0), 4.8), layout="constrained")
    for axes, (title, picture) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title)
        axes.set_axis_off()
    if taxonomy is not None and classes:
        names, colours = taxonomy.class_names(taxonomy.num_levels), taxonomy.colors(taxonomy.num_levels)
        entries = [
            LegendPatch(facecolor=_rgb(*colours[c]), edgecolor="0.5", label=names[c]) for c in sorted(classes)
        ]
        figure.legend(handles=entries, loc="outside right center", frameon=False, fontsize="small")
    if suptitle is not None:
        figure.suptitle(suptitle)
    return figure


def true_colour(image: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[str]) -> NDArray[np.uint8]:
    """Stretch three bands for the eye.

    Args:
        image: (C, H, W) stored values.
        valid: (H, W); invalid pixels become white.
        bands: Names of the channels. Without red, green and blue the first three are shown, or the only one
            in grey.

    Returns:
        (H, W, 3) uint8; each band from its 2nd to its 98th percentile.
    """
    channels = _rgb_channels(bands) or ([0, 1, 2] if len(image) >= 3 else [0, 0, 0])
    picture = np.full((*valid.shape, 3), 255, dtype=np.uint8)
    if not valid.any():
        return picture
    for i, channel in enumerate(channels):
        values = image[channel].astype(np.float32)
        low, high = np.percentile(values[valid], (2, 98))
        stretched = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1) * 255
        picture[..., i] = np.where(valid, stretched, 255)
    return picture


def _rgb_channels(bands: Sequence[str]) -> list[int]:
    """Channels of red, green and blue; empty where a name is missing."""
    for names in _TRUE_COLOURS:
        found = [[i for i, band in enumerate(bands) if name in re.split(r"\W+", band)] for name in names]
        if all(found):
            return [channels[0] for channels in found]
    return []


def class_colours(index: NDArray[Any], taxonomy: Taxonomy) -> NDArray[np.uint8]:
    """Paint leaf indices (H, W) in the colours of the tree, (H, W, 3) uint8; no label is light grey."""
    table = np.array([*taxonomy.colors(taxonomy.num_levels), _NO_LABEL], dtype=np.uint8)
    return table[np.where(index == IGNORE_INDEX, len(table) - 1, index)]


def _rgb(red: int, green: int, blue: int) -> tuple[float, float, float]:
    return red / 255, green / 255, blue / 255


def _numpy(tensor: Any) -> NDArray[Any]:  # noqa: ANN401
    return np.asarray(tensor)


__all__ = ("class_colours", "figure_of", "true_colour")
