"""A class raster as a layout: a real map's fields, painted with the materials of synthetic scenes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes as trace_shapes

from ..errors import DataError, OptionError
from .layout import Canvas, Layout
from .materials import MATERIALS

#: Width of a field within its row of fields, as a share of their depth.
_WIDTHS: Final = (0.5, 1.5)


@dataclass(frozen=True)
class Paint:
    """How a class of the map is painted.

    Attributes:
        material: Name in ``MATERIALS``.
        label: Raster value of its class in the scene's labels.
        fields: Whether its patches are cut into fields that differ from each other.
    """

    material: str
    label: int
    fields: bool = False

    def __post_init__(self) -> None:
        if self.material not in MATERIALS:
            raise OptionError(
                f"Expected a material out of {', '.join(sorted(MATERIALS))}, but got '{self.material}'."
            )


def paint_classes(
    rng: np.random.Generator,
    classes: NDArray[np.uint8],
    res_m: float,
    paints: Mapping[int, Paint],
    ground: Paint,
    field_m: float = 400.0,
) -> Layout:
    """Turn a class raster into shapes: every patch of one class an object of its own.

    Real maps join neighbouring fields of one crop. Classes with ``fields`` are cut along rows of fields,
    ``field_m`` deep and of different widths, so that each has its own vigour.

    Args:
        rng: Source of the cuts.
        classes: (H, W) class values of a square place, the upper-left corner at the scene's.
        res_m: Size of a pixel.
        paints: Paint of every class value that occurs.
        ground: What shows where the map ends.
        field_m: Depth of a row of fields.

    Returns:
        The layout; labels follow the map's pixels.

    Raises:
        DataError: A class that occurs has no paint.
    """
    found = np.unique(classes)
    missing = sorted(set(found.tolist()) - set(paints))
    if missing:
        raise DataError(f"Expected a paint for every class of the map, but got none for {missing}.")
    canvas = Canvas(max(classes.shape) * res_m, ground.material, ground.label)
    cut = np.isin(classes, [value for value, paint in paints.items() if paint.fields])
    fields = np.where(cut, _field_numbers(rng, classes.shape, field_m / res_m), 0)
    patches = trace_shapes(
        (fields * 256 + classes).astype(np.int32), transform=Affine(res_m, 0, 0, 0, res_m, 0)
    )
    by_class: dict[int, list[shapely.Geometry]] = {}
    for geometry, value in patches:
        by_class.setdefault(int(value) % 256, []).append(shapely.geometry.shape(geometry))
    for value, polygons in sorted(by_class.items()):
        canvas.paint(polygons, paints[value].material, paints[value].label)
    return canvas.finish()


def _field_numbers(rng: np.random.Generator, shape: tuple[int, ...], depth_px: float) -> NDArray[np.int32]:
    """Number the fields (H, W) of rows of fields, from 1."""
    height, width = shape
    rows = (np.arange(height) / depth_px).astype(np.int32)
    numbers = np.zeros((height, width), dtype=np.int32)
    first = 1
    for row in range(rows[-1] + 1):
        steps = rng.uniform(*_WIDTHS, int(width / depth_px / _WIDTHS[0]) + 2) * depth_px
        column = np.searchsorted(np.cumsum(steps), np.arange(width), side="right").astype(np.int32)
        numbers[rows == row] = first + column
        first += int(column[-1]) + 1
    return numbers
