"""Roads, the motorway with its interchanges, the railway with its station, the airport.

Where a thing has a ``scale``, 1 is its full size.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import shapely

from .countryside import paint_meadow_rectangle, tree_rows
from .geometry import Points, as_polygons, box, box_corners, boxes, ellipse, rotation
from .layout import Canvas
from .plan import LandCover, Plan, RoadLine
from .town import paint_buildings


def paint_roads(
    rng: np.random.Generator,
    canvas: Canvas,
    roads: Iterable[RoadLine],
    keep_off: shapely.Geometry,
    label: int,
) -> None:
    """Dirt tracks first, then paved roads by rising width, with rows of trees along some."""
    for road in sorted(roads, key=lambda road: road.width_m):
        axis = road.axis.difference(keep_off)
        if axis.is_empty:
            continue
        surface = axis.buffer(road.width_m / 2, cap_style="flat")
        if not road.paved:
            canvas.paint(surface, "dirt_track")
            continue
        for part in shapely.get_parts(axis):
            canvas.paint(tree_rows(rng, part, road.width_m / 2 + 5.0, 0.45), "plantation")
        canvas.paint(
            surface, "asphalt" if road.width_m > 12 else str(rng.choice(["asphalt", "concrete"])), label
        )


def paint_motorway(canvas: Canvas, axis: Points) -> None:
    """Two carriageways, a green median and planted verges."""
    line = shapely.LineString(axis)
    canvas.paint(line.buffer(24.0), "plantation")
    canvas.paint(line.buffer(15.0), "asphalt", LandCover.ROAD)
    canvas.paint(line.buffer(1.6), "balk")


def _bezier(start: Points, control: Points, stop: Points) -> shapely.LineString:
    t = np.linspace(0, 1, 16)[:, None]
    return shapely.LineString((1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * stop)


def paint_interchange(canvas: Canvas, crossing: Points, along: float, other: float, scale: float) -> None:
    """A cloverleaf, about 400 m across: two roads on different levels, four loops and four outer ramps.

    ``along`` is the direction of the motorway, ``other`` that of the crossing road.
    """
    reach, loop = 205.0 * scale, 50.0 * scale
    first = np.array([math.cos(along), math.sin(along)])
    second = np.array([math.cos(other), math.sin(other)])
    canvas.paint(ellipse(crossing, (reach, reach), 0.0), "lawn", LandCover.ARTIFICIAL_MEADOW)
    ramps: list[shapely.Geometry] = []
    for a in (first, -first):
        for b in (second, -second):
            sine = abs(float(a[0] * b[1] - a[1] * b[0]))
            away = (loop + 10.0) / max(sine, 0.5)
            middle = crossing + away * (a + b)
            ramps.append(
                shapely.Point(middle).buffer(loop + 6.0).difference(shapely.Point(middle).buffer(loop - 6.0))
            )
            ramps.append(
                _bezier(
                    crossing + a * reach * 1.05, crossing + (a + b) * 22.0, crossing + b * reach * 1.05
                ).buffer(6.0)
            )
            wide = crossing + (a + b) * reach * 0.33
            ramps.append(
                _bezier(crossing + a * reach, wide + (a + b) * 25.0, crossing + b * reach).buffer(6.0)
            )
    canvas.paint(shapely.union_all(ramps), "concrete", LandCover.OVERPASS)
    canvas.paint(box(crossing, 2.1 * reach, 30.0, along), "asphalt", LandCover.OVERPASS)
    bridge = box(crossing, 2.1 * reach, 21.0, other)
    canvas.paint(box(crossing + np.array([-4.0, -6.0]), 90.0, 21.0, other), "shadow")
    canvas.paint(bridge, "concrete", LandCover.OVERPASS)


def interchange_sites(
    plan: Plan, roads: Sequence[RoadLine], apart_m: float, most: int
) -> list[tuple[Points, float, float]]:
    """Crossings of the motorway and paved roads, widest roads first: (point, motorway angle, road angle)."""
    motorway = shapely.LineString(plan.motorway)
    keep_off = shapely.union_all([plan.river.buffer(200 * plan.scale), *plan.lakes])
    inner = shapely.box(0, 0, plan.size_m, plan.size_m).buffer(-0.04 * plan.size_m)
    sites: list[tuple[Points, float, float]] = []
    for road in sorted(roads, key=lambda road: (-road.width_m, -road.axis.length)):
        meeting = motorway.intersection(road.axis)
        for point in shapely.get_parts(meeting):
            if point.is_empty or not inner.contains(point) or keep_off.intersects(point):
                continue
            spot = shapely.get_coordinates(point)[0]
            if any(np.hypot(*(spot - known[0])) < apart_m for known in sites):
                continue
            along, other = (_heading(line, point) for line in (motorway, road.axis))
            if abs(math.sin(along - other)) > 0.6:
                sites.append((spot, along, other))
            if len(sites) == most:
                return sites
    return sites


def _heading(line: shapely.LineString, point: shapely.Point) -> float:
    at = line.project(point)
    ends = [shapely.get_coordinates(line.interpolate(at + step))[0] for step in (-25.0, 25.0)]
    return math.atan2(*(ends[1] - ends[0])[::-1])


def paint_railway(canvas: Canvas, axis: Points) -> None:
    """The open track: its ballast carries no class of the tree."""
    line = shapely.LineString(axis)
    canvas.paint(line.buffer(12.0), "balk", LandCover.UNLABELLED)
    canvas.paint(line.buffer(6.5), "ballast", LandCover.UNLABELLED)


def paint_yard(
    rng: np.random.Generator, canvas: Canvas, middle: Points, angle: float, length: float, half: float
) -> None:
    """Parallel tracks that fan out from the line, with roofed platforms between them.

    ``length`` is along the tracks, ``half`` half the width across them, both in metres.
    """
    ends = np.array(
        [[-0.5, -0.1], [-0.36, -1], [0.36, -1], [0.5, -0.1], [0.5, 0.1], [0.36, 1], [-0.36, 1], [-0.5, 0.1]]
    )
    outline = shapely.Polygon((ends * [length, half]) @ rotation(angle) + middle)
    canvas.paint(outline, "ballast", LandCover.RAILWAY_STATION, angle)
    across = np.arange(-half + 0.2 * half, half - 0.1 * half, 0.38 * half)
    spots = np.column_stack([rng.normal(0, 12, len(across)), across]) @ rotation(angle) + middle
    canvas.paint(boxes(spots, np.tile([0.62 * length, 0.15 * half], (len(spots), 1)), angle), "concrete")
    roofs = box_corners(spots, np.tile([0.4 * length, 0.17 * half], (len(spots), 1)), angle)
    paint_buildings(rng, canvas, roofs, (6, 8), ["roof_white", "roof_blue"], 1)


def paint_station(
    rng: np.random.Generator, canvas: Canvas, middle: Points, angle: float, scale: float, aside: float
) -> None:
    """A yard about 800 m long, with the hall and its forecourt on the side ``aside`` (+1 or -1)."""
    length, half = rng.uniform(720, 900) * scale, 62.0 * scale
    paint_yard(rng, canvas, middle, angle, length, half)
    away = np.array([-math.sin(angle), math.cos(angle)]) * aside
    hall = box_corners(
        np.array([middle + away * (half + 22 * scale)]), np.array([[0.32 * length, 42.0 * scale]]), angle
    )
    forecourt = box(middle + away * (half + 92 * scale), 0.32 * length, 96.0 * scale, angle)
    canvas.paint(forecourt, "plaza", LandCover.PARK_SQUARE)
    canvas.paint(as_polygons(hall), None, LandCover.RAILWAY_STATION)
    paint_buildings(rng, canvas, hall, (16, 22), ["roof_white", "roof_flat"], 1)


def yard_sites(plan: Plan, most: int) -> list[tuple[Points, float]]:
    """Free stretches of the railway for goods yards, away from the station: (point, direction)."""
    line = shapely.LineString(plan.railway)
    keep_off = shapely.union_all([plan.river, *plan.lakes, plan.town, shapely.LineString(plan.motorway)])
    inner = shapely.box(0, 0, plan.size_m, plan.size_m).buffer(-450.0 * plan.scale)
    sites: list[tuple[Points, float]] = []
    for along in np.arange(0.0, line.length, 250.0 * plan.scale):
        point = line.interpolate(along)
        if len(sites) == most:
            break
        if not inner.contains(point) or keep_off.distance(point) < 420.0 * plan.scale:
            continue
        spot = shapely.get_coordinates(point)[0]
        if all(np.hypot(*(spot - known)) > 2000.0 * plan.scale for known, _ in sites):
            sites.append((spot, _heading(line, point)))
    return sites


def paint_airport(
    rng: np.random.Generator, canvas: Canvas, centre: Points, angle: float, length: float
) -> None:
    """Runway of a ``length`` in metres, parallel taxiway with links, apron and terminal, on mown grass."""
    unit = length / 2600.0
    depth = 0.27 * length

    def place(along: float, across: float, size: tuple[float, float]) -> shapely.Polygon:
        return box(np.array([along, across]) @ rotation(angle) + centre, *size, angle)

    paint_meadow_rectangle(canvas, centre, (length + 220, depth + 60), angle)
    runway_y, taxi_y = -0.34 * depth, -0.34 * depth + max(170 * unit, 60.0)
    wide, narrow = max(62 * unit, 36.0), max(32 * unit, 18.0)
    paved = [place(0, runway_y, (length, wide)), place(0, taxi_y, (0.98 * length, narrow))]
    for along in np.linspace(-0.47, 0.47, 6) * length:
        paved.append(place(float(along), (runway_y + taxi_y) / 2, (narrow, taxi_y - runway_y)))
    apron_y = taxi_y + 0.22 * depth
    apron = place(0.05 * length, apron_y, (0.42 * length, 0.44 * depth))
    canvas.paint(shapely.union_all(paved), "runway", LandCover.AIRPORT)
    canvas.paint(apron, "concrete", LandCover.AIRPORT)
    canvas.paint(place(0, runway_y, (0.985 * length, 1.6)), "roof_white")
    for end in (-0.485, 0.485):
        canvas.paint(place(end * length, runway_y, (28, 0.6 * wide)), "roof_white")
    terminal = place(0.05 * length, apron_y + 0.16 * depth, (0.24 * length, max(60 * unit, 26.0)))
    paint_buildings(
        rng, canvas, np.array([shapely.get_coordinates(terminal)[:4]]), (18, 24), ["roof_white"], 1
    )
    for along in np.linspace(-0.1, 0.2, 9) * length:
        if rng.random() < 0.75:
            spot = place(float(along), apron_y + 0.02 * depth, (36 * unit, 5.0))
            wings = place(float(along), apron_y + 0.02 * depth, (5.0, 38 * unit))
            canvas.paint(shapely.union(spot, wings), "roof_white")
