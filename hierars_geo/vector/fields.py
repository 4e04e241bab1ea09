"""One decision per field: the class that the summed path probabilities of its pixels speak for."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
from geopandas.geodataframe import GeoDataFrame
from numpy.typing import NDArray

from ..errors import DataError, OptionError
from ..grid import Window
from ..maps import CONFIDENCE_NODATA, Maps, MapSource
from ..maps.classmap import open_class_map
from ..maps.scene_maps import SceneMaps
from ..maps.styles.qml import vector_qml
from ..maps.styles.sld import vector_sld
from ..taxonomy import Taxonomy
from ..taxonomy.depth import adaptive_taxonomy
from ..types import Progress
from .area_tables import fit_columns, layer_on_maps, with_columns, write_layers
from .areas import polygon_areas_m2
from .geopackage import LayerStyle
from .zonal import zonal_areas, zonal_sums

#: Name of the layer of a GeoPackage.
LAYER = "fields"
#: Columns that are added, before those of every level.
_COLUMNS = (
    "polygon_m2",
    "mapped_share",
    "level",
    "class_value",
    "class_name",
    "confidence",
    "second_class",
    "second_share",
    "mixed",
)


def decide_fields(
    source: MapSource,
    polygons: str | Path,
    out: str | Path,
    threshold: float = 0.5,
    mixed_share: float = 0.25,
    taxonomy: Taxonomy | str | Path | None = None,
    layer: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> GeoDataFrame:
    """Decide the class of every field, and write the fields with it.

    The probabilities of every path are summed over a field, each pixel by the ground of it that lies inside.
    From the coarsest level on, the class is the child with the largest sum below the class before; what is
    decided is the finest class whose confidence reaches the threshold.

    Args:
        source: Maps of one scene with the layer of probabilities.
        polygons: Layer of fields, in any CRS.
        out: ``.gpkg`` (layer ``fields``, with its style), ``.parquet`` or ``.csv`` (without geometry).
        threshold: Least confidence of what is decided, 0..1.
        mixed_share: A field is mixed where its second class, by the pixels' own best classes at the finest
            level, holds at least this share of its mapped ground, 0..1.
        taxonomy: The class tree; default what comes with the maps.
        layer: Layer of ``polygons``, where there are several.
        overwrite: Replace a file that exists.
        progress: Called with (polygons done, polygons in all).

    Returns:
        The layer with all its columns, its geometry in the CRS of the maps, and the columns that docs/gis.md
        lists: areas, the decided class, the second one, and what every level says.

    Raises:
        OptionError: A share is out of range, or an unknown format.
        DataError: The maps have no probabilities of this tree.
        HieraRSError: Maps or polygons cannot be read or do not overlap, or the file cannot be written.
    """
    target = Path(out)
    for name, share in (("threshold", threshold), ("mixed_share", mixed_share)):
        if not 0 <= share <= 1:
            raise OptionError(f"Expected {name} to be a share 0..1, but got {share}.")
    opened = Maps.open(source, taxonomy)
    scene, tree = opened.scene, opened.taxonomy
    drawn, table = layer_on_maps(opened, polygons, layer, target, overwrite)
    levels = range(1, tree.num_levels + 1)
    added = [*_COLUMNS, *(f"L{n}_{what}" for n in levels for what in ("class", "value", "confidence"))]
    table = fit_columns(table, added, target.suffix.lower())
    sums = _path_sums(scene, table, progress)
    with scene.open() as maps:
        (finest,) = zonal_areas(maps, table, (scene.finest,))
    whole_m2 = polygon_areas_m2(drawn.geometry.to_numpy(), drawn.crs)
    columns: dict[str, object] = {
        "polygon_m2": whole_m2,
        "mapped_share": np.minimum(finest.area_m2.sum(axis=1) / np.maximum(whole_m2, 1e-9), 1.0),
        **_decision_columns(sums, tree, threshold),
        **_second_columns(finest.area_m2, tree, scene.finest, mixed_share),
    }
    fields = with_columns(table, {name: columns[name] for name in added})
    legend = adaptive_taxonomy(tree)
    about = f"Fields by class of {tree.name}, at the finest level that is sure enough"
    style = LayerStyle(LAYER, vector_qml(legend, 1), vector_sld(legend, 1), about)
    plain = pd.DataFrame(fields.drop(columns=fields.geometry.name))
    write_layers(target, plain, {LAYER: fields}, [style])
    return fields


def _path_sums(scene: SceneMaps, fields: GeoDataFrame, progress: Progress | None) -> NDArray[np.float64]:
    """Sum P(t) times ground over every field: (P, T)."""
    path, count = scene.others.get("probabilities"), scene.taxonomy.num_paths
    if path is None:
        raise DataError(
            f"Expected maps with the probability of every path, but {scene.folder / scene.name} has none. "
            "Predict again with --probabilities."
        )
    with ExitStack() as stack:
        bands = [stack.enter_context(open_class_map(path, band)) for band in range(1, count + 1)]

        def read(window: Window) -> NDArray[np.unsignedinteger]:
            return np.stack([band.read(CONFIDENCE_NODATA, window) for band in bands]).astype(np.uint8)

        return zonal_sums(scene.grid, count, read, fields, progress)


def decide_paths(
    sums: NDArray[np.float64], paths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Go down the tree, from each class to the child with the largest sum.

    Args:
        sums: (P, T) of every path's probability over every field.
        paths: (T, N) class index per level.

    Returns:
        Class index (P, N), and share of the sums that it has, (P, N) in 0..1, never rising from one level to
        the next; where a field has no sums at all, 0 and NaN.

    Examples:
        >>> paths = np.array([[0, 0], [0, 1], [0, 2], [1, 3]])
        >>> classes, share = decide_paths(np.array([[20.0, 25, 15, 40]]), paths)
        >>> classes.tolist(), share.tolist()
        ([[0, 1]], [[0.6, 0.25]])
    """
    fields, levels = len(sums), paths.shape[1]
    classes, shares = np.zeros((fields, levels), np.int64), np.full((fields, levels), np.nan)
    total = sums.sum(axis=1, keepdims=True)
    share = np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)
    below = np.ones(sums.shape, dtype=np.bool_)  # paths that share the classes so far
    for level in range(levels):
        column = paths[:, level]
        member = column == np.arange(column.max() + 1)[:, None]  # (C, T)
        by_class = np.where(below, share, 0.0) @ member.T
        by_class[~(below @ member.T)] = -1.0  # no child of the class before
        best = by_class.argmax(axis=1)
        known = total[:, 0] > 0
        classes[known, level] = best[known]
        shares[known, level] = by_class[known, best[known]]
        below &= column == classes[:, [level]]
    return classes, shares


