"""Reference points: where they lie, which class is there, and the strata they were drawn from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from geopandas.geodataframe import GeoDataFrame
from numpy.typing import NDArray

from ..errors import DataError, MissingFileError, OptionError
from ..grid import GeoGrid, PixelAreas, Window
from ..grid.longitudes import on_turn
from ..maps import ClassAreas, PathCounter, PathMap
from ..maps.cog import CONFIDENCE_NODATA
from ..polygons.attribute_classes import AttributeClasses
from ..polygons.vector_file import is_parquet, read_table, vector_layers
from ..taxonomy import Taxonomy
from ..types import Progress
from .sampling import POINTS_LAYER, REFERENCE_COLUMN, STRATA_LAYER

_WHAT = "layer of points"


@dataclass(frozen=True)
class ReferencePoints:
    """Points that people labelled.

    Attributes:
        path: The file.
        x: (n,) in the CRS of the map.
        y: (n,).
        levels: (n, N) class index per level, -100 where not known.
        stratum: (n,) position in ``strata``, None where the file tells of none.
        strata: Table of the strata with ``area_m2``, None where there is none.
    """

    path: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    levels: NDArray[np.int64]
    stratum: NDArray[np.int64] | None
    strata: pd.DataFrame | None


def read_reference_points(
    path: str | Path, grid: GeoGrid, taxonomy: Taxonomy, column: str = REFERENCE_COLUMN
) -> ReferencePoints:
    """Read points with their classes.

    Args:
        path: A vector file of points, for example what ``sample`` wrote and people filled in. Its layer
            ``points``, or its only one.
        grid: Grid of the map to move the points onto.
        taxonomy: The class tree.
        column: Column with the class: its name at any level (``level/name`` where that is not enough), or its
            raster value at the finest level; empty where nobody could tell.

    Raises:
        MissingFileError: There is no such file.
        OptionError: There is no such column.
        DataError: It cannot be read, holds something else than points, names unknown classes, or its strata
            do not fit.
    """
    file = Path(path)
    if not file.is_file():
        raise MissingFileError(f"Expected {file} to be a layer of points, but it does not exist.")
    table, strata = _read(file)
    if column not in table.columns:
        known = ", ".join(str(name) for name in table.columns if name != table.geometry.name)
        raise OptionError(f"Expected a column '{column}' (in {file}), but got {known}. Name it: --reference.")
    if table.crs is None:
        raise DataError(f"Expected points with a CRS, but got none (in {file}).")
    kinds = table.geometry.geom_type
    if table.empty or not kinds.eq("Point").all():
        found = ", ".join(sorted(set(kinds.dropna()))) or "nothing"
        raise DataError(f"Expected points, but got {found} (in {file}). Give points, or a label raster.")
    moved = table.to_crs(grid.crs).geometry.to_numpy()
    columns = pd.DataFrame({column: table[column]})
    classes = AttributeClasses(taxonomy, attribute=column).read(columns, np.arange(len(table)), "points")
    if classes.faults:
        raise DataError(
            f"Expected the names of classes of {taxonomy.name} in column {column}, but got "
            f"{'; '.join(classes.faults[:5])} (in {file})."
        )
    stratum = None if strata is None else _stratum_of(table, strata, file)
    return ReferencePoints(
        str(file), on_turn(shapely.get_x(moved), grid), shapely.get_y(moved), classes.levels, stratum, strata
    )


def _read(file: Path) -> tuple[GeoDataFrame, pd.DataFrame | None]:
    names = [] if is_parquet(file) else list(vector_layers(file, _WHAT))
    layer = POINTS_LAYER if POINTS_LAYER in names else next(iter(names), None)
    table = read_table(file, layer, _WHAT)
    if not isinstance(table, GeoDataFrame):
        raise DataError(f"Expected points, but got a table without geometry (in {file}). Give points.")
    return table, read_table(file, STRATA_LAYER, _WHAT) if STRATA_LAYER in names else None


def _stratum_of(table: GeoDataFrame, strata: pd.DataFrame, file: Path) -> NDArray[np.int64]:
    wanted = {"stratum", "area_m2"}
    if not wanted <= set(strata.columns) or "stratum" not in table.columns:
        raise DataError(
            f"Expected layer {STRATA_LAYER} with stratum and area_m2, and points with their stratum, but got "
            f"{', '.join(map(str, strata.columns))} (in {file}). Draw the points with: hierars-geo sample."
        )
    position = pd.Index(strata["stratum"]).get_indexer(table["stratum"])
    if (position < 0).any():
        raise DataError(
            f"Expected every point in a stratum of layer {STRATA_LAYER}, but {(position < 0).sum()} points "
            f"are in none (in {file})."
        )
    return np.asarray(position, dtype=np.int64)


def count_guesses(
    maps: PathMap, progress: Progress | None = None
) -> tuple[ClassAreas, list[NDArray[np.float64]]]:
    """Count the areas of the classes, and how much of the ground the map holds to be each class, in one pass.

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
