"""Fields, forest, meadows, ponds, villages and water outside the town."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from affine import Affine
from rasterio.features import shapes as trace_shapes

from .geometry import (
    Geometries,
    Points,
    as_polygons,
    blob,
    boxes,
    boxes_inside,
    cast_shadows,
    keep_areas,
    lattice,
    long_axis,
    polygonal,
    strips,
)
from .layout import Canvas
from .noise import NoiseField
from .plan import LandCover, Plan, Warp


@dataclass(frozen=True)
class FieldSystem:
    """How a block is farmed.

    Attributes:
        crops: Materials of its parcels, drawn with ``odds``.
        odds: Relative frequency of each.
        lengths: Shortest and longest parcel, metres.
        widths: Narrowest and widest parcel, metres.
        gap_m: Balk between parcels.
        label: Class of the whole block, or None where parcels carry their own.
        parcel_labels: Class of each crop's parcels, where they differ.
    """

    crops: tuple[str, ...]
    odds: tuple[float, ...]
    lengths: tuple[float, float]
    widths: tuple[float, float]
    gap_m: float
    label: int | None = None
    parcel_labels: tuple[int, ...] | None = None


PADDY = FieldSystem(
    ("paddy", "vegetables", "fallow"), (0.9, 0.05, 0.05), (70, 130), (24, 42), 2.6, LandCover.PADDY
)
DRY = FieldSystem(
    ("maize", "soybean", "vegetables", "wheat", "fallow"),
    (0.34, 0.2, 0.2, 0.13, 0.13),
    (120, 330),
    (26, 75),
    2.0,
    LandCover.DRY_CROPLAND,
)


def paint_fields(
    rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon, system: FieldSystem, canal: bool = False
) -> None:
    """Cut a block into parcels, each with a crop and rows along its longer side."""
    angle = long_axis(block) + (math.pi / 2 if rng.random() < 0.3 else 0.0)
    canvas.paint(block, "balk", system.label)
    parcels = strips(rng, block.buffer(-3.0), angle, system.lengths, system.widths, system.gap_m)
    odds = np.array(system.odds) * rng.uniform(0.3, 1.7, len(system.odds))
    crop = rng.choice(len(system.crops), len(parcels), p=odds / odds.sum())
    for i, name in enumerate(system.crops):
        if system.parcel_labels:  # a parcel's class reaches to the middle of its balk
            whole = shapely.buffer(parcels[crop == i], 0.6 * system.gap_m, join_style="mitre")
            canvas.paint(whole, None, system.parcel_labels[i])
        canvas.paint(parcels[crop == i], name, None, angle)
    if canal:
        canvas.paint(shapely.boundary(block).buffer(2.6).intersection(block), "pond_water")


def paint_fishponds(rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon) -> None:
    """A block of rectangular ponds between dykes."""
    canvas.paint(block, "balk", LandCover.UNLABELLED)
    ponds = strips(rng, block.buffer(-12.0), long_axis(block), (110, 190), (48, 80), 9.0)
    canvas.paint(keep_areas(ponds, 900.0), "pond_water", LandCover.POND)


def contour_patches(
    field: NoiseField, size_m: float, threshold: float, min_area_m2: float, frayed: Warp
) -> list[shapely.Polygon]:
    """Outlines of where a field exceeds a threshold, rounded to about 20 m, then frayed by a warp."""
    step_m = 20.0
    centres = np.arange(-300.0, size_m + 300.0, step_m) + step_m / 2
    mask = field.on_grid(centres, centres) > threshold
    transform = Affine(step_m, 0, -300.0, 0, step_m, -300.0)
    found = trace_shapes(mask.astype(np.uint8), mask=mask, transform=transform)
    patches = [shapely.geometry.shape(geometry) for geometry, _ in found]
    smooth = [
        patch.simplify(0.7 * step_m).buffer(2.0 * step_m).buffer(-3.2 * step_m).buffer(1.2 * step_m)
        for patch in patches
        if patch.area > min_area_m2
    ]
    rough = shapely.buffer(frayed.shape(np.array(smooth, dtype=object), 8.0), 0.0) if smooth else ()
    return [part for patch in rough for part in shapely.get_parts(patch) if part.area > min_area_m2]


def paint_forest(rng: np.random.Generator, canvas: Canvas, outline: shapely.Polygon, label: int) -> None:
    """A stand: one outline, split between broadleaf and conifer patches."""
    canvas.paint(outline, "broadleaf", label)
    left, low, right, high = outline.bounds
    for _ in range(int(outline.area / 60_000.0) + 1):
        centre = np.array([rng.uniform(left, right), rng.uniform(low, high)])
        patch = blob(rng, centre, rng.uniform(60, 170), 0.35).intersection(outline)
        canvas.paint(patch, str(rng.choice(["conifer", "broadleaf"])))


def paint_hills(rng: np.random.Generator, canvas: Canvas, plan: Plan) -> None:
    """Forest on the high ground, natural meadow on its shoulders."""
    heights = plan.relief.on_grid(np.linspace(0, plan.size_m, 60), np.linspace(0, plan.size_m, 60))
    forest_line, meadow_line = np.quantile(heights, [0.84, 0.77])
    small = 12_000.0 * plan.scale
    frayed = Warp.draw(rng, 7.0 * plan.scale, 9.0)
    for patch in contour_patches(plan.relief, plan.size_m, float(meadow_line), small, frayed):
        canvas.paint(patch, "meadow", LandCover.NATURAL_MEADOW)
    for patch in contour_patches(plan.relief, plan.size_m, float(forest_line), small, frayed):
        paint_forest(rng, canvas, patch, LandCover.FOREST)


def paint_copses(rng: np.random.Generator, canvas: Canvas, plan: Plan) -> None:
    """Small woods, meadows and bare patches in the open country."""
    area = plan.size_m**2
    for count_per_km2, radii, material, label in (
        (0.45, (45, 110), "broadleaf", LandCover.FOREST),
        (0.22, (60, 130), "meadow", LandCover.NATURAL_MEADOW),
        (0.22, (50, 120), "bare_ground", LandCover.BARE_LAND),
    ):
        for _ in range(rng.poisson(count_per_km2 * area / 1e6) + 1):
            centre = rng.uniform(0, plan.size_m, 2)
            radius = rng.uniform(*radii) * plan.scale
            canvas.paint(blob(rng, centre, radius, 0.35, 1.4, rng.uniform(0, 3)), material, label)


def paint_river(rng: np.random.Generator, canvas: Canvas, plan: Plan) -> None:
    """The river with its floodplain, wooded banks and sandbars on the inner bends."""
    floodplain = polygonal(plan.river.buffer(55.0 * plan.scale))
    canvas.paint(floodplain, "meadow", LandCover.NATURAL_MEADOW)
    grove = polygonal(plan.river.buffer(24.0 * plan.scale))
    canvas.paint(grove, "balk")
    axis = plan.river_axis
    tangent = np.gradient(axis, axis=0)
    tangent /= np.hypot(*tangent.T)[:, None]
    turn = tangent[:-1, 0] * tangent[1:, 1] - tangent[:-1, 1] * tangent[1:, 0]
    inner = np.convolve(turn, np.ones(15) / 15, mode="same")
    bars: list[shapely.Polygon] = []
    for i in range(12, len(inner) - 12, 22):
        if abs(inner[i]) < np.quantile(np.abs(inner), 0.55):
            continue
        side = math.copysign(1.0, inner[i]) * np.array([-tangent[i, 1], tangent[i, 0]])
        centre = axis[i] + side * 52.0 * plan.scale
        direction = math.atan2(tangent[i, 1], tangent[i, 0])
        bars.append(blob(rng, centre, rng.uniform(45, 70) * plan.scale, 0.2, 3.2, direction))
    canvas.paint(plan.river, "river_water", LandCover.RIVER)
    canvas.paint(bars, "sandbar", LandCover.BARE_LAND)


def paint_lakes(rng: np.random.Generator, canvas: Canvas, lakes: Sequence[shapely.Polygon]) -> None:
    """Lakes with a reed belt and some trees along the shore."""
    for lake in lakes:
        canvas.paint(lake.buffer(rng.uniform(15, 35)), "meadow", LandCover.NATURAL_MEADOW)
        canvas.paint(lake, "lake_water", LandCover.LAKE)


def house_rows(rng: np.random.Generator, outline: shapely.Polygon, angle: float) -> Points:
    """Corners (n, 4, 2) of village houses in rows along a direction."""
    return boxes_inside(
        rng, outline.buffer(-2.0), angle, (12.0, 8.5), (16.5, 21.0), keep=0.84, size_spread=0.2, jitter_m=1.6
    )


def paint_village(
    rng: np.random.Generator, canvas: Canvas, outline: shapely.Polygon, angle: float, label: int | None
) -> None:
    """Houses in rows with yards, trees and a lane."""
    canvas.paint(outline, "village_ground", label)
    houses = house_rows(rng, outline, angle)
    if not len(houses):
        return
    canvas.paint(
        shapely.multipolygons(cast_shadows(houses, np.tile([-2.0, -2.6], (len(houses), 1)))), "shadow"
    )
    canvas.paint_mixed(
        rng, as_polygons(houses), ["tile_grey", "tile_grey", "tile_red", "roof_flat", "roof_blue"]
    )


def paint_golf(rng: np.random.Generator, canvas: Canvas, outline: shapely.Polygon) -> None:
    """Sown grass with mown fairways, clumps of trees and bunkers."""
    canvas.paint(outline, "lawn", LandCover.ARTIFICIAL_MEADOW)
    for centre in lattice(outline, rng.uniform(0, np.pi), (150.0, 90.0)):
        spot = centre + rng.normal(0, 18, 2)
        angle = rng.uniform(0, np.pi)
        fairway = blob(rng, spot, rng.uniform(28, 42), 0.15, 3.2, angle).intersection(outline)
        canvas.paint(fairway, "mown_lawn", None, angle)
        beside = spot + np.array([-math.sin(angle), math.cos(angle)]) * rng.choice([-36.0, 36.0])
        canvas.paint(
            blob(rng, beside, rng.uniform(9, 19), 0.3, 2.5, angle).intersection(outline), "broadleaf"
        )
        canvas.paint(
            blob(rng, spot + rng.normal(0, 20, 2), rng.uniform(4, 7), 0.3).intersection(outline), "sandbar"
        )


def tree_rows(
    rng: np.random.Generator, axis: shapely.LineString, offset_m: float, share: float
) -> Geometries:
    """Stretches of a row of trees on both sides of a road."""
    rows = []
    for side in (-offset_m, offset_m):
        for part in shapely.get_parts(axis.offset_curve(side)):
            points = shapely.get_coordinates(shapely.segmentize(part, 80.0))
            for start, stop in pairwise(points):
                if rng.random() < share:
                    rows.append(
                        shapely.LineString([start, stop]).buffer(rng.uniform(3.0, 4.5), cap_style="flat")
                    )
    return np.array(rows, dtype=object)


def paint_meadow_rectangle(canvas: Canvas, centre: Points, size: tuple[float, float], angle: float) -> None:
    """A sown grass field, such as an airfield's."""
    ground = boxes(np.array([centre]), np.array([size]), angle)
    canvas.paint(ground, "mown_lawn", LandCover.ARTIFICIAL_MEADOW, angle)
