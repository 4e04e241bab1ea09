"""Where the big things lie: river, town, transport, airport, lakes, blocks between them, and the classes."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import shapely

from .geometry import (
    Geometries,
    Points,
    blob,
    box,
    gentle_line,
    meander,
    polygonal,
    ribbon,
    rotation,
    subdivide,
)
from .noise import NoiseField

#: From this side on things have their full size; larger scenes get more of them, not larger ones.
_FULL_SIZE_M = 5000.0


@dataclass(frozen=True, eq=False)
class Warp:
    """Bends straight subdivisions a little, as surveyors and terrain do.

    Attributes:
        east: Field that moves x.
        south: Field that moves y.
        reach_m: Standard deviation of the displacement.
    """

    east: NoiseField
    south: NoiseField
    reach_m: float

    def __call__(self, points: Points) -> Points:
        """Move points (n, 2), metres."""
        return points + self.reach_m * np.column_stack([self.east.at(points), self.south.at(points)])

    def shape(self, geometries: Geometries, step_m: float = 60.0) -> Geometries:
        """Move the vertices of geometries, with extra ones every ``step_m``."""
        return np.asarray(shapely.transform(shapely.segmentize(geometries, step_m), self))

    @classmethod
    def draw(cls, rng: np.random.Generator, reach_m: float, spacing_m: float = 200.0) -> "Warp":
        """Draw a warp whose bends are about ten times ``spacing_m`` long."""
        east, south = (NoiseField.draw(rng, spacing_m, smooth=4.0, nodes=128) for _ in range(2))
        return cls(east, south, reach_m)


@dataclass(frozen=True)
class RoadLine:
    """A road's axis.

    Attributes:
        axis: Its centreline.
        width_m: Width of the paved surface.
        paved: False for a dirt track, which is no road class.
    """

    axis: shapely.LineString
    width_m: float
    paved: bool = True


def draw_mesh(
    rng: np.random.Generator, size_m: float, warp: Warp, block_m2: float, paved_depth: int
) -> tuple[Geometries, tuple[RoadLine, ...]]:
    """Cut the scene and a margin around it into blocks of about ``block_m2``; return these and their borders.

    The warp bends blocks and roads alike; cuts up to ``paved_depth`` are paved roads, deeper ones dirt
    tracks.
    """
    middle = np.array([size_m / 2, size_m / 2])
    half = size_m * 0.5 + 400.0
    angle = rng.uniform(-0.4, 0.4)
    reach = half * (abs(math.cos(angle)) + abs(math.sin(angle)))
    ring = (
        np.array([[-reach, -reach], [reach, -reach], [reach, reach], [-reach, reach]]) @ rotation(angle)
        + middle
    )
    pieces, cuts = subdivide(rng, ring, block_m2)
    scene = shapely.box(-350.0, -350.0, size_m + 350.0, size_m + 350.0)
    blocks = warp.shape(np.array([shapely.Polygon(piece) for piece in pieces], dtype=object))
    blocks = blocks[shapely.intersects(blocks, scene)]
    roads = []
    for ends, depth in cuts:
        axis = warp.shape(np.array([shapely.LineString(ends)], dtype=object))[0]
        if not axis.intersects(scene):
            continue
        paved = depth <= paved_depth
        width = 17.0 if depth <= paved_depth - 3 else 10.0 if paved else 5.0
        roads.append(RoadLine(axis, width, paved))
    return blocks, tuple(roads)


@dataclass(eq=False)
class Site:
    """The scene's free ground: remembers what is taken, so that the next thing finds room.

    Attributes:
        size_m: Side of the scene.
        taken: Footprints already given away.
    """

    size_m: float
    taken: list[shapely.Geometry] = field(default_factory=list)

    def take(self, footprint: shapely.Geometry) -> None:
        """Give a footprint away."""
        shapely.prepare(footprint)
        self.taken.append(footprint)

    def is_free(self, footprint: shapely.Geometry) -> bool:
        """Whether nothing was given away under a footprint."""
        return not any(shapely.intersects(other, footprint) for other in self.taken)

    def find(
        self,
        rng: np.random.Generator,
        propose: Callable[[Points, float], shapely.Polygon],
        margin_m: float,
    ) -> tuple[Points, float, shapely.Polygon] | None:
        """Look for room for a footprint by trying places and directions, and take it where there is some.

        ``propose`` makes the footprint at a centre, at least ``margin_m`` from the scene's edge, and an
        angle.

        Returns:
            Centre, angle and footprint, or None where there is no room.
        """
        if 2 * margin_m >= self.size_m:
            return None
        for _ in range(250):
            centre = rng.uniform(margin_m, self.size_m - margin_m, 2)
            angle = float(rng.uniform(0, np.pi))
            footprint = propose(centre, angle)
            if self.is_free(footprint):
                self.take(footprint)
                return centre, angle, footprint
        return None

    def find_blob(
        self, rng: np.random.Generator, radius: float, roughness: float, stretch: float
    ) -> shapely.Polygon | None:
        """Look for room for a rounded patch and take it; None where there is none."""
        found = self.find(
            rng, lambda c, angle: blob(rng, c, radius, roughness, stretch, angle), 0.75 * radius
        )
        return None if found is None else found[2]

    def find_box(
        self, rng: np.random.Generator, along: float, across: float, margin_m: float
    ) -> tuple[Points, float, shapely.Polygon] | None:
        """Look for room for a box and take it: centre, angle and box, or None where there is none."""
        return self.find(rng, lambda centre, angle: box(centre, along, across, angle), margin_m)


@dataclass(frozen=True, eq=False)
class Plan:
    """The big things of a scene, local metres.

    Attributes:
        size_m: Side of the scene.
        relief: Height field; high ground carries forest.
        town: The town's outline.
        town_centre: (2,) its middle.
        town_radius_m: Its mean radius.
        river: Water surface of the river.
        river_axis: (n, 2) its centreline.
        lakes: Lake outlines.
        motorway: (n, 2) axis.
        railway: (n, 2) axis.
        station: (2,) point of the railway where the station lies, and its direction.
        airport: Centre, direction and runway length, None where there was no room.
        site: Free ground, for what is placed later.
        blocks: Blocks that roads and tracks cut the scene into.
        roads: The lines between them.
    """

    size_m: float
    relief: NoiseField
    town: shapely.Polygon
    town_centre: Points
    town_radius_m: float
    river: shapely.Polygon
    river_axis: Points
    lakes: tuple[shapely.Polygon, ...]
    motorway: Points
    railway: Points
    station: tuple[Points, float]
    airport: tuple[Points, float, float] | None
    site: Site
    blocks: Geometries
    roads: tuple[RoadLine, ...]

    @property
    def scale(self) -> float:
        """How much smaller things get in a scene too small for full-size ones, 0..1."""
        return min(1.0, self.size_m / _FULL_SIZE_M)


def _direction(angle: float) -> Points:
    return np.array([math.cos(angle), math.sin(angle)])


def _place_airport(rng: np.random.Generator, site: Site) -> tuple[Points, float, float] | None:
    for share in (0.34, 0.3, 0.26, 0.22, 0.18):
        length = min(2800.0, share * site.size_m)
        if length < 600.0:
            return None
        found = site.find_box(rng, length + 250, 0.27 * length + 120, 0.5 * length)
        if found is not None:
            return found[0], found[1], length
    return None


def draw_plan(
    rng: np.random.Generator,
    size_m: float,
    town_share: float = 0.185,
    airport: bool = True,
    block_ha: float = 42.0,
) -> Plan:
    """Lay out a scene of ``size_m`` x ``size_m`` metres.

    Args:
        rng: Source of every decision.
        size_m: Side of the scene.
        town_share: Radius of the town per side of the scene.
        airport: Whether to look for room for an airport.
        block_ha: Typical block between roads in a full-size scene, hectares.
    """
    scale = min(1.0, size_m / _FULL_SIZE_M)
    warp = Warp.draw(rng, 55.0 * scale)
    relief = NoiseField.draw(rng, 60.0, smooth=1.4, octaves=5)
    centre = size_m * rng.uniform(0.4, 0.6, 2)
    radius = min(town_share * size_m, 1500.0)
    town = blob(rng, centre, radius, roughness=0.16, stretch=1.15, angle=rng.uniform(0, np.pi))

    flow = rng.uniform(0, 2 * np.pi)
    aside = _direction(flow + np.pi / 2)
    river_axis = meander(rng, centre + aside * radius * 1.2, flow, 1.3 * size_m, 0.045 * min(size_m, 9000.0))
    wave = np.sin(np.arange(len(river_axis)) * 0.021 + rng.uniform(0, 6)) * 0.22 + 1.0
    river = ribbon(river_axis, wave * rng.uniform(105, 150) * scale)

    fork = len(river_axis) // 2 + int(rng.integers(-40, 40))
    brook_angle = flow + np.pi / 2 + rng.normal(0, 0.35)
    brook = meander(rng, river_axis[fork], brook_angle, 1.3 * size_m, 0.022 * min(size_m, 9000.0))
    brook = brook[len(brook) // 2 :]
    tributary = ribbon(brook, np.full(len(brook), rng.uniform(28, 42) * scale))
    river = polygonal(shapely.union(river, tributary))

    span = 1.2 * size_m
    rail_angle = flow + rng.normal(0, 0.18)
    rail_point = centre - aside * radius * 0.72
    railway = gentle_line(
        rail_point, rail_angle, 1300.0 * scale, span, (rng.normal(0, 500), rng.normal(0, 500))
    )
    road_angle = flow + np.pi / 2 + rng.normal(0, 0.3)
    road_point = centre + _direction(road_angle + np.pi / 2) * radius * rng.choice([-1.15, 1.15])
    motorway = gentle_line(
        road_point, road_angle, 1500.0 * scale, span, (rng.normal(0, 500), rng.normal(0, 500))
    )

    site = Site(size_m)
    site.take(river.buffer(60.0 * scale))
    site.take(town.buffer(40.0 * scale))
    for line in (railway, motorway):
        site.take(shapely.LineString(line).buffer(45.0 * scale))
    airfield = _place_airport(rng, site) if airport else None
    lakes = []
    for _ in range(max(2, round((size_m / 4500.0) ** 2))):
        lake = site.find_blob(rng, rng.uniform(260, 430) * scale, 0.32, 1.5)
        if lake is not None:
            lakes.append(lake)
    block = block_ha * 10_000.0 * scale**2
    paved_depth = max(3, round(math.log2((size_m * 1.5) ** 2 / block)) - 2)
    return Plan(
        size_m,
        relief,
        town,
        centre,
        radius,
        river,
        river_axis,
        tuple(lakes),
        motorway,
        railway,
        (rail_point, rail_angle),
        airfield,
        site,
        *draw_mesh(rng, size_m, warp, block, paved_depth),
    )


class LandCover(IntEnum):
    """Level-3 raster values of MM-5B."""

    UNLABELLED = 0
    PADDY = 1
    DRY_CROPLAND = 2
    FOREST = 3
    NATURAL_MEADOW = 4
    ARTIFICIAL_MEADOW = 5
    RIVER = 6
    LAKE = 7
    POND = 8
    FACTORY = 9
    URBAN_RESIDENTIAL = 10
    RURAL_RESIDENTIAL = 11
    STADIUM = 12
    PARK_SQUARE = 13
    ROAD = 14
    OVERPASS = 15
    RAILWAY_STATION = 16
    AIRPORT = 17
    BARE_LAND = 18


class Crop(IntEnum):
    """Level-3 raster values of Crop10m."""

    OTHER = 0
    RICE = 1
    MAIZE = 2
    SOYBEAN = 3
    NODATA = 255
