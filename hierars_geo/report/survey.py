"""Go over the maps of a scene once, and over their confidences: areas, reduced maps, histograms."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from ..errors import RasterError
from ..grid import Window
from ..maps.classmap import ClassMapReader, open_class_map
from ..taxonomy import RGB
from ..types import IGNORE_INDEX
from ..vector.ground import row_pixel_areas_m2
from .census import Census, CensusTaker
from .scenes import PredictedScene
from .thumbnail import Thumbnail, blocks

#: Marks a missing value in reduced maps that are no class maps.
MISSING = -1


@dataclass(frozen=True)
class MapSurvey:
    """What the page needs of the maps of a scene.

    Attributes:
        census: Areas of all levels.
        maps: Level -> reduced map of class indices, ``IGNORE_INDEX`` where there is no class.
    """

    census: Census
    maps: Mapping[int, NDArray[np.int64]]


@dataclass(frozen=True)
class ValueSurvey:
    """What the page needs of a raster of small whole numbers (confidence, depth).

    Attributes:
        reduced: (h, w) int64, ``MISSING`` where there is no value.
        histogram: (maximum + 1,) int64, pixels per value, at full resolution.
    """

    reduced: NDArray[np.int64]
    histogram: NDArray[np.int64]

    @property
    def mean(self) -> float:
        """Mean over the pixels that have a value, NaN without any."""
        count = int(self.histogram.sum())
        return float(self.histogram @ np.arange(len(self.histogram))) / count if count else float("nan")

    def share_below(self, value: int) -> float:
        """Share of the pixels below a value, 0..1, NaN without any pixel."""
        count = int(self.histogram.sum())
        return float(self.histogram[:value].sum()) / count if count else float("nan")


def survey_maps(scene: PredictedScene) -> MapSurvey:
    """Count the classes of all levels and reduce the maps, in one pass and bounded memory.

    Raises:
        TaxonomyError: A raster holds a value that is no class of its level.
        RasterError: A file is damaged, the grid is not on the Earth, or the levels have data at
            different pixels.
    """
    taker = CensusTaker(
        scene.levels,
        tuple(scene.taxonomy.num_classes[level - 1] for level in scene.levels),
        row_pixel_areas_m2(scene.grid),
    )
    reduced = {level: Thumbnail(scene.grid.shape, IGNORE_INDEX) for level in scene.levels}
    with ExitStack() as stack:
        readers = [stack.enter_context(open_class_map(path)) for path in scene.maps.values()]
        for window in blocks(scene.grid):
            indices = [
                scene.taxonomy.value_to_index(reader.read(window), level, reader.path)
                for level, reader in zip(scene.levels, readers, strict=True)
            ]
            taker.add(window, indices)
            for thumbnail, index in zip(reduced.values(), indices, strict=True):
                thumbnail.add(window, index)
    census = taker.result()
    _check_common_gaps(census, scene)
    return MapSurvey(census, {level: thumbnail.values for level, thumbnail in reduced.items()})


def _check_common_gaps(census: Census, scene: PredictedScene) -> None:
    """Refuse levels that have data at different pixels: they were not predicted together.

    Raises:
        RasterError: There are such pixels.
    """
    gap = census.chains == IGNORE_INDEX
    odd = int(census.pixels[gap.any(axis=1) & ~gap.all(axis=1)].sum())
    if odd:
        raise RasterError(
            f"Expected every level of {scene.name} to have data at the same pixels, but {odd} pixels "
            f"have a class at some levels only (in {scene.maps[scene.levels[0]].parent}). "
            "Predict the scene again."
        )


def survey_values(path: Path, maximum: int) -> ValueSurvey:
    """Reduce a raster of whole numbers 0..maximum and count its values.

    Args:
        path: A byte raster with a declared nodata value.
        maximum: Largest value that means something.

    Raises:
        RasterError: A value is out of range, or the file is damaged.
    """
    histogram = np.zeros(maximum + 1, dtype=np.int64)
    with open_class_map(path) as reader:
        reduced = Thumbnail(reader.grid.shape, MISSING)
        for window in blocks(reader.grid):
            values = checked_values(reader, window, maximum)
            histogram += np.bincount(values[values != MISSING], minlength=maximum + 1)
            reduced.add(window, values)
    return ValueSurvey(reduced.values, histogram)


def checked_values(reader: ClassMapReader, window: Window, maximum: int) -> NDArray[np.int64]:
    """Read whole numbers 0..maximum, ``MISSING`` where there is none.

    Raises:
        RasterError: A value is out of range, or the file is damaged.
    """
    values = reader.read(window).astype(np.int64)
    if reader.nodata is not None:
        values[values == reader.nodata] = MISSING
    known = values[values != MISSING]
    if known.size and not 0 <= known.min() <= known.max() <= maximum:
        raise RasterError(
            f"Expected values 0..{maximum} or nodata, but got {known.min()}..{known.max()} "
            f"(in {reader.path}). Predict again."
        )
    return values


def read_palette(path: Path) -> dict[int, RGB] | None:
    """Return the colours embedded in a raster, None where there are none."""
    with rasterio.open(path) as dataset:
        if dataset.colorinterp[0] != ColorInterp.palette:
            return None
        return {value: (color[0], color[1], color[2]) for value, color in dataset.colormap(1).items()}


__all__ = (
    "MISSING",
    "MapSurvey",
    "ValueSurvey",
    "checked_values",
    "read_palette",
    "survey_maps",
    "survey_values",
)
