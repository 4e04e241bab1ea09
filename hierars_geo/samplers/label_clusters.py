"""ClusterSplit: labelled points and what lies near them stay on one side of a split."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ..datasets.coverage import centre_gsd_m
from ..datasets.intersection import SceneIntersection
from ..datasets.label_shapes import buffered, ground_pieces, move_geometries
from ..datasets.vector_labels import vector_sources
from ..errors import DataError
from ..grid.longitudes import every_turn, polygonal
from .splits import Splits, check_dealt, deal, refuse_few, with_buffer

#: Discs are polygons within their circle: wide enough that none comes short of the distance.
_ROUND = 1.005


@dataclass(frozen=True)
class ClusterSplit:
    """Deal clusters of labelled points and lines to the splits at random, by area.

    What lies within ``cluster_m`` of each other, directly or over others, is one cluster, and one split gets
    all of it: blocks would part a point from the one beside it. Where there are neither points nor lines,
    polygons are dealt. Val and test take the ground around their features, half-way where those of another
    split are near; train has all other ground, so that rasters label there what no cluster claims.

    Attributes:
        cluster_m: Metres on the ground, in any CRS.
        fractions: Shares of train, val and test; 0 leaves a split out.
        seed: Same seed, same clusters.
        buffer_m: Ground left out of train around val and test, in metres.

    Raises:
        OptionError: The distance or a share is out of range.
    """

    cluster_m: float
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: int = 0
    buffer_m: float = 0.0

    def __post_init__(self) -> None:
        check_dealt(self.fractions, cluster_m=self.cluster_m)

    def split(self, dataset: SceneIntersection) -> Splits:
        """Divide the ground of images and labels.

        Raises:
            DataError: No source of labels holds features, or there are fewer clusters than splits.
        """
        lattice, gsd_m = dataset.lattice, centre_gsd_m(dataset)
        ground = shapely.union_all(list(dataset.index.geometry))
        features = _features(dataset, ground)
        if not len(features):
            raise DataError(
                "Expected points, lines or polygons among the labels to deal clusters of, but got rasters "
                "alone. Split by blocks or scenes, or name regions."
            )
        # a pixel at least, so that the one that a point falls in is of its side
        clusters, owner = _clusters(features, lattice.crs, max(self.cluster_m / 2, gsd_m))
        refuse_few(
            self.fractions,
            len(clusters),
            "clusters of labels",
            f"of features within {self.cluster_m:g} m",
            "Make cluster_m smaller, or split by blocks.",
        )
        split = deal(shapely.area(clusters), self.fractions, self.seed)
        around = dataset.around_px * max(lattice.res)
        cells, cell_split = _cells(features, split[owner], lattice.crs, ground, around / 8)
        parts: list[BaseGeometry | None] = [None, None, None]
        left = ground
        for i in [i for i in (1, 2) if self.fractions[i] > 0]:
            pieces = ground_pieces(every_turn(features[split[owner] == i], lattice.crs), around)
            nearest = shapely.union_all(cells[cell_split == i])
            near = shapely.intersection(shapely.union_all(pieces), nearest)
            near = shapely.union_all([near, *clusters[split == i]])
            own = shapely.difference(near, shapely.union_all(clusters[split != i]))
            parts[i] = polygonal(shapely.intersection(own, left))
            left = polygonal(shapely.difference(left, own))
        parts[0] = left
        return with_buffer(parts, self.buffer_m, gsd_m, lattice)


def _features(dataset: SceneIntersection, ground: BaseGeometry) -> NDArray[np.object_]:
    """Points and lines of all labels that the ground shows, as wide as they label; else polygons."""
    sources = [] if dataset.labels is None else vector_sources(dataset.labels)
    found = [source.features(dataset.lattice.crs) for source in sources]
    if not found:
        return np.empty(0, dtype=object)
    features, thin = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    shapely.prepare(ground)
    turns = every_turn(features, dataset.lattice.crs).reshape(-1, len(features))
    shown = shapely.intersects(ground, turns).any(axis=0)
    wanted: NDArray[np.object_] = features[shown & (thin if (shown & thin).any() else True)]
    return wanted


def _cells(
    features: NDArray[np.object_], split: NDArray[np.int64], crs: CRS, ground: BaseGeometry, tolerance: float
) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Part the ground half-way between features: without that, few dense points would take most of it.

    Args:
        features: (P,) points, lines or polygons.
        split: (P,) of each.
        crs: Their CRS.
        ground: What is parted.
        tolerance: How coarsely outlines are followed, in units of the CRS.

    Returns:
        (Q,) cells of what is nearest to a place of a feature, and (Q,) the split of each.
    """
    lines = shapely.segmentize(shapely.simplify(every_turn(features, crs), tolerance), 4 * tolerance)
    places, feature = shapely.get_coordinates(lines, return_index=True)
    places, first = np.unique(places, axis=0, return_index=True)
    points = shapely.multipoints(places)
    cells = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=ground))
    cell, place = shapely.STRtree(shapely.get_parts(points)).query(cells, predicate="contains")
    return cells[cell], split[feature[first[place]] % len(features)]


def _clusters(
    features: NDArray[np.object_], crs: CRS, radius_m: float
) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Unite the ground around features where it touches, also where longitudes begin again.

    Args:
        features: (P,) points, lines or polygons.
        crs: Their CRS.
        radius_m: What the ground reaches, metres.

    Returns:
        (Q,) disjoint ground of every turn, from west to east whatever the order of the features was, and (P,)
        which of them each feature lies in.
    """
    discs = move_geometries(buffered(features, crs, radius_m * _ROUND), CRS.from_epsg(4326), crs)
    pieces = shapely.get_parts(shapely.union_all(every_turn(discs, crs)))
    pieces = pieces[np.lexsort(shapely.bounds(pieces).T[::-1])]
    turns = every_turn(features, crs)
    found = np.empty(len(turns), dtype=np.int64)
    feature, piece = shapely.STRtree(pieces).query(turns, predicate="intersects")
    found[feature] = piece
    of_turns = found.reshape(-1, len(features))
    # pieces that hold turns of one feature are one cluster, named after the first of them
    first = np.arange(len(pieces))
    while True:
        joined = first.copy()
        np.minimum.at(joined, of_turns, first[of_turns].min(axis=0)[None])
        joined = joined[joined]
        if (joined == first).all():
            break
        first = joined
    names, number = np.unique(first, return_inverse=True)
    clusters = [shapely.union_all(pieces[first == name]) for name in names]
    return np.array(clusters, dtype=object), number[of_turns[0]]
