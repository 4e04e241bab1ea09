"""A stratified random sample of a map, written for people to label; drawn in two passes."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from geopandas.geodataframe import GeoDataFrame
from numpy.typing import NDArray

from ..errors import HieraRSWarning, OptionError, list_some
from ..grid import PixelAreas, Window
from ..maps import Maps, MapSource, PathMap, Progress, RowAreas, count_rows
from ..maps.styles.qml import points_qml
from ..metrics import allocate, sample_size
from ..output.output import atomic_path, check_writable_folder, refuse_existing
from ..taxonomy import Taxonomy
from ..vector.geopackage import LayerStyle, write_tables


@dataclass(frozen=True)
class Strata:
    """The classes of one level of a map as strata.

    Attributes:
        level: From 1.
        classes: (S,) class index of each stratum, ascending; only classes that the map shows.
        row_pixels: (height, S) pixels of each stratum in each row.
        row_area_m2: (height, S) their area on the ellipsoid.
    """

    level: int
    classes: NDArray[np.int64]
    row_pixels: NDArray[np.int64]
    row_area_m2: NDArray[np.float64]

    @classmethod
    def of_level(cls, counted: RowAreas, level: int) -> "Strata":
        """Return the classes of a level, from 1, as strata."""
        index = counted.paths[:, level - 1]
        shape = (int(index.max()) + 1, len(counted.pixels))
        pixels, area_m2 = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        np.add.at(pixels, index, counted.pixels.T)
        np.add.at(area_m2, index, counted.area_m2.T)
        present = np.flatnonzero(pixels.any(axis=1))
        return cls(level, present, pixels[present].T, area_m2[present].T)

    @property
    def pixels(self) -> NDArray[np.int64]:
        """(S,) pixels."""
        count: NDArray[np.int64] = self.row_pixels.sum(axis=0)
        return count

    @property
    def area_m2(self) -> NDArray[np.float64]:
        """(S,) area on the ellipsoid."""
        area: NDArray[np.float64] = self.row_area_m2.sum(axis=0)
        return area


@dataclass(frozen=True)
class DrawnPixels:
    """Pixels of a sample.

    Attributes:
        stratum: (n,) position of the stratum in :attr:`Strata.classes`.
        row: (n,) row.
        col: (n,) column.
    """

    stratum: NDArray[np.int64]
    row: NDArray[np.int64]
    col: NDArray[np.int64]


def draw_pixels(
    maps: PathMap,
    areas: PixelAreas,
    strata: Strata,
    points: NDArray[np.int64],
    seed: int,
    progress: Progress | None = None,
) -> DrawnPixels:
    """Draw pixels at random, every piece of ground of a stratum alike, none twice.

    Args:
        maps: The maps that the strata were counted on.
        areas: Of their pixels.
        strata: The strata.
        points: (S,) pixels to draw from each; a stratum that has fewer gives all of them.
        seed: Decides the draw.
        progress: Called with (rows done, rows in all).

    Returns:
        The pixels in random order, so that the strata cannot be told from the order.

    Raises:
        DataError: Levels contradict each other.
        RasterError: The map is damaged.
    """
    generator = np.random.default_rng(seed)
    stratum, row, rank = _draw_ranks(strata, points, generator)
    col = np.zeros(len(row), dtype=np.int64)
    index = np.append(maps.decoder.paths[:, strata.level - 1], -1)
    order = np.lexsort((stratum, row))
    for window, path, _ in maps.strips():
        first, last = np.searchsorted(row[order], (window.row, window.row_stop))
        drawn = order[first:last]
        # points of one row and stratum are drawn together
        changes = np.flatnonzero(np.diff(row[drawn]) | np.diff(stratum[drawn])) + 1
        for group in np.split(drawn, changes) if len(drawn) else ():
            at = int(row[group[0]])
            of_class = np.flatnonzero(index[path[at - window.row]] == strata.classes[stratum[group[0]]])
            if areas.vary_along_rows and len(group) < len(of_class):
                ground = areas.read(Window(at, 0, 1, maps.grid.width))[0][of_class]
                share = ground / ground.sum()
                col[group] = generator.choice(of_class, size=len(group), replace=False, p=share)
            else:
                col[group] = of_class[rank[group]]
        if progress is not None:
            progress(window.row_stop, maps.grid.height)
    shuffled = generator.permutation(len(row))
    return DrawnPixels(stratum[shuffled], row[shuffled], col[shuffled])


def _draw_ranks(
    strata: Strata, points: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Stratum, row and position among the pixels of the stratum in that row, (n,) each."""
    drawn = []
    for stratum, count in enumerate(np.minimum(points, strata.pixels).tolist()):
        in_row = strata.row_pixels[:, stratum]
        if count == strata.pixels[stratum]:
            rows = np.repeat(np.arange(len(in_row)), in_row)
            ranks = np.arange(len(rows)) - np.repeat(np.cumsum(in_row) - in_row, in_row)
        else:
            rows, ranks = _draw_distinct(in_row, strata.row_area_m2[:, stratum], count, generator)
        drawn.append((np.full(len(rows), stratum), rows, ranks))
    strata_drawn, rows_drawn, ranks_drawn = zip(*drawn, strict=True)
    return np.concatenate(strata_drawn), np.concatenate(rows_drawn), np.concatenate(ranks_drawn)


