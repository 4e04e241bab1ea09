"""Plane shapes that landscapes are made of: boxes, blobs, strips, meanders, subdivisions.

Every coordinate is local and in metres: x to the right, y downwards, the scene's upper-left corner at (0, 0),
so that a shape burnt with ``Affine(res, 0, x0, 0, res, y0)`` lands where it belongs without a sign change.
Angles are radians, throughout the room. Every random shape takes its generator.
"""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

#: (n, 2) float64 vertices or points, metres.
Points: TypeAlias = NDArray[np.float64]
#: (n,) object array of shapely geometries.
Geometries: TypeAlias = NDArray[Any]

_UNIT_BOX = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])


def rotation(angle: float) -> Points:
    """Return the (2, 2) matrix R such that ``points @ R`` turns row vectors by ``angle`` radians."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, s], [-s, c]])


def box_corners(centres: Points, sizes: Points, angle: float) -> Points:
    """Corners (n, 4, 2) of boxes with (n, 2) centres and sizes (along, across), all turned by ``angle``."""
    corners: Points = (_UNIT_BOX[None] * np.asarray(sizes)[:, None, :]) @ rotation(angle)
    return corners + np.asarray(centres)[:, None, :]


def boxes(centres: Points, sizes: Points, angle: float) -> Geometries:
    """The same as :func:`box_corners`, as polygons."""
    return as_polygons(box_corners(centres, sizes, angle))


def as_polygons(corners: Points) -> Geometries:
    """Polygons (n,) of rings (n, k, 2)."""
    return np.asarray(shapely.polygons(corners))


def box(centre: Sequence[float] | Points, along: float, across: float, angle: float) -> shapely.Polygon:
    """One box around ``centre``, ``along`` x ``across`` metres, turned by ``angle`` radians."""
    return shapely.Polygon(box_corners(np.array([centre]), np.array([[along, across]]), angle)[0])


def cast_shadows(corners: Points, offset: Points) -> Geometries:
    """Boxes (n, 4, 2) with their shadows: the hull of each box and its copy moved by ``offset`` (n, 2)."""
    both = np.concatenate([corners, corners + offset[:, None, :]], axis=1)
    return np.asarray(shapely.convex_hull(shapely.multipoints(both)))


def ellipse(centre: Sequence[float] | Points, semi: tuple[float, float], angle: float) -> shapely.Polygon:
    """An ellipse with semi-axes ``semi`` (along, across), turned by ``angle``."""
    phi = np.linspace(0.0, 2 * np.pi, 48, endpoint=False)
    ring = np.column_stack([semi[0] * np.cos(phi), semi[1] * np.sin(phi)])
    return shapely.Polygon(ring @ rotation(angle) + np.asarray(centre))


def blob(
    rng: np.random.Generator,
    centre: Sequence[float] | Points,
    radius: float,
    roughness: float = 0.25,
    stretch: float = 1.0,
    angle: float = 0.0,
) -> shapely.Polygon:
    """A rounded irregular patch: a circle whose radius varies by a few random harmonics.

    ``roughness`` is the relative amplitude of that, 0 for a circle; ``stretch`` is length over width along
    ``angle``, and the area stays the same.
    """
    phi = np.linspace(0.0, 2 * np.pi, 96, endpoint=False)
    order = np.arange(2, 9)
    amplitude = roughness * rng.normal(size=order.size) / order**1.25 * 1.3
    wave = (amplitude * np.cos(np.outer(phi, order) + rng.uniform(0, 2 * np.pi, order.size))).sum(axis=1)
    r = radius * np.clip(1.0 + wave, 0.35, 2.0)
    ring = np.column_stack([r * np.cos(phi) * math.sqrt(stretch), r * np.sin(phi) / math.sqrt(stretch)])
    return polygonal(shapely.Polygon(ring @ rotation(angle) + np.asarray(centre)).buffer(0))


def polygonal(geometry: shapely.Geometry) -> shapely.Polygon:
    """The largest polygon of a geometry (an empty one where there is none)."""
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"]
    return max(parts, key=lambda part: part.area) if parts else shapely.Polygon()


def keep_areas(geometries: Geometries, min_area_m2: float) -> Geometries:
    """The polygons and multipolygons of at least that area, in their order."""
    kind = shapely.get_type_id(geometries)
    large: Geometries = geometries[((kind == 3) | (kind == 6)) & (shapely.area(geometries) >= min_area_m2)]
    return large


def long_axis(polygon: shapely.Polygon) -> float:
    """Direction of a polygon's longest straight edge, radians: what buildings and furrows align with."""
    ring = shapely.get_coordinates(polygon.simplify(3.0))
    edges = np.diff(ring, axis=0)
    edge = edges[np.argmax((edges**2).sum(axis=1))]
    return math.atan2(edge[1], edge[0])


