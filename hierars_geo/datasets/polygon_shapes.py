"""PolygonShapes: polygons in one CRS, ready to be burnt into any window."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from ..grid import Window
from ..grid.lattice import Lattice
from ..grid.longitudes import polygonal

#: Polygons with more vertices are cut to the window first; GDAL would walk along all of them.
_MANY_VERTICES = 256
#: Pixels around a window that polygons are cut at, so that the cut touches none within.
_MARGIN_PX = 2


class PolygonShapes:
    """Burns polygons; where they overlap the last one counts.

    Args:
        polygons: (P,) valid, in burn order.
        codes: (P,) numbers to burn, >= 0.
        turn: Width of a turn of the Earth in their CRS, after which places come again; None without.

    Attributes:
        parts: (Q,) polygons, those of multipolygons one by one.
        owners: (Q,) position of the polygon that each is of.
    """

    def __init__(
        self, polygons: NDArray[np.object_], codes: NDArray[np.int32], turn: float | None = None
    ) -> None:
        self._turns = (0.0,) if turn is None else (0.0, -turn, turn)
        self.parts, self.owners = shapely.get_parts(polygons, return_index=True)
        self._codes = codes[self.owners]
        self._many = shapely.get_num_coordinates(self.parts) > _MANY_VERTICES
        self._tree = shapely.STRtree(self.parts)

    def burn(self, lattice: Lattice, window: Window, all_touched: bool) -> NDArray[np.int32] | None:
        """Rasterise a window.

        Args:
            lattice: Pixels, in the CRS of the polygons.
            window: Window of the lattice.
            all_touched: Whether every pixel that a polygon touches is burnt, or those whose centre it holds.

        Returns:
            (h, w) codes, 0 where there is no polygon; None where there is none at all.
        """
        left, bottom, right, top = lattice.bounds(window)
        x_margin, y_margin = (_MARGIN_PX * size for size in lattice.res)
        box = shapely.box(left - x_margin, bottom - y_margin, right + x_margin, top + y_margin)
        found = [(self._tree.query(_shifted(box, -turn)), turn) for turn in self._turns]
        if not any(len(hits) for hits, _ in found):
            return None
        hits = np.concatenate([hits for hits, _ in found])
        parts = np.concatenate([_shifted(self.parts[hits], turn) for hits, turn in found])
        order = np.argsort(hits, kind="stable")
        hits, parts = hits[order], parts[order]
        codes, large = self._codes[hits], self._many[hits]
        if large.any():
            parts[large] = [polygonal(part) for part in shapely.intersection(parts[large], box)]
            kept = ~shapely.is_empty(parts)
            parts, owners = shapely.get_parts(parts[kept], return_index=True)
            codes = codes[kept][owners]
        grid = lattice.crop(window)
        burnt: NDArray[np.int32] = np.zeros(grid.shape, dtype=np.int32)
        if len(parts):
            pairs = zip(_as_geojson(parts), codes.tolist(), strict=True)
            rasterize(pairs, out=burnt, transform=grid.transform, all_touched=all_touched)
        return burnt


def _shifted(geometry: Any, x: float) -> Any:  # noqa: ANN401 (a geometry or an array of them)
    return geometry if x == 0 else shapely.transform(geometry, lambda xy: xy + np.array([x, 0.0]))


def _as_geojson(polygons: NDArray[np.object_]) -> Iterator[dict[str, object]]:
    """Write polygons without parts as rasterio takes them, in a fifth of the time of ``mapping``."""
    _, points, (rings, outlines) = shapely.to_ragged_array(polygons)
    listed = points.tolist()
    for first, stop in pairwise(outlines.tolist()):
        yield {
            "type": "Polygon",
            "coordinates": [listed[a:b] for a, b in pairwise(rings[first : stop + 1].tolist())],
        }


def connected_parts(polygons: NDArray[np.object_]) -> list[BaseGeometry]:
    """Return the ground of polygons, each connected piece once."""
    parts = shapely.get_parts(shapely.disjoint_subset_union_all(polygons))
    return [part for part in parts if part.geom_type == "Polygon" and part.area > 0]


__all__ = ("PolygonShapes", "connected_parts")
