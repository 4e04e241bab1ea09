"""A stratified random sample of a map, written for people to label; drawn in two passes."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from geopandas.geodataframe import GeoDataFrame
from numpy.typing import NDArray

from ..errors import HieraRSWarning, OptionError, list_some
from ..grid import PixelAreas, Window
from ..maps import Maps, MapSource, PathMap
from ..maps.styles.qml import points_qml
from ..metrics import allocate, sample_size
from ..output import atomic_path, check_writable_folder, refuse_existing
from ..taxonomy import Taxonomy
from ..types import Progress
from ..vector.geopackage import LayerStyle, write_tables
from .strata import Division, Strata, divide


def draw_pixels(
    maps: PathMap,
    areas: PixelAreas,
    strata: Strata,
    points: NDArray[np.int64],
    seed: int,
    spread: bool = False,
    progress: Progress | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Draw pixels at random, every piece of ground of a stratum alike, none twice.

    Args:
        maps: The maps that the strata were counted on.
        areas: Of their pixels.
        strata: The strata.
        points: (S,) pixels to draw from each; a stratum that has fewer gives all of them.
        seed: Decides the draw.
        spread: Keep the pixels of a stratum apart: one from each of as many parts of its ground, row by row.
            Every piece of ground is still drawn alike.
        progress: Called with (rows done, rows in all).

    Returns:
        Position of the stratum, row and column, (n,) each, in random order, so that the strata cannot be told
        from it.

    Raises:
        DataError: Levels contradict each other.
        RasterError: The map is damaged.
    """
    generator = np.random.default_rng(seed)
    stratum, row, rank = _draw_ranks(strata, points, generator, spread)
    col = np.zeros(len(row), dtype=np.int64)
    order = np.lexsort((stratum, row))
    for window, path in maps.strips():
        first, last = np.searchsorted(row[order], (window.row, window.row_stop))
        if first < last:
            drawn, numbers = order[first:last], strata.numbers(window, path)
            # points of one row and stratum are drawn together
            changes = np.flatnonzero(np.diff(row[drawn]) | np.diff(stratum[drawn])) + 1
            for group in np.split(drawn, changes):
                at = int(row[group[0]])
                of_class = np.flatnonzero(numbers[at - window.row] == stratum[group[0]])
                if areas.vary_along_rows and len(group) < len(of_class):
                    ground = areas.read(Window(at, 0, 1, maps.grid.width))[0][of_class]
                    share = ground / ground.sum()
                    col[group] = generator.choice(of_class, size=len(group), replace=False, p=share)
                else:
                    col[group] = of_class[rank[group]]
        if progress is not None:
            progress(window.row_stop, maps.grid.height)
    shuffled = generator.permutation(len(row))
    return stratum[shuffled], row[shuffled], col[shuffled]