def _decision_columns(sums: NDArray[np.float64], tree: Taxonomy, threshold: float) -> dict[str, object]:
    """Columns of what is decided, and of every level."""
    classes, shares = decide_paths(sums, tree.paths)
    known = ~np.isnan(shares[:, 0])
    sure = np.where(np.isnan(shares), False, shares >= threshold)
    depth = sure.sum(axis=1)  # shares never rise: those that are sure come first
    rows, at = np.arange(len(depth)), np.maximum(depth - 1, 0)
    first = np.cumsum([1, *tree.num_classes[:-1]])
    names = [np.array(tree.class_names(level + 1), dtype=object) for level in range(tree.num_levels)]
    by_level: NDArray[np.object_] = np.stack(
        [names[level][classes[:, level]] for level in range(tree.num_levels)], axis=1
    )
    decided = by_level[rows, at]
    decided[depth == 0] = None
    by_level[~known] = None
    value = pd.array(np.where(depth > 0, first[at] + classes[rows, at], 0), dtype="Int32")
    level = pd.array(depth, dtype="Int32")
    value[~known], level[~known] = pd.NA, pd.NA
    columns: dict[str, object] = {
        "level": level,
        "class_value": value,
        "class_name": decided,
        "confidence": np.where(depth > 0, shares[rows, at] * 100, np.nan),
    }
    for number in range(tree.num_levels):
        values = pd.array(np.array(tree.class_values(number + 1))[classes[:, number]], dtype="Int32")
        values[~known] = pd.NA
        columns |= {
            f"L{number + 1}_class": by_level[:, number],
            f"L{number + 1}_value": values,
            f"L{number + 1}_confidence": shares[:, number] * 100,
        }
    return columns


def _second_columns(
    area_m2: NDArray[np.float64], tree: Taxonomy, level: int, mixed_share: float
) -> dict[str, object]:
    """Columns of what grows beside the class of most ground."""
    total = area_m2.sum(axis=1)
    order = np.argsort(-area_m2, axis=1, kind="stable")
    second = order[:, 1] if area_m2.shape[1] > 1 else order[:, 0]
    own = area_m2[np.arange(len(area_m2)), second] if area_m2.shape[1] > 1 else np.zeros(len(area_m2))
    share = np.divide(own, total, out=np.full(len(total), np.nan), where=total > 0)
    names: NDArray[np.object_] = np.array(tree.class_names(level), dtype=object)[second]
    names[np.isnan(share) | (share == 0)] = None
    mixed = pd.array(np.nan_to_num(share) >= max(mixed_share, 1e-12), dtype="boolean")
    mixed[total == 0] = pd.NA
    return {"second_class": names, "second_share": share, "mixed": mixed}
