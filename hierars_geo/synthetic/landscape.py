"""Put a whole landscape together, from the plain up to the airport: the layout of an MM-5B scene."""

import math

import numpy as np
import shapely

from . import countryside, town, transport
from .geometry import Geometries, Points, blob, box, keep_areas, long_axis, polygonal, subdivide
from .layout import Canvas, Layout
from .plan import LandCover, Plan, RoadLine, draw_plan

#: Odds of a block's use from the middle of the town to its edge; the rare uses are placed first, one by one.
_CENTRE = {"towers": 0.25, "apartments": 0.3, "old_quarter": 0.22, "mall": 0.1, "square": 0.08, "green": 0.05}
_MIDDLE = {"apartments": 0.56, "towers": 0.2, "old_quarter": 0.1, "mall": 0.05, "park": 0.05, "green": 0.04}
_EDGE = {"apartments": 0.4, "towers": 0.1, "works": 0.26, "building_site": 0.12, "green": 0.06, "park": 0.06}


def streams(seed: int, count: int) -> list[np.random.Generator]:
    """Independent generators, so that a change in one stage leaves the others' draws alone."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(count)]


def _town_cells(rng: np.random.Generator, plan: Plan) -> tuple[list[shapely.Polygon], list[RoadLine]]:
    """The town's ground cut into street blocks, and the streets between them."""
    keep_off = plan.river.buffer(30.0 * plan.scale)
    quarters = plan.blocks[shapely.within(shapely.centroid(plan.blocks), plan.town)]
    cells: list[shapely.Polygon] = []
    streets: list[RoadLine] = []
    for quarter in quarters:
        hull = shapely.get_coordinates(quarter.convex_hull)[:-1]
        pieces, cuts = subdivide(rng, hull, 26_000.0 * plan.scale, jitter=0.03)
        for piece in pieces:
            cell = polygonal(shapely.Polygon(piece).intersection(quarter).difference(keep_off))
            if cell.area > 1500.0 * plan.scale:
                cells.append(cell)
        for ends, depth in cuts:
            axis = shapely.LineString(ends).intersection(quarter).difference(keep_off)
            if axis.length > 20.0:
                streets.append(RoadLine(axis, 16.0 if depth < 2 else 11.0))
    return cells, streets


def _uses(rng: np.random.Generator, cells: list[shapely.Polygon], plan: Plan) -> list[str]:
    """A use for each street block: first the landmarks on blocks that fit them, then the rest by distance."""
    points = shapely.get_coordinates(shapely.centroid(np.array(cells, dtype=object)))
    far = np.hypot(*(points - plan.town_centre).T) / plan.town_radius_m
    area = shapely.area(np.array(cells, dtype=object))
    uses = [""] * len(cells)
    quota = plan.town_radius_m / 1400.0
    works_side = rng.uniform(0, 2 * np.pi)
    aside = np.cos(np.arctan2(*(points - plan.town_centre).T[::-1]) - works_side)

    def give(use: str, count: float, order: Points, smallest: float = 0.0) -> None:
        free = [i for i in np.argsort(order) if not uses[i] and area[i] > smallest * plan.scale]
        for i in free[: max(1, round(count * quota))]:
            uses[i] = use

    noise = rng.normal(0, 0.2, (6, len(cells)))
    give("works", 0.13 * len(cells), -aside * far + noise[0] * 0.5)
    give("stadium", 3, np.abs(far - 0.5) + noise[1], 26_000)
    give("school", 7, np.abs(far - 0.5) + 2 * noise[2], 22_000)
    give("park", 6, np.abs(far - 0.35) + noise[3], 20_000)
    give("square", 5, far + noise[4])
    give("building_site", 6, -far + 2 * noise[5])
    for i, distance in enumerate(far):
        if not uses[i]:
            odds = _CENTRE if distance < 0.35 else _MIDDLE if distance < 0.75 else _EDGE
            uses[i] = str(rng.choice(list(odds), p=np.array(list(odds.values())) / sum(odds.values())))
    return uses


