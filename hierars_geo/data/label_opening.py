"""open_labels: labels of any kind as one source."""

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Literal

from pyproj import CRS

from ..errors import OptionError
from ..taxonomy import Taxonomy
from .labels import HierarchicalLabels
from .raster_paths import Paths
from .scene_source import SceneSource
from .union import SceneUnion


def open_labels(
    paths: Paths | Mapping[int, Paths],
    taxonomy: Taxonomy | str | Path,
    *,
    level: int | None = None,
    attribute: str | None = None,
    attributes: Sequence[str | None] | None = None,
    classes: Mapping[str, object] | None = None,
    rgb: bool = False,
    all_touched: bool = False,
    order: Literal["area", "file"] = "area",
    crs: CRS | str | int | None = None,
    res: float | tuple[float, float] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> SceneSource:
    """Open label rasters.

    Args:
        paths: Files, folders, patterns, or a list of them; or a mapping from level (1..N) to such paths,
            for one raster per level: at every pixel the finest level that has a label counts.
        taxonomy: The tree, its name in the catalog, or the path of its YAML file.
        level: Level 1..N that the values of rasters are classes of (default: the leaves).
        attribute: Column of polygons.
        attributes: Columns of polygons.
        classes: Values of columns.
        rgb: True for pictures in the colours of the tree.
        all_touched: Burning of polygons.
        order: Burning of polygons.
        crs: CRS of queries and samples (default: that of the first file).
        res: Pixel size in units of the CRS (default: that of the first file).
        on_error: What to do with polygons that cannot be used.

    Raises:
        OptionError: Options contradict each other.
    """
    tree = taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.from_yaml(taxonomy)
    if isinstance(paths, Mapping):
        if level is not None or not paths:
            raise OptionError("Expected paths by level, or one level for all of them, but got both.")
        sources: list[SceneSource] = [
            HierarchicalLabels(paths[number], tree, crs, res, level=number, rgb=rgb)
            for number in sorted(paths, reverse=True)
        ]
        return reduce(SceneUnion, sources)
    return HierarchicalLabels(paths, tree, crs, res, level=level, rgb=rgb)


__all__ = ("open_labels",)
