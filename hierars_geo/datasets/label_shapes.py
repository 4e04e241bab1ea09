"""LabelShapes: polygons, lines and points in one CRS, ready to be burnt into any window."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from ..grid import GeoGrid
from ..grid.longitudes import polygonal, shifted
from ..grid.reprojection import move_polygons, same_crs

#: Geometries with more vertices are cut to the window first; GDAL would walk along all of them.
_MANY_VERTICES = 256
#: Pixels around a window that geometries are cut at, so that the cut touches none within.
_MARGIN_PX = 2
#: Pieces of a line before it is moved to another CRS, so that it follows its curve.
_LINE_PIECES = 32
#: Radii of the ellipsoid WGS 84: equatorial, and its eccentricity squared.
_AXIS_M, _ECCENTRICITY_2 = 6_378_137.0, 0.00669437999014

_POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


class LabelShapes:
    """Burns geometries; where they overlap the last one counts.

    A polygon labels the pixels whose centre it holds, a line those that it touches, a point the one that it
    falls in.

    Args:
        geometries: (P,) valid, in burn order.
        codes: (P,) numbers to burn, >= 0.
        turn: Width of a turn of the Earth in their CRS, after which places come again; None without.

    Attributes:
        parts: (Q,) geometries, those of collections one by one.
        owners: (Q,) position of the geometry that each is of.
    """

    def __init__(
        self, geometries: NDArray[np.object_], codes: NDArray[np.int32], turn: float | None = None
    ) -> None:
        self._turns = (0.0,) if turn is None else (0.0, -turn, turn)
        self.parts, self.owners = shapely.get_parts(geometries, return_index=True)
        self._codes = codes[self.owners]
        self._many = shapely.get_num_coordinates(self.parts) > _MANY_VERTICES
        self._tree = shapely.STRtree(self.parts)

    def burn(self, grid: GeoGrid, all_touched: bool) -> NDArray[np.int32] | None:
        """Rasterise onto the pixels of a grid, which may be turned or south-up.

        Args:
            grid: Pixels, in the CRS of the geometries.
            all_touched: Whether every pixel that a polygon touches is burnt, or those whose centre it holds.

        Returns:
            (h, w) codes, 0 where there is no geometry; None where there is none at all.
        """
        left, bottom, right, top = grid.bounds
        margin = _MARGIN_PX * max(grid.res)
        box = shapely.box(left - margin, bottom - margin, right + margin, top + margin)
        found = [(self._tree.query(shifted(box, -turn)), turn) for turn in self._turns]
        if not any(len(hits) for hits, _ in found):
            return None
        hits = np.concatenate([hits for hits, _ in found])
        parts = np.concatenate([shifted(self.parts[hits], turn) for hits, turn in found])
        order = np.argsort(hits, kind="stable")
        hits, parts = hits[order], parts[order]
        codes, large = self._codes[hits], self._many[hits]
        if large.any():
            areal = large & (shapely.get_dimensions(parts) == 2)
            parts[large] = shapely.intersection(parts[large], box)
            parts[areal] = [polygonal(part) for part in parts[areal]]
            kept = ~shapely.is_empty(parts)
            parts, owners = shapely.get_parts(parts[kept], return_index=True)
            codes = codes[kept][owners]
        burnt: NDArray[np.int32] = np.zeros(grid.shape, dtype=np.int32)
        dimensions = shapely.get_dimensions(parts)
        # in runs of one kind, so that the order of burning stays
        edges = np.flatnonzero(np.diff(dimensions == 1, prepend=False, append=False))
        for first, stop in pairwise((0, *edges.tolist(), len(parts))):
            if first < stop:
                pairs = zip(_as_geojson(parts[first:stop]), codes[first:stop].tolist(), strict=True)
                touched = all_touched or bool(dimensions[first] == 1)
                rasterize(pairs, out=burnt, transform=grid.transform, all_touched=touched)
        return burnt


def _as_geojson(parts: NDArray[np.object_]) -> Iterator[dict[str, object]]:
    """Write simple geometries as rasterio takes them; polygons in a fifth of the time of ``mapping``."""
    if not (shapely.get_dimensions(parts) == 2).all():
        yield from (part.__geo_interface__ for part in parts)
        return
    _, points, (rings, outlines) = shapely.to_ragged_array(parts)
    listed = points.tolist()
    for first, stop in pairwise(outlines.tolist()):
        yield {
            "type": "Polygon",
            "coordinates": [listed[a:b] for a, b in pairwise(rings[first : stop + 1].tolist())],
        }


def move_geometries(geometries: NDArray[np.object_], source: CRS, target: CRS) -> NDArray[np.object_]:
    """Move polygons, lines and points into another CRS.

    Returns:
        (P,) geometries; empty where ``target`` cannot express them.
    """
    if same_crs(source, target) or not len(geometries):
        return geometries
    areal = np.isin(shapely.get_type_id(geometries), _POLYGONS)
    moved = geometries.copy()
    if areal.any():
        moved[areal] = move_polygons(geometries[areal], source, target)
    others = geometries[~areal]
    if len(others):
        transformer = Transformer.from_crs(source, target, always_xy=True)
        length = shapely.length(others)
        dense = np.where(length > 0, length / _LINE_PIECES, 1.0)
        others = shapely.transform(
            shapely.segmentize(others, dense),
            lambda xy: np.column_stack(transformer.transform(*xy.T.tolist())),
        )
        others[~np.isfinite(shapely.bounds(others)).all(axis=1)] = shapely.Point()
        moved[~areal] = others
    return moved


def buffered(geometries: NDArray[np.object_], crs: CRS, distance_m: float) -> NDArray[np.object_]:
    """Widen geometries by a distance on the ground; a negative one takes the edges off polygons.

    Each is laid into a plane of metres around itself, which holds to a thousandth for features of some
    kilometres in any CRS.

    Args:
        geometries: (P,) valid.
        crs: Their CRS.
        distance_m: Metres, not 0.

    Returns:
        (P,) polygons in longitude and latitude (EPSG:4326); empty where nothing is left.
    """
    lonlat = move_geometries(geometries, crs, CRS.from_epsg(4326))
    centre = shapely.get_coordinates(shapely.centroid(lonlat))
    if len(centre) < len(lonlat):  # an empty one has no centre
        full = np.zeros((len(lonlat), 2))
        full[~shapely.is_empty(lonlat)] = centre
        centre = full
    sine = np.sin(np.radians(centre[:, 1]))
    curve = 1 - _ECCENTRICITY_2 * sine**2
    per_degree = (
        np.pi
        / 180
        * np.column_stack(
            [
                _AXIS_M / np.sqrt(curve) * np.cos(np.radians(centre[:, 1])),
                _AXIS_M * (1 - _ECCENTRICITY_2) / curve**1.5,
            ]
        )
    )
    local = _affine(lonlat, -centre * per_degree, per_degree)
    return _affine(shapely.buffer(local, distance_m), centre, 1 / per_degree)


def _affine(
    geometries: NDArray[np.object_], offset: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.object_]:
    """Scale and shift each geometry by its own numbers (P, 2)."""
    points, owners = shapely.get_coordinates(geometries, return_index=True)
    moved: NDArray[np.object_] = shapely.set_coordinates(
        geometries.copy(), points * scale[owners] + offset[owners]
    )
    return moved


def ground_pieces(parts: NDArray[np.object_], around: float | None) -> list[BaseGeometry]:
    """Return the ground of geometries as polygons, each connected piece once.

    Args:
        parts: (Q,) polygons, lines and points.
        around: Distance in units of their CRS that the ground of lines and points reaches; None for a
            stand-in.
    """
    thin = shapely.get_dimensions(parts) < 2
    if thin.any():
        left, bottom, right, top = shapely.total_bounds(parts)
        side = around or max(right - left, top - bottom, 1e-6) / 1000
        parts = parts.copy()
        parts[thin] = shapely.buffer(parts[thin], side, cap_style="square", join_style="mitre")
    pieces = shapely.get_parts(shapely.disjoint_subset_union_all(parts))
    return [piece for piece in pieces if piece.geom_type == "Polygon" and piece.area > 0]
