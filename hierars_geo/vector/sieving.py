"""Minimum mapping unit: small regions of the paths join a neighbour, before any polygon exists."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .borders import EAST, border_pieces
from .regions import OUTSIDE, Regions, connect, number_by_first

#: A region is small when its area is under this share of the limit. Map projections scale areas (UTM by
#: 0.9992 to 1.002), so a limit of four 10 m pixels, 400 m2, would else drop regions of four pixels in some
#: places and keep them in others.
TOLERANCE = 0.995


@dataclass(frozen=True)
class _Neighbours:
    """Which regions lie side by side: each pair in both directions, sorted by region, then neighbour."""

    region: NDArray[np.int32]
    neighbour: NDArray[np.int32]
    border: NDArray[np.float64]

    def of(self, mask: NDArray[np.bool_]) -> "_Neighbours":
        return _Neighbours(self.region[mask], self.neighbour[mask], self.border[mask])


@dataclass(frozen=True)
class _State:
    """Regions of one round."""

    path: NDArray[np.int64]
    pixels: NDArray[np.int64]
    area_m2: NDArray[np.float64]
    neighbours: _Neighbours


def sieve(
    regions: Regions,
    paths: NDArray[np.int64],
    area_m2: NDArray[np.float64],
    min_area_m2: float,
    pixel_aspect: float = 1.0,
) -> tuple[Regions, NDArray[np.int32]]:
    """Join every small region with its best neighbour, smallest first.

    Best is the neighbour whose path agrees with the region's down to the finest level (same parent before
    same grandparent before none), then the one with the longest shared border, then the largest, then the
    first in row order. The region takes the neighbour's path, so all levels stay nested. In each round all
    regions with fewer pixels than every small neighbour (earlier in row order if equal) join at once; rounds
    follow until no small region has a neighbour. Islands in nodata have none and stay.

    Args:
        regions: Regions of legal paths.
        paths: (T, N) class index of each path at each level.
        area_m2: (R,) area of each region.
        min_area_m2: Regions under this (by more than :data:`TOLERANCE`) are small.
        pixel_aspect: Height of a pixel on the ground divided by its width: weighs vertical borders.

    Returns:
        The regions that are left, and (R,) int32 the new region of each old one.
    """
    target = np.arange(len(regions.path), dtype=np.int32)
    state = _State(regions.path, regions.pixels, area_m2, _find_neighbours(regions, pixel_aspect))
    while True:
        joined = _join_smallest(state, paths, min_area_m2 * TOLERANCE)
        if joined is None:
            return regions.merge(target, state.path), target
        state, step = joined
        target = step[target]


def _join_smallest(
    state: _State, paths: NDArray[np.int64], limit: float
) -> tuple[_State, NDArray[np.int32]] | None:
    """Do one round: None where nothing is left to join."""
    count = len(state.path)
    small = state.area_m2 < limit
    small[OUTSIDE] = False
    around = state.neighbours.of(small[state.neighbours.region])
    if len(around.region) == 0:
        return None
    rank = np.full(count, count, dtype=np.int64)
    waiting = np.flatnonzero(small)
    rank[waiting[np.argsort(state.pixels[waiting], kind="stable")]] = np.arange(len(waiting))
    beaten = np.zeros(count, dtype=np.bool_)
    beaten[around.region[rank[around.neighbour] < rank[around.region]]] = True
    around = around.of(~beaten[around.region])

    joining, best = _best_neighbours(around, state, paths)
    path = state.path.copy()
    path[joining] = path[best]
    # a region that changed its path may now touch others of that path
    alike = path[around.region] == path[around.neighbour]
    links = np.stack([around.region[alike], around.neighbour[alike]])
    step, first = number_by_first(connect(count, links))
    pixels = np.bincount(step, weights=state.pixels).astype(np.int64)
    area_m2 = np.bincount(step, weights=state.area_m2).astype(np.float64)
    return _State(path[first], pixels, area_m2, _renumber(state.neighbours, step)), step


def _best_neighbours(
    around: _Neighbours, state: _State, paths: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the regions that join, and the neighbour that each one joins."""
    own, other = paths[state.path[around.region]], paths[state.path[around.neighbour]]
    depth = np.cumprod(own == other, axis=1).sum(axis=1)
    order = np.lexsort(
        (around.neighbour, -state.pixels[around.neighbour], -around.border, -depth, around.region)
    )
    region = around.region[order]
    leading = np.flatnonzero(np.diff(region, prepend=-1))
    return region[leading], around.neighbour[order][leading]


def _find_neighbours(regions: Regions, pixel_aspect: float) -> _Neighbours:
    """Measure the borders between regions in pixel widths; nodata is nobody's neighbour."""
    found: list[_Neighbours] = []
    for pieces in border_pieces(regions.quadrants):
        inner = (pieces.left != OUTSIDE) & (pieces.right != OUTSIDE)
        start, left, right = pieces.start[inner], pieces.left[inner], pieces.right[inner]
        end = regions.links.ends(pieces.heading, start)
        if pieces.heading == EAST:
            length = (regions.col[end] - regions.col[start]).astype(np.float64)
        else:
            length = (regions.row[end] - regions.row[start]) * pixel_aspect
        found.append(_sum_pairs(np.minimum(left, right), np.maximum(left, right), length))
    region, neighbour, border = (
        np.concatenate([getattr(part, name) for part in found]) for name in ("region", "neighbour", "border")
    )
    once = _sum_pairs(region, neighbour, border)
    return _sum_pairs(
        np.concatenate([once.region, once.neighbour]),
        np.concatenate([once.neighbour, once.region]),
        np.tile(once.border, 2),
    )


def _renumber(neighbours: _Neighbours, step: NDArray[np.int32]) -> _Neighbours:
    region, neighbour = step[neighbours.region], step[neighbours.neighbour]
    apart = region != neighbour
    return _sum_pairs(region[apart], neighbour[apart], neighbours.border[apart])


def _sum_pairs(
    region: NDArray[np.int32], neighbour: NDArray[np.int32], border: NDArray[np.float64]
) -> _Neighbours:
    """Add up the borders of equal pairs."""
    if len(region) == 0:
        return _Neighbours(region, neighbour, border)
    key = region.astype(np.int64) << 32 | neighbour
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    return _Neighbours(region[order][first], neighbour[order][first], np.add.reduceat(border[order], first))