def _draw_distinct(
    in_row: NDArray[np.int64],
    area_m2: NDArray[np.float64],
    count: int,
    generator: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw pixels by area, again until there are enough that differ."""
    share = area_m2 / area_m2.sum()
    found: dict[tuple[int, int], None] = {}
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
    size: int | None = None,
    target_error: float = 0.01,
    expected_accuracy: float = 0.8,
    expected_by_class: Mapping[str, float] | None = None,
    minimum: int = 50,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> GeoDataFrame:
    """Draw points from a map, stratified by its classes, and write them for labelling.

    The GeoPackage holds a layer ``points`` (``id``, ``stratum``, an empty ``reference`` to fill in with the
    name of a class of any level, ``note``) and a table ``strata`` (``stratum``, ``class_name``, ``pixels``,
    ``area_m2``, ``points``), which the evaluation needs. Hide the column ``stratum`` from whoever labels:
    they should not know what the map shows.

    Args:
        source: Maps of one scene: a folder that predict wrote to, or a class raster.
        out: ``.gpkg`` to write.
        taxonomy: The class tree; default what comes with the maps.
        level: Level whose classes are the strata; default the finest.
        size: Points in all; default as many as the target asks for.
        target_error: Standard error of the overall accuracy to reach, where no size is given.
        expected_accuracy: User's accuracy to expect, 0..1.
        expected_by_class: The same of single classes, by name.
        minimum: Least points of a class.
        seed: Decides the draw.
        overwrite: Replace a file that exists.
        progress: Called with (rows done, rows in all).

    Returns:
        The points.

    Raises:
        OptionError: A number is out of range.
        TaxonomyError: A name is no class of the level.
        HieraRSError: The maps cannot be read, or the file cannot be written.
    """
    target = Path(out)
    if target.suffix.lower() != ".gpkg":
        raise OptionError(f"Expected the output to end in .gpkg, but got '{target.name}'.")
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
        strata = Strata.of_level(count_rows(maps, areas, report), chosen)
        points = size or sample_size(strata.area_m2, accuracy[strata.classes], target_error)
        wanted = allocate(points, strata.area_m2, minimum, strata.pixels)
        _note_sizes(strata, wanted, points, minimum, tree)
        drawn = draw_pixels(maps, areas, strata, wanted, seed, lambda done, h: report(done, h, h))
        table = _points(maps, strata, drawn, tree)
    _write(target, table, _strata_table(strata, drawn, tree), tree)
    return table


def _note_sizes(strata: Strata, wanted: NDArray[np.int64], points: int, minimum: int, tree: Taxonomy) -> None:
    """Say which strata are drawn whole, and why there are more or fewer points than asked for."""
    names = np.array(tree.class_names(strata.level), dtype=object)[strata.classes]
    whole = [
        f"{names[nth]} ({strata.pixels[nth]} px)" for nth in np.flatnonzero(wanted >= strata.pixels).tolist()
    ]
    said = [f"drawn whole, as they have no more pixels: {list_some(whole)}"] if whole else []
    if wanted.sum() > points:
        said.append(f"{wanted.sum()} points instead of {points}, as every class gets at least {minimum}")
    elif wanted.sum() < points:
        said.append(f"{wanted.sum()} points instead of {points}: the map has no more pixels")
    if said:
        warnings.warn(f"Strata of {tree.name}: {'; '.join(said)}.", HieraRSWarning, stacklevel=3)


def _points(maps: PathMap, strata: Strata, drawn: DrawnPixels, tree: Taxonomy) -> GeoDataFrame:
    t, col, row = maps.grid.transform, drawn.col + 0.5, drawn.row + 0.5
    values = np.array(tree.class_values(strata.level))[strata.classes]
    columns = {
        "id": np.arange(1, len(drawn.row) + 1),
        "stratum": values[drawn.stratum],
        REFERENCE_COLUMN: np.full(len(drawn.row), "", dtype=object),
        "note": np.full(len(drawn.row), "", dtype=object),
    }
    return GeoDataFrame(
        columns,
        geometry=shapely.points(t.a * col + t.b * row + t.c, t.d * col + t.e * row + t.f),
        crs=maps.grid.crs,
    )


def _strata_table(strata: Strata, drawn: DrawnPixels, tree: Taxonomy) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "stratum": np.array(tree.class_values(strata.level))[strata.classes],
            "level": strata.level,
            "class_name": np.array(tree.class_names(strata.level), dtype=object)[strata.classes],
            "pixels": strata.pixels,
            "area_m2": strata.area_m2,
            "points": np.bincount(drawn.stratum, minlength=len(strata.classes)),
        }
    )


def _write(target: Path, points: GeoDataFrame, strata: pd.DataFrame, tree: Taxonomy) -> None:
    with atomic_path(target) as path:
        tables = {POINTS_LAYER: points, STRATA_LAYER: strata}
        qml = points_qml(tree, REFERENCE_COLUMN, "stratum")
        write_tables(path, tables, "Point", [LayerStyle(POINTS_LAYER, qml, "", "Points to label")])


__all__ = (
    "POINTS_LAYER",
    "REFERENCE_COLUMN",
    "STRATA_LAYER",
    "DrawnPixels",
    "Strata",
    "draw_pixels",
    "sample_points",
)