def lattice(polygon: shapely.Polygon, angle: float, pitch: tuple[float, float]) -> Points:
    """Points (n, 2) of a turned lattice over a polygon's bounding box; pitch is (along, across)."""
    frame = shapely.get_coordinates(polygon) @ rotation(-angle)
    (u0, v0), (u1, v1) = frame.min(axis=0), frame.max(axis=0)
    u = np.arange(u0 + pitch[0] / 2, u1, pitch[0])
    v = np.arange(v0 + pitch[1] / 2, v1, pitch[1])
    grid = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
    return np.asarray(grid @ rotation(angle))


def boxes_inside(
    rng: np.random.Generator,
    polygon: shapely.Polygon,
    angle: float,
    size: tuple[float, float],
    pitch: tuple[float, float],
    keep: float = 0.9,
    size_spread: float = 0.15,
    jitter_m: float = 0.0,
) -> Points:
    """Corners (n, 4, 2) of boxes on a turned lattice, a share ``keep`` of those wholly inside a polygon."""
    if polygon.is_empty:
        return np.empty((0, 4, 2))
    centres = lattice(polygon, angle, pitch)
    centres = centres + rng.uniform(-jitter_m, jitter_m, centres.shape)
    sizes = np.asarray(size) * rng.uniform(1 - size_spread, 1 + size_spread, centres.shape)
    corners = box_corners(centres, sizes, angle)
    kept = rng.random(len(centres)) < keep
    shapely.prepare(polygon)
    return corners[kept & shapely.contains(polygon, shapely.polygons(corners))]


def _cuts(rng: np.random.Generator, low: float, high: float, pieces: tuple[float, float]) -> Points:
    """Ends (n, 2) of consecutive intervals covering [low, high], each as long as a draw from ``pieces``."""
    count = int((high - low) / pieces[0]) + 2
    edges = low + np.concatenate([[-rng.uniform(0, pieces[0])], rng.uniform(*pieces, count)]).cumsum()
    edges = edges[: np.searchsorted(edges, high) + 1]
    return np.column_stack([edges[:-1], edges[1:]])


def strips(
    rng: np.random.Generator,
    polygon: shapely.Polygon,
    angle: float,
    lengths: tuple[float, float],
    widths: tuple[float, float],
    gap_m: float,
) -> Geometries:
    """Cut a polygon into parcels: bands across, each band into strips of its own, with ``gap_m`` between all.

    Parcels are clipped to the polygon; ``lengths`` (shortest and longest) lie along ``angle``, ``widths``
    across it, all in metres.
    """
    frame = shapely.get_coordinates(polygon) @ rotation(-angle)
    (u0, v0), (u1, v1) = frame.min(axis=0), frame.max(axis=0)
    rectangles = []
    for start, stop in _cuts(rng, u0, u1, lengths):
        across = _cuts(rng, v0, v1, widths)
        rectangles.append(
            np.column_stack(
                [np.full(len(across), start), across[:, 0], np.full(len(across), stop), across[:, 1]]
            )
        )
    left, low, right, high = np.concatenate(rectangles).T
    half = gap_m / 2
    ring = np.stack(
        [[left + half, low + half], [right - half, low + half], [right - half, high - half]], axis=0
    )
    ring = np.concatenate([ring, np.stack([[left + half, high - half]], axis=0)], axis=0)
    corners = ring.transpose(2, 0, 1) @ rotation(angle)
    inner = polygon.buffer(-half)
    shapely.prepare(inner)
    parcels = np.asarray(shapely.intersection(shapely.polygons(corners), inner))
    return keep_areas(parcels, 4.0 * gap_m * gap_m + 40.0)