def paint_town(rng: np.random.Generator, canvas: Canvas, plan: Plan) -> list[RoadLine]:
    """Build the town; returns its streets, which are painted with the other roads."""
    cells, streets = _town_cells(rng, plan)
    if not cells:
        return []
    ground = shapely.union_all(cells).buffer(8.0)
    canvas.paint(ground, "street", LandCover.URBAN_RESIDENTIAL)
    for cell, use in zip(cells, _uses(rng, cells, plan), strict=True):
        town.BLOCK_PAINTERS[use](rng, canvas, cell)
    tracks = [road.axis.intersection(ground) for road in plan.roads if not road.paved]
    lanes = [part for track in tracks for part in shapely.get_parts(track)]
    return [*streets, *(RoadLine(part, 11.0) for part in lanes if part.length > 20.0)]


def _is_wet(rng: np.random.Generator, plan: Plan, block: shapely.Polygon, reach_m: float) -> bool:
    """Paddies lie near water; further out a block is one by chance."""
    water = min(plan.river.distance(block), *(lake.distance(block) for lake in plan.lakes), math.inf)
    return bool(rng.random() < 0.1 + 0.72 * math.exp(-((water / reach_m) ** 2)))


def _paint_plain(rng: np.random.Generator, canvas: Canvas, plan: Plan) -> Geometries:
    """Farm every block outside the town; returns those blocks."""
    rural = plan.blocks[~shapely.within(shapely.centroid(plan.blocks), plan.town)]
    wet = [_is_wet(rng, plan, block, 0.17 * plan.size_m) for block in rural]
    near = np.argsort(
        [min(plan.river.distance(b), *(k.distance(b) for k in plan.lakes), math.inf) for b in rural]
    )
    ponds = {int(i) for i in near[len(near) // 12 :: 4][: max(1, round(plan.size_m / 1100))]}
    for i, block in enumerate(rural):
        if i in ponds:
            middle = shapely.get_coordinates(block.centroid)[0]
            reach = rng.uniform(380, 560) * plan.scale
            part = polygonal(block.intersection(box(middle, reach, 0.75 * reach, long_axis(block))))
            countryside.paint_fields(rng, canvas, block, countryside.PADDY, canal=True)
            countryside.paint_fishponds(rng, canvas, part)
        else:
            system = countryside.PADDY if wet[i] else countryside.DRY
            countryside.paint_fields(rng, canvas, block, system, canal=wet[i])
    return rural


def paint_villages(rng: np.random.Generator, canvas: Canvas, plan: Plan, per_km2: float = 1.1) -> None:
    """Villages along the roads, each with a pond of its own now and then."""
    roads = [road for road in plan.roads if road.paved]
    for _ in range(max(2, round(per_km2 * plan.size_m**2 / 1e6))):
        road = roads[int(rng.integers(len(roads)))]
        along = rng.uniform(0, road.axis.length)
        point = shapely.get_coordinates(road.axis.interpolate(along))[0]
        ahead = shapely.get_coordinates(road.axis.interpolate(along + 10.0))[0]
        if not (0 < point[0] < plan.size_m and 0 < point[1] < plan.size_m):
            continue
        angle = math.atan2(*(ahead - point)[::-1]) if (ahead != point).any() else long_axis(plan.town)
        radius = rng.uniform(65, 150) * plan.scale
        outline = blob(rng, point, radius, 0.28, rng.uniform(1.2, 2.2), angle)
        if not plan.site.is_free(outline):
            continue
        plan.site.take(outline)
        countryside.paint_village(rng, canvas, outline, angle, LandCover.RURAL_RESIDENTIAL)
        if rng.random() < 0.5:
            spot = point + rng.normal(0, 1.0, 2) * radius
            pond = blob(rng, spot, rng.uniform(18, 38) * plan.scale, 0.2)
            canvas.paint(pond, "pond_water", LandCover.POND)


def _paint_outskirts(rng: np.random.Generator, canvas: Canvas, plan: Plan) -> None:
    """Golf course, works along the motorway, quarries: things that need room outside the town."""
    scale = plan.scale
    for _ in range(max(1, round(plan.size_m / 4000))):
        golf = plan.site.find_blob(rng, 300 * scale, 0.25, 1.4)
        if golf is not None:
            countryside.paint_golf(rng, canvas, golf)
    for _ in range(max(1, round(plan.size_m / 2500))):
        works = plan.site.find_box(rng, 330 * scale, 240 * scale, 150 * scale)
        if works is not None:
            town.paint_works(rng, canvas, works[2])
    for _ in range(max(2, round(plan.size_m / 1100))):
        quarry = plan.site.find_blob(rng, rng.uniform(70, 150) * scale, 0.35, 1.3)
        if quarry is not None:
            canvas.paint(quarry, "bare_ground", LandCover.BARE_LAND)
            canvas.paint(quarry.buffer(-0.2 * math.sqrt(quarry.area)), "bare_ground")


def paint_transport(rng: np.random.Generator, canvas: Canvas, plan: Plan, streets: list[RoadLine]) -> None:
    """Roads, railway, motorway and airport, on top of everything."""
    water = shapely.union_all([lake.buffer(8.0) for lake in plan.lakes])
    transport.paint_roads(rng, canvas, plan.roads, water, LandCover.ROAD)
    transport.paint_roads(rng, canvas, streets, shapely.Point(), LandCover.ROAD)
    transport.paint_railway(canvas, plan.railway)
    middle, angle = plan.station
    side = np.array([-math.sin(angle), math.cos(angle)])
    aside = math.copysign(1.0, float((plan.town_centre - middle) @ side))
    for spot, direction in transport.yard_sites(plan, max(1, round(plan.size_m / 4000))):
        transport.paint_yard(
            rng, canvas, spot, direction, rng.uniform(640, 820) * plan.scale, 62.0 * plan.scale
        )
    transport.paint_station(rng, canvas, middle, angle, plan.scale, aside)
    transport.paint_motorway(canvas, plan.motorway)
    paved = [road for road in plan.roads if road.paved]
    most = max(1, round(plan.size_m / 1900))
    for spot, along, other in transport.interchange_sites(plan, paved, 620.0 * plan.scale, most):
        transport.paint_interchange(canvas, spot, along, other, plan.scale)
    if plan.airport is not None:
        transport.paint_airport(rng, canvas, *plan.airport)


def _paint_unsure(rng: np.random.Generator, canvas: Canvas) -> None:
    """Patches that an annotator left out: about two per cent of the scene."""
    for _ in range(max(1, round(0.7 * canvas.size_m**2 / 1e6))):
        patch = blob(rng, rng.uniform(0, canvas.size_m, 2), rng.uniform(35, 95), 0.3, 1.5, rng.uniform(0, 3))
        canvas.paint(keep_areas(np.array([patch], dtype=object), 1.0), None, LandCover.UNLABELLED)


def land_cover_layout(size_m: float, seed: int) -> Layout:
    """Lay out and paint an MM-5B scene."""
    plan_rng, plain_rng, nature_rng, town_rng, outer_rng, road_rng, unsure_rng = streams(seed, 7)
    plan = draw_plan(plan_rng, size_m)
    canvas = Canvas(size_m, "balk", LandCover.DRY_CROPLAND)
    _paint_plain(plain_rng, canvas, plan)
    countryside.paint_hills(nature_rng, canvas, plan)
    countryside.paint_copses(nature_rng, canvas, plan)
    countryside.paint_lakes(nature_rng, canvas, plan.lakes)
    countryside.paint_river(nature_rng, canvas, plan)
    streets = paint_town(town_rng, canvas, plan)
    _paint_outskirts(outer_rng, canvas, plan)
    paint_villages(outer_rng, canvas, plan)
    paint_transport(road_rng, canvas, plan, streets)
    _paint_unsure(unsure_rng, canvas)
    return canvas.finish()
