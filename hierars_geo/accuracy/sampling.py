"""A stratified random sample of a map, written for people to label."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from geopandas.geodataframe import GeoDataFrame
from numpy.typing import NDArray

from ..errors import HieraRSWarning, OptionError, list_some
from ..grid import PixelAreas
from ..maps import Maps, MapSource, PathMap, Progress, count_rows
from ..maps.styles.qml import points_qml
from ..metrics import allocate, sample_size
from ..output.output import atomic_path, check_writable_folder, refuse_existing
from ..taxonomy import Taxonomy
from ..vector.geopackage import LayerStyle, write_tables
from .strata import DrawnPixels, Strata, draw_pixels

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


__all__ = ("POINTS_LAYER", "REFERENCE_COLUMN", "STRATA_LAYER", "sample_points")