def meander(
    rng: np.random.Generator, point: Points, angle: float, half_length: float, amplitude: float
) -> Points:
    """A winding centreline (n, 2) through ``point`` along ``angle``, with bends of three wavelengths."""
    s = np.arange(-half_length, half_length, 15.0)
    swing = 0.0 * s
    for wavelength, share in ((amplitude * 9.0, 1.0), (amplitude * 4.6, 0.45), (amplitude * 2.3, 0.12)):
        stretched = s * (2 * np.pi / wavelength) + 0.6 * np.sin(s * (2 * np.pi / (wavelength * 2.7)))
        swing = swing + share * amplitude * np.sin(stretched + rng.uniform(0, 2 * np.pi))
    return np.column_stack([s, swing - swing[len(s) // 2]]) @ rotation(angle) + point


def ribbon(centreline: Points, widths: Points) -> shapely.Polygon:
    """A band of varying width (n,) along a centreline (n, 2)."""
    segments = shapely.linestrings(np.stack([centreline[:-1], centreline[1:]], axis=1))
    return polygonal(shapely.union_all(shapely.buffer(segments, widths[:-1] / 2, quad_segs=4)))


def gentle_line(
    point: Points, angle: float, straight_m: float, half_length: float, bends: tuple[float, float]
) -> Points:
    """A road or rail axis (n, 2): straight around ``point``, then bending away on each side; all metres.

    It runs ``half_length`` to each side; ``bends`` are the lateral offsets at the far ends, before and after
    the straight part.
    """
    s = np.arange(-half_length, half_length + 1.0, 20.0)
    past = np.clip(np.abs(s) - straight_m / 2, 0.0, None) / max(half_length - straight_m / 2, 1.0)
    lateral = np.where(s < 0, bends[0], bends[1]) * past**2 * (1.6 - 0.6 * past)
    return np.column_stack([s, lateral]) @ rotation(angle) + point


def _split(ring: Points, point: Points, normal: Points) -> tuple[Points, Points, Points]:
    """Cut a convex ring (n, 2) by the line through ``point``: (behind, ahead, the cut's two ends)."""
    side = (ring - point) @ normal
    behind: list[Points] = []
    ahead: list[Points] = []
    ends: list[Points] = []
    for i, here in enumerate(ring):
        j = (i + 1) % len(ring)
        (behind if side[i] <= 0 else ahead).append(here)
        if (side[i] <= 0) != (side[j] <= 0):
            crossing = here + (ring[j] - here) * (side[i] / (side[i] - side[j]))
            behind.append(crossing)
            ahead.append(crossing)
            ends.append(crossing)
    return np.array(behind), np.array(ahead), np.array(ends)


def ring_area(ring: Points) -> float:
    """Area of a simple ring (n, 2) without its closing vertex."""
    x, y = ring.T
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def subdivide(
    rng: np.random.Generator, ring: Points, area_m2: float, jitter: float = 0.06
) -> tuple[list[Points], list[tuple[Points, int]]]:
    """Cut a convex ring again and again across its longer side until the pieces have about ``area_m2``.

    Returns:
        The convex pieces, and every cut as (its two ends (2, 2), its depth): depth 0 halves the whole, so
        cuts of small depth are the long through roads and deep ones the lanes between neighbours.
    """
    pieces: list[Points] = []
    cuts: list[tuple[Points, int]] = []
    todo = [(ring, 0)]
    while todo:
        current, depth = todo.pop()
        if ring_area(current) < area_m2 * rng.uniform(0.75, 1.5):
            pieces.append(current)
            continue
        edges = np.roll(current, -1, axis=0) - current
        edge = edges[np.argmax((edges**2).sum(axis=1))]
        axis = edge / np.hypot(*edge)
        across = np.array([-axis[1], axis[0]])
        if np.ptp(current @ across) > np.ptp(current @ axis):
            axis = across
        extent = current @ axis
        along = extent.min() + np.ptp(extent) * rng.uniform(0.38, 0.62)
        point = current.mean(axis=0)
        point = point + axis * (along - point @ axis)
        behind, ahead, ends = _split(current, point, axis @ rotation(rng.normal(0.0, jitter)))
        if len(ends) != 2 or min(ring_area(behind), ring_area(ahead)) < 0.15 * area_m2:
            pieces.append(current)
            continue
        cuts.append((ends, depth))
        todo += [(behind, depth + 1), (ahead, depth + 1)]
    return pieces, cuts
