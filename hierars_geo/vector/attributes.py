"""The table of a level: one row per polygon, some polygons at a time, with mean and least confidence."""

import json
from collections.abc import Mapping

import numpy as np
import pyarrow.lib as pa
import shapely
from numpy.typing import NDArray

from ..maps.cog import CONFIDENCE_NODATA
from ..taxonomy import Taxonomy
from .regions import OUTSIDE, LevelRegions
from .rings import Polygons


class ConfidenceSums:
    """Sums and least values of confidence over runs of pixels, by level that has a raster of it."""

    def __init__(self, levels: tuple[int, ...]) -> None:
        # the upper frame's run comes before the first strip; a run's sum is below 100 times the width
        start = np.zeros(1, dtype=np.int32)
        frame = np.full(1, CONFIDENCE_NODATA, dtype=np.uint8)
        self._sums: dict[int, list[NDArray[np.int32]]] = {level: [start] for level in levels}
        self._counts: dict[int, list[NDArray[np.int32]]] = {level: [start] for level in levels}
        self._least: dict[int, list[NDArray[np.uint8]]] = {level: [frame] for level in levels}

    def add(self, confidence: Mapping[int, NDArray[np.integer]], runs: NDArray[np.int64]) -> None:
        """Add a strip.

        Args:
            confidence: By level (h, W) per cent, 255 where there is none.
            runs: (r,) where the strip's runs start, as the scanner returns them.
        """
        for level, strip in confidence.items():
            framed = np.full((strip.shape[0], strip.shape[1] + 2), CONFIDENCE_NODATA, dtype=np.uint8)
            framed[:, 1:-1] = strip
            # nodata is above every per cent
            self._least[level].append(np.minimum.reduceat(framed.reshape(-1), runs))
            present = framed != CONFIDENCE_NODATA
            framed[~present] = 0
            self._sums[level].append(np.add.reduceat(framed.reshape(-1), runs, dtype=np.int32))
            self._counts[level].append(np.add.reduceat(present.reshape(-1), runs, dtype=np.int32))

    def of_regions(self, level: int, region_of_run: NDArray[np.int32], count: int) -> NDArray[np.float64]:
        """Bring the runs of regions together.

        Args:
            level: 1..N.
            region_of_run: (n,) region of each run; runs of the lower frame at the end.
            count: Regions.

        Returns:
            (2, count) mean and least per cent of each region; NaN where it has no pixel with a confidence, or
            the level no raster.
        """
        found = np.full((2, count), np.nan)
        mean, minimum = found
        if level in self._sums:
            sums, counts, least = (
                np.concatenate(parts[level]) for parts in (self._sums, self._counts, self._least)
            )
            region = region_of_run[: len(sums)]
            pixels = np.bincount(region, weights=counts, minlength=count)
            total = np.bincount(region, weights=sums, minlength=count)
            np.divide(total, pixels, out=mean, where=pixels > 0)
            lowest = np.full(count, CONFIDENCE_NODATA, dtype=np.uint8)
            np.minimum.at(lowest, region, least)
            minimum[pixels > 0] = lowest[pixels > 0]
        return found


#: Name of the column of polygons in the tables.
GEOMETRY = "geometry"
#: Columns of every layer. ``id`` counts the polygons of a level from 1; ``parent_id`` is the id of the one of
#: the level above that this one lies in, whether that layer is written or not; both parents are null at level
#: 1. ``children`` is a JSON object, share of the area by name of the class one level below, largest first;
#: null at the finest level.
SCHEMA = pa.schema(
    [
        ("class_value", pa.int32()),
        ("class_name", pa.string()),
        ("level", pa.int32()),
        ("parent_value", pa.int32()),
        ("area_m2", pa.float64()),
        ("confidence", pa.float64()),
        ("id", pa.int32()),
        ("parent_id", pa.int32()),
        ("area_ha", pa.float64()),
        ("perimeter_m", pa.float64()),
        ("confidence_min", pa.float64()),
        ("children", pa.string()),
        (GEOMETRY, pa.binary()),
    ]
)
#: Decimals of the shares of children.
_DECIMALS = 4


