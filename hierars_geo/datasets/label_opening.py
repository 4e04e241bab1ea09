"""open_labels: labels of any kind as one source."""

import os
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path

from pyproj import CRS

from ..errors import OptionError
from ..polygons.vector_file import is_vector
from ..scenes.raster_paths import Paths
from ..taxonomy import Taxonomy
from .labels import HierarchicalLabels
from .scene_source import SceneSource
from .union import SceneUnion
from .vector_labels import OnError, Order, VectorLabels


def open_labels(
    paths: Paths | Mapping[int, Paths],
    taxonomy: Taxonomy | str | Path,
    *,
    level: int | Sequence[int] | None = None,
    attribute: str | None = None,
    attributes: Sequence[str | None] | None = None,
    classes: Mapping[str, object] | None = None,
    rgb: bool = False,
    all_touched: bool = False,
    order: Order = "area",
    crs: CRS | str | int | None = None,
    res: float | tuple[float, float] | None = None,
    on_error: OnError = "raise",
) -> SceneSource:
    """Open label rasters, label pictures or polygons.

    Args:
        paths: Files, folders, patterns, or a list of them. A name ending in ``.gpkg``, ``.parquet``,
            ``.geoparquet``, ``.shp``, ``.fgb``, ``.geojson`` or ``.json`` (``FILE|LAYER`` for one layer)
            is a file of polygons, and a folder is searched for such files where ``attribute`` or
            ``attributes`` is given. Or a mapping from level (1..N) to paths of rasters.
        taxonomy: The tree, its name in the catalog, or the path of its YAML file.
        level: Level 1..N that the values of rasters are classes of (default: the leaves); or one per path.
            Where paths are of several levels, the finest that has a label counts at every pixel.
        attribute: Column of polygons whose values are classes of any level.
        attributes: Instead, one column per level, coarsest first; None where a level has none.
        classes: What the values of columns stand for; see :class:`VectorLabels`.
        rgb: True for rasters that are pictures in the colours of the tree.
        all_touched: True to label every pixel that a polygon touches, False those whose centre it holds.
        order: ``area`` burns large polygons first, ``file`` in the order of the file.
        crs: CRS of queries and samples (default: that of the first file).
        res: Pixel size in units of the CRS (default: that of the first raster).
        on_error: ``raise`` refuses polygons with an unknown class, ``skip`` leaves them unlabelled with a
            notice.

    Returns:
        One source for ``image & labels``. Its samples have ``label_set`` where labels may be no leaves.

    Raises:
        HieraRSError: Options contradict each other, or files cannot be used; see the classes.
    """
    tree = taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.from_yaml(taxonomy)
    if isinstance(paths, Mapping):
        if level is not None:
            raise OptionError(f"Expected paths by level, or level, but got {list(paths)} and {level}.")
        return _by_level(list(paths.items()), tree, rgb, crs, res)
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if level is not None and not isinstance(level, int):
        if len(level) != len(given):
            raise OptionError(f"Expected one level, or one per path ({len(given)}), but got {list(level)}.")
        return _by_level(list(zip(level, given, strict=True)), tree, rgb, crs, res)
    has_columns = attribute is not None or attributes is not None
    polygons = [path for path in given if is_vector(path) or (has_columns and os.path.isdir(path))]
    rasters = [path for path in given if path not in polygons]
    if has_columns and not polygons:
        raise OptionError(
            f"Expected polygons for attribute or attributes, but got {', '.join(map(str, given[:5]))}. Leave "
            "the options out for rasters."
        )
    sources: list[SceneSource] = []
    if rasters or not polygons:
        sources.append(HierarchicalLabels(rasters, tree, crs, res, level=level, rgb=rgb))
    if polygons:
        sources.append(
            VectorLabels(
                polygons,
                tree,
                attribute,
                attributes,
                classes,
                all_touched,
                order,
                crs,
                res,
                on_error=on_error,
            )
        )
    return reduce(SceneUnion, sources)


def _by_level(
    paths: Sequence[tuple[int, Paths]],
    tree: Taxonomy,
    rgb: bool,
    crs: CRS | str | int | None,
    res: float | tuple[float, float] | None,
) -> SceneSource:
    """Open rasters of several levels, the finest first."""
    if not paths:
        raise OptionError("Expected paths of label rasters by level, but got none.")
    finest_first = sorted(paths, key=lambda item: -item[0])
    sources: list[SceneSource] = [
        HierarchicalLabels(path, tree, crs, res, level=number, rgb=rgb) for number, path in finest_first
    ]
    return reduce(SceneUnion, sources)


__all__ = ("open_labels",)
