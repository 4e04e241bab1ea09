"""Go over the maps of a scene once, and over other rasters beside them: areas, reduced maps, histograms."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from ..errors import RasterError
from ..grid import same_grid
from ..maps import ClassAreas, PathCounter, SceneMaps, Thumbnail, blocks, open_class_map
from ..maps.outside import elsewhere
from ..scenes.dataset import open_dataset
from ..taxonomy import RGB

#: Marks a missing value in reduced maps that are no class maps.
MISSING = -1


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
        return histogram_mean(self.histogram)

    def share_below(self, value: int) -> float:
        """Share of the pixels below a value, 0..1, NaN without any pixel."""
        return histogram_below(self.histogram, value)


def histogram_mean(histogram: NDArray[np.int64]) -> float:
    """Mean of values that were counted, (maximum + 1,) int64 pixels per value; NaN without any."""
    count = int(histogram.sum())
    return float(histogram @ np.arange(len(histogram))) / count if count else float("nan")


def histogram_below(histogram: NDArray[np.int64], value: int) -> float:
    """Share of what was counted that lies below a value, 0..1, NaN without any."""
    count = int(histogram.sum())
    return float(histogram[:value].sum()) / count if count else float("nan")


def survey_maps(scene: SceneMaps) -> tuple[ClassAreas, dict[int, NDArray[np.int64]]]:
    """Count the classes of all levels and reduce the maps, in one pass and bounded memory.

    Returns:
        Areas of all levels, and level -> reduced map of class indices, ``IGNORE_INDEX`` where there is none.

    Raises:
        TaxonomyError: A raster holds a value that is no class of its level.
        RasterError: A file is damaged, or the grid is not on the Earth.
        DataError: Levels contradict each other.
    """
    with scene.open() as maps:
        counter = PathCounter(maps)
        reduced = Thumbnail(scene.grid.shape, maps.decoder.nodata)
        for window, path in maps.strips():
            counter.add(window, path)
            reduced.add(window, path)
        chains = maps.chains
    return counter.areas(), {level: chains[reduced.values, level - 1] for level in scene.levels}


def survey_values(path: Path, maximum: int, scene: SceneMaps) -> ValueSurvey:
    """Reduce a raster of whole numbers 0..maximum and count its values.

    Raises:
        RasterError: A value is out of range, or the file is damaged or on another grid.
    """
    histogram = np.zeros(maximum + 1, dtype=np.int64)
    with open_class_map(path) as reader:
        if not same_grid(reader.grid, scene.grid):
            raise elsewhere(str(path), scene.name)
        reduced = Thumbnail(reader.grid.shape, MISSING)
        for window in blocks(reader.grid):
            values = checked_values(reader.read(MISSING, window), maximum, str(path))
            histogram += np.bincount(values[values != MISSING], minlength=maximum + 1)
            reduced.add(window, values)
    return ValueSurvey(reduced.values, histogram)


def checked_values(values: NDArray[np.integer], maximum: int, origin: str) -> NDArray[np.int64]:
    """Return whole numbers 0..maximum or ``MISSING``.

    Raises:
        RasterError: A value is out of range.
    """
    low, high = int(values.min()), int(values.max())
    if low < MISSING or high > maximum:
        raise RasterError(
            f"Expected values 0..{maximum} or nodata, but got {low}..{high} (in {origin}). Predict again."
        )
    return values.astype(np.int64)


def read_palette(path: Path) -> dict[int, RGB] | None:
    """Return the colours embedded in a raster, None where there are none."""
    with open_dataset(str(path)) as dataset:
        if dataset.colorinterp[0] != ColorInterp.palette:
            return None
        return {value: (color[0], color[1], color[2]) for value, color in dataset.colormap(1).items()}
