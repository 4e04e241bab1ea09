"""What a map tells of all ground and at the points of a sample: its classes, and how sure it is of them."""

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..grid import PixelAreas, Window
from ..maps import ClassAreas, PathCounter, PathMap, Progress
from ..maps.cog import CONFIDENCE_NODATA
from .reference_points import ReferencePoints


def count_guesses(
    maps: PathMap, progress: Progress | None = None
) -> tuple[ClassAreas, list[NDArray[np.float64]]]:
    """Count the areas of the classes, and how much of the ground the map holds to be each class, in one pass.

    Args:
        maps: Open maps.
        progress: Called with (rows done, rows in all).

    Returns:
        The areas; and per level (C,) the mean over all ground of the confidence in each class, 0..1. A level
        without confidence is taken to be sure of all it shows.

    Raises:
        HieraRSError: A raster is damaged, or levels contradict each other.
    """
    counter, areas, chains = PathCounter(maps), PixelAreas(maps.grid), maps.chains
    classes = {level: int(chains[:, level - 1].max()) + 1 for level in maps.levels}
    steps = CONFIDENCE_NODATA + 1
    # areas by class and per cent; the last code is what has neither
    by_code = {level: np.zeros(classes[level] * steps) for level in maps.confidence_levels}
    for window, path in maps.strips():
        counter.add(window, path)
        for level, sums in by_code.items():
            index = chains[path, level - 1]
            code = np.where(index < 0, CONFIDENCE_NODATA, index * steps + maps.read_confidence(level, window))
            sums += areas.sum_by(code, window, len(sums))
        if progress is not None:
            progress(window.row_stop, maps.grid.height)
    counted = counter.areas()
    held_m2 = []
    for level in maps.levels:
        if level in by_code:
            per_cent = by_code[level].reshape(-1, steps)[:, :CONFIDENCE_NODATA]
            held_m2.append(per_cent @ (np.arange(CONFIDENCE_NODATA) / 100))
        else:
            shown = counted.class_area_m2(level)
            held_m2.append(np.array([shown.get(index, 0.0) for index in range(classes[level])]))
    return counted, [held / counted.mapped_area_m2 for held in held_m2]


def read_at_points(
    maps: PathMap, reference: ReferencePoints
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[NDArray[np.float64]]]:
    """Read what the map shows at points.

    Returns:
        (n, D) class index of every level; (n,) number of the pixel that each point lies in; and per level
        (n, C) confidence in the class shown, 0..1, as in :func:`count_guesses`.

    Raises:
        DataError: Points lie outside the map, or where it has no class; they are counted.
    """
    cols, rows = (
        np.floor(axis).astype(np.int64) for axis in ~maps.grid.transform @ (reference.x, reference.y)
    )
    height, width = maps.grid.shape
    outside = (rows < 0) | (rows >= height) | (cols < 0) | (cols >= width)
    if outside.any():
        first = int(outside.argmax())
        raise DataError(
            f"Expected points on the map, but {outside.sum()} of {len(rows)} lie outside, first number "
            f"{first} at {reference.x[first]:g}, {reference.y[first]:g} (in {reference.path}). Check the CRS."
        )
    windows = [Window(row, col, 1, 1) for row, col in zip(rows.tolist(), cols.tolist(), strict=True)]
    path = np.array([int(maps.read(window)[0, 0]) for window in windows])
    blank = path == maps.decoder.nodata
    if blank.any():
        raise DataError(
            f"Expected points where the map has a class, but {blank.sum()} of {len(rows)} lie on nodata, "
            f"first number {int(blank.argmax())} (in {reference.path}). Remove them."
        )
    mapped = maps.decoder.paths[path]
    guessed = []
    for level in maps.levels:
        shown = mapped[:, level - 1]
        guess = np.zeros((len(shown), int(maps.decoder.paths[:, level - 1].max()) + 1))
        sure = np.ones(len(shown))
        if level in maps.confidence_levels:
            sure = np.array([maps.read_confidence(level, window)[0, 0] for window in windows]) / 100
        guess[np.arange(len(shown)), shown] = sure
        guessed.append(guess)
    return mapped, rows * width + cols, guessed