class LevelTable:
    """What is known of the polygons of a level.

    Args:
        regions: Its regions, Q with the outside.
        below: Regions of the level below; None at the finest.
        paths: (P, D) class index of each path at each level.
        taxonomy: The class tree.
        area_m2: (R,) area of each region of the paths; a region's area is the sum over what lies in it.
        confidence: (2, Q) mean and least confidence of the regions, per cent.
    """

    def __init__(
        self,
        regions: LevelRegions,
        below: LevelRegions | None,
        paths: NDArray[np.int64],
        taxonomy: Taxonomy,
        area_m2: NDArray[np.float64],
        confidence: NDArray[np.float64],
    ) -> None:
        level = regions.level
        self._regions, self._confidence = regions, confidence
        self._area_m2 = _sum_areas(regions, area_m2)
        self._class = paths[regions.path, level - 1]
        self._parent_class = paths[regions.path, max(level - 2, 0)]
        self._values = np.array(taxonomy.class_values(level), dtype=np.int32)
        self._names = np.array(taxonomy.class_names(level), dtype=object)
        self._parent_values = np.array(taxonomy.class_values(max(level - 1, 1)), dtype=np.int32)
        self._children = None
        if below is not None:
            child_class = paths[below.path, level]
            names = taxonomy.class_names(level + 1)
            self._children = describe_children(below.parent, child_class, _sum_areas(below, area_m2), names)

    def rows(self, first: int, polygons: Polygons, perimeter_m: NDArray[np.float64]) -> pa.RecordBatch:
        """Make the rows of some polygons, with the columns of :data:`SCHEMA` and polygons as WKB.

        Args:
            first: Number of the first region.
            polygons: (n,) polygons of that region and those after it.
            perimeter_m: (n,) lengths of their outlines.
        """
        count, regions = len(polygons), self._regions
        part = slice(first, first + count)
        orphan = np.full(count, regions.level == 1)
        columns = [
            self._values[self._class[part]],
            self._names[self._class[part]],
            np.full(count, regions.level, dtype=np.int32),
            pa.array(self._parent_values[self._parent_class[part]], mask=orphan),
            self._area_m2[part],
            _known(self._confidence[0, part]),
            np.arange(first, first + count, dtype=np.int32),
            pa.array(regions.parent[part], mask=orphan),
            self._area_m2[part] / 1e4,
            perimeter_m,
            _known(self._confidence[1, part]),
            pa.nulls(count, pa.string()) if self._children is None else self._children[part],
            shapely.to_wkb(polygons),
        ]
        arrays = [pa.array(column, type=field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def describe_children(
    parent: NDArray[np.int32],
    child_class: NDArray[np.int64],
    area_m2: NDArray[np.float64],
    names: tuple[str, ...],
) -> NDArray[np.object_]:
    """Say how the area of each region is shared out among the classes one level below.

    Args:
        parent: (c,) region that each child region lies in; the outside's at :data:`~.regions.OUTSIDE`.
        child_class: (c,) class index of each child.
        area_m2: (c,) its area.
        names: Names of the classes.

    Returns:
        (max parent + 1,) JSON objects, share by name, largest first; the outside's is None.

    Examples:
        >>> describe_children(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 0]), np.array([0, 1, 2, 5]),
        ...                   ("rice", "maize")).tolist()
        [None, '{"rice": 0.75, "maize": 0.25}']
    """
    parents = int(parent.max()) + 1
    key = parent[1:].astype(np.int64) * len(names) + child_class[1:]
    pairs, pair = np.unique(key, return_inverse=True)
    areas = np.bincount(pair, weights=area_m2[1:], minlength=len(pairs))
    owner, found = np.divmod(pairs, len(names))
    totals = np.bincount(owner, weights=areas, minlength=parents)
    order = np.lexsort((found, -areas, owner))
    owner, found, shares = owner[order], found[order], (areas / totals[owner])[order]
    counts = np.bincount(owner, minlength=parents)
    first = np.cumsum(counts) - counts
    described = np.full(parents, None, dtype=object)
    quoted = np.array([json.dumps(name, ensure_ascii=False) for name in names], dtype=object)
    whole = np.array([f"{{{name}: 1.0}}" for name in quoted], dtype=object)
    single = counts == 1
    described[single] = whole[found[first[single]]]
    for region in np.flatnonzero(counts > 1).tolist():
        part = slice(first[region], first[region] + counts[region])
        listed = zip(quoted[found[part]], shares[part].round(_DECIMALS).tolist(), strict=True)
        described[region] = "{" + ", ".join(f"{name}: {share}" for name, share in listed) + "}"
    described[OUTSIDE] = None
    return described


def _sum_areas(regions: LevelRegions, area_m2: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(regions.region, weights=area_m2, minlength=len(regions.path)).astype(np.float64)


def _known(values: NDArray[np.float64]) -> pa.Array:
    """Null where there is no number."""
    return pa.array(values, mask=np.isnan(values))
