"""A sample: what it carries beside its tensors, and how it is drawn."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyproj import CRS

from ..scenes.true_color import true_color
from ..taxonomy import Taxonomy
from ..taxonomy.drawing import class_patches, painted
from ..types import IGNORE_INDEX, Bounds


def figure_of(
    sample: dict[str, Any],
    bands: Sequence[str],
    taxonomy: Taxonomy | None,
    suptitle: str | None = None,
    sensor: str | None = None,
) -> Figure:
    """Draw what a sample holds, side by side, as a figure that no pyplot state knows.

    Args:
        sample: ``image`` (C, H, W) with ``valid`` (H, W), ``mask`` (H, W), ``prediction`` (H, W): those that
            are there. Of a series the date that shows most.
        bands: Names of the image's channels.
        taxonomy: Class tree of mask and prediction; colours and legend are those of its leaves.
        suptitle: Title of the figure.
        sensor: Entry of the sensor catalog that the image was taken by, where that is known.
    """
    panels: list[tuple[str, NDArray[Any]]] = []
    if "image" in sample:
        image, valid = np.asarray(sample["image"]), np.asarray(sample["valid"])
        if image.ndim == 4:
            shown = int(valid.sum(axis=(1, 2)).argmax())
            image, valid = image[shown], valid[shown]
        panels.append(("Image", true_color(image, valid, bands, sensor)))
    classes: set[int] = set()
    for key in ("mask", "prediction"):
        if key in sample and taxonomy is not None:
            index = np.asarray(sample[key])
            classes |= set(np.unique(index[index != IGNORE_INDEX]).tolist())
            panels.append((key.capitalize(), painted(index, taxonomy, taxonomy.num_levels)))
    figure = Figure(figsize=(4.5 * len(panels) + (2.2 if classes else 0), 4.8), layout="constrained")
    for axes, (title, picture) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title)
        axes.set_axis_off()
    if taxonomy is not None and classes:
        entries = class_patches(classes, taxonomy, taxonomy.num_levels)
        figure.legend(handles=entries, loc="outside right center", frameon=False, fontsize="small")
    if suptitle is not None:
        figure.suptitle(suptitle)
    return figure


def sensor_of(source: object) -> str | None:
    """Entry of the sensor catalog that a source of images was opened with; None where there is none."""
    sensor = getattr(source, "sensor", None)
    return None if sensor is None or not sensor.rgb else str(sensor.name)


class Metadata:
    """Base of the values of a sample that are no tensors, so that TorchGeo 0.10 collates them, too.

    Its functions hand every value of a sample to PyTorch; by PyTorch's protocol for foreign types these
    answer themselves. ``stack_samples`` makes a list of them; ``concat_samples`` and ``merge_samples`` keep
    the first, as TorchGeo up to 0.9 does with whatever is no tensor.
    """

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Answer ``torch.stack``, ``torch.cat`` and ``torch.maximum``; nothing else is defined."""
        if func is torch.stack:
            return list(args[0])
        if func is torch.cat:
            return args[0][0]
        return args[0] if func is torch.maximum else NotImplemented


class SampleBounds(Metadata, tuple[float, float, float, float]):
    """(left, bottom, right, top) as read, in units of the CRS."""


class SampleCRS(Metadata, CRS):
    """The CRS of a sample."""


class SampleFiles(Metadata, str):
    """Names of the images that a sample was read from, in one text."""


def place(bounds: Bounds, wkt: str) -> dict[str, Metadata]:
    """Return ``bounds`` and ``crs`` of a sample."""
    return {"bounds": SampleBounds(bounds), "crs": _crs(wkt)}


@lru_cache(maxsize=64)
def _crs(wkt: str) -> SampleCRS:
    return SampleCRS(wkt)