def _draw_ranks(
    strata: Strata, points: NDArray[np.int64], generator: np.random.Generator, spread: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Stratum, row and position among the pixels of the stratum in that row, (n,) each."""
    drawn = []
    for stratum, count in enumerate(np.minimum(points, strata.pixels).tolist()):
        in_row = strata.row_pixels[:, stratum]
        if count == strata.pixels[stratum]:
            rows = np.repeat(np.arange(len(in_row)), in_row)
            ranks = np.arange(len(rows)) - np.repeat(np.cumsum(in_row) - in_row, in_row)
        else:
            rows, ranks = _draw_distinct(in_row, strata.row_area_m2[:, stratum], count, generator, spread)
        drawn.append((np.full(len(rows), stratum), rows, ranks))
    strata_drawn, rows_drawn, ranks_drawn = zip(*drawn, strict=True)
    return np.concatenate(strata_drawn), np.concatenate(rows_drawn), np.concatenate(ranks_drawn)


#: Of the golden ratio: steps of it fall as far from each other as any can.
_GOLDEN = 0.6180339887498949


def _draw_distinct(
    in_row: NDArray[np.int64],
    area_m2: NDArray[np.float64],
    count: int,
    generator: np.random.Generator,
    spread: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw pixels by area, again until there are enough that differ."""
    share = area_m2 / area_m2.sum()
    found: dict[tuple[int, int], None] = {}
    if spread:
        below = np.cumsum(share)
        below[np.flatnonzero(in_row)[-1] :] = 1
        part = (np.arange(count) + generator.random(count)) / count
        rows = np.searchsorted(below, part, side="right")
        along = (np.arange(count) * _GOLDEN + generator.random()) % 1
        found |= dict.fromkeys(zip(rows.tolist(), (along * in_row[rows]).astype(int).tolist(), strict=True))
    while len(found) < count:
        rows = generator.choice(len(in_row), size=count - len(found), p=share)
        ranks = generator.integers(0, in_row[rows])
        found |= dict.fromkeys(zip(rows.tolist(), ranks.tolist(), strict=True))
    pixels = np.array(list(found), dtype=np.int64).reshape(-1, 2)
    return pixels[:, 0], pixels[:, 1]


#: Layers of the file, and the column that people fill in.
POINTS_LAYER, STRATA_LAYER, REFERENCE_COLUMN = "points", "strata", "reference"


def sample_points(
    source: MapSource,
    out: str | Path,
    taxonomy: Taxonomy | str | Path | None = None,
    level: int | None = None,
    by: Division = "class",
    points: int | None = None,
    target_error: float = 0.01,
    expected_accuracy: float = 0.8,
    expected_by_class: Mapping[str, float] | None = None,
    minimum: int = 50,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> GeoDataFrame:
    """Draw points from a map, stratified, and write them for labelling.

    The GeoPackage holds a layer ``points`` (``id``, ``stratum``, an empty ``reference`` to fill in with the
    name of a class of any level, ``note``, and ``stands_for_m2``, the ground that each point stands for) and
    a table ``strata`` (``stratum``, ``class_name``, ``pixels``, ``area_m2``, ``points``), which the
    evaluation needs. Hide the column ``stratum`` from whoever labels:
    they should not know what the map shows.

    Args:
        source: Maps of one scene: a folder that predict wrote to, or a class raster.
        out: ``.gpkg`` to write.
        taxonomy: The class tree; default what comes with the maps.
        level: Level whose classes or confidence the strata follow; default the finest.
        by: ``class``; ``uncertainty``, more points the less sure the map is; ``applicability``, half of them
            on ground unlike the training's; ``random``. All but ``class`` spread the points over the map.
            Whatever it is, accuracy and areas estimated from the points are unbiased.
        points: Points in all; default as many as the target asks for.
        target_error: Standard error of the overall accuracy to reach, where no size is given.
        expected_accuracy: User's accuracy to expect, 0..1; of bands of confidence it is their middle.
        expected_by_class: The same of single classes, by name.
        minimum: Least points of a stratum.
        seed: Decides the draw.
        overwrite: Replace a file that exists.
        progress: Called with (rows done, rows in all).

    Raises:
        OptionError: A number is out of range, or the maps lack the confidence or the area of applicability.
        TaxonomyError: A name is no class of the level.
        HieraRSError: The maps cannot be read, or the file cannot be written.
    """
    target = Path(out)
    if target.suffix.lower() != ".gpkg":
        raise OptionError(f"Expected the output to end in .gpkg, but got '{target.name}'.")
    if points is not None and points < 1:
        raise OptionError(f"Expected points to be >= 1, but got {points}.")
    scene = Maps.open(source, taxonomy).scene
    tree = scene.taxonomy
    with scene.open() as maps:
        finest = maps.decoder.paths.shape[1]
        chosen = finest if level is None else level
        if not 1 <= chosen <= finest:
            raise OptionError(f"Expected level to be within 1..{finest}, but got {chosen}.")
        accuracy = np.full(tree.num_classes[chosen - 1], expected_accuracy)
        for name, value in (expected_by_class or {}).items():
            accuracy[tree.class_index(name, chosen)] = value
        check_writable_folder(target.parent)
        refuse_existing([target], overwrite, scene.files)

        def report(done: int, height: int, before: int = 0) -> None:
            if progress is not None:
                progress(before + done, 2 * height)

        areas = PixelAreas(maps.grid)
        strata = divide(maps, areas, by, chosen, accuracy, tree, report)
        total = points
        if total is None:
            total = sample_size(strata.area_m2, strata.expected, target_error)
        wanted = allocate(total, strata.wanted, minimum, strata.pixels)
        _note_sizes(strata, wanted, total, minimum, tree)
        stratum, row, col = draw_pixels(
            maps, areas, strata, wanted, seed, by != "class", lambda done, h: report(done, h, h)
        )
        drawn = np.bincount(stratum, minlength=len(strata.values))
        table = _points(maps, strata, stratum, strata.area_m2 / drawn, (col, row))
    _write(target, table, _strata_table(strata, drawn), tree)
    return table


def _note_sizes(strata: Strata, wanted: NDArray[np.int64], points: int, minimum: int, tree: Taxonomy) -> None:
    """Say which strata are drawn whole, and why there are more or fewer points than asked for."""
    whole = [
        f"{strata.names[nth]} ({strata.pixels[nth]} px)"
        for nth in np.flatnonzero(wanted >= strata.pixels).tolist()
    ]
    said = [f"drawn whole, as they have no more pixels: {list_some(whole)}"] if whole else []
    if wanted.sum() > points:
        said.append(f"{wanted.sum()} points instead of {points}, as every stratum gets at least {minimum}")
    elif wanted.sum() < points:
        said.append(f"{wanted.sum()} points instead of {points}: the map has no more pixels")
    if said:
        warnings.warn(f"Strata of {tree.name}: {'; '.join(said)}.", HieraRSWarning, stacklevel=3)


def _points(
    maps: PathMap,
    strata: Strata,
    stratum: NDArray[np.int64],
    stands_for_m2: NDArray[np.float64],
    pixels: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> GeoDataFrame:
    """Place the points: stratum (n,), ground (S,) that a point of each stands for, columns and rows (n,)."""
    t, (col, row) = maps.grid.transform, (axis + 0.5 for axis in pixels)
    blank = np.full(len(stratum), "", dtype=object)
    columns = {
        "id": np.arange(1, len(stratum) + 1),
        "stratum": strata.values[stratum],
        REFERENCE_COLUMN: blank,
        "note": blank.copy(),
        "stands_for_m2": stands_for_m2[stratum],
    }
    at = shapely.points(t.a * col + t.b * row + t.c, t.d * col + t.e * row + t.f)
    return GeoDataFrame(columns, geometry=at, crs=maps.grid.crs)


def _strata_table(strata: Strata, drawn: NDArray[np.int64]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "stratum": strata.values,
            "level": strata.level,
            "class_name": strata.names,
            "pixels": strata.pixels,
            "area_m2": strata.area_m2,
            "points": drawn,
        }
    )


def _write(target: Path, points: GeoDataFrame, strata: pd.DataFrame, tree: Taxonomy) -> None:
    with atomic_path(target) as path:
        tables = {POINTS_LAYER: points, STRATA_LAYER: strata}
        qml = points_qml(tree, REFERENCE_COLUMN, "stratum")
        write_tables(path, tables, "Point", [LayerStyle(POINTS_LAYER, qml, "", "Points to label")])
