"""Urban blocks: apartments, old quarters, towers, works, malls, squares, parks, stadiums, building sites."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
import shapely

from .geometry import (
    Points,
    as_polygons,
    blob,
    box,
    boxes_inside,
    cast_shadows,
    ellipse,
    long_axis,
    polygonal,
)
from .layout import Canvas
from .plan import LandCover

#: Shadow per metre of building height: the sun stands in the south-east.
_SHADOW = np.array([-0.36, -0.5])

BlockPainter: TypeAlias = Callable[[np.random.Generator, Canvas, shapely.Polygon], None]


def paint_buildings(
    rng: np.random.Generator,
    canvas: Canvas,
    corners: Points,
    heights: tuple[float, float],
    roofs: list[str],
    kinds: int = 3,
) -> None:
    """Buildings (n, 4, 2) with the shadows they cast."""
    if not len(corners):
        return
    height = rng.uniform(*heights, (len(corners), 1))
    canvas.paint(shapely.multipolygons(cast_shadows(corners, height * _SHADOW)), "shadow")
    canvas.paint_mixed(rng, as_polygons(corners), roofs, kinds)


def _south(block: shapely.Polygon) -> float:
    """The block's direction closest to west-east, so that slabs face south."""
    angle = long_axis(block) % np.pi
    return min((angle, angle - np.pi / 2, angle - np.pi), key=abs)


def paint_apartments(rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon) -> None:
    """Rows of slabs with greenery between."""
    canvas.paint(block, "urban_ground", LandCover.URBAN_RESIDENTIAL)
    size = (rng.uniform(38, 60), rng.uniform(12, 15))
    pitch = (size[0] + rng.uniform(9, 14), size[1] + rng.uniform(18, 27))
    slabs = boxes_inside(rng, block.buffer(-9), _south(block), size, pitch, 0.93, 0.06)
    paint_buildings(rng, canvas, slabs, (17, 30), ["roof_flat", "tile_grey", "tile_red", "roof_flat"])


def paint_towers(rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon) -> None:
    """Point blocks with long shadows on lawns."""
    canvas.paint(block, "urban_ground", LandCover.URBAN_RESIDENTIAL)
    towers = boxes_inside(rng, block.buffer(-10), _south(block), (26, 21), (50, 48), 0.9, 0.12)
    paint_buildings(rng, canvas, towers, (45, 75), ["roof_flat", "tile_grey", "roof_flat"])


def paint_old_quarter(rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon) -> None:
    """Low houses wall to wall, as in a village but without yards."""
    canvas.paint(block, "urban_ground", LandCover.URBAN_RESIDENTIAL)
    houses = boxes_inside(rng, block.buffer(-5), long_axis(block), (13, 10), (14.5, 14.0), 0.93, 0.1, 0.6)
    paint_buildings(rng, canvas, houses, (5, 9), ["tile_grey", "tile_grey", "tile_red", "roof_flat"], 4)


def paint_works(rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon) -> None:
    """Sheds with large bright roofs around paved yards."""
    canvas.paint(block, "yard", LandCover.FACTORY)
    size = (rng.uniform(70, 120), rng.uniform(36, 62))
    pitch = (size[0] + rng.uniform(11, 18), size[1] + rng.uniform(10, 16))
    sheds = boxes_inside(rng, block.buffer(-7), long_axis(block), size, pitch, 0.93, 0.08)
    if len(sheds) < 2:
        sheds = boxes_inside(rng, block.buffer(-5), long_axis(block), (45, 28), (54, 36), 0.95, 0.05)
    paint_buildings(
        rng, canvas, sheds, (8, 12), ["roof_blue", "roof_white", "roof_white", "tile_red", "roof_flat"], 4
    )


def paint_mall(rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon) -> None:
    """One large roof with a car park."""
    canvas.paint(block, "yard", LandCover.FACTORY)
    middle = shapely.get_coordinates(block.centroid)[0]
    side = np.sqrt(block.area)
    corners = np.array([shapely.get_coordinates(box(middle, 0.66 * side, 0.48 * side, long_axis(block)))[:4]])
    paint_buildings(rng, canvas, corners, (18, 26), ["roof_white", "roof_flat"], 1)


def paint_square(rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon) -> None:
    """A paved square with lawns in a regular pattern and a hall on one side."""
    canvas.paint(block, "plaza", LandCover.PARK_SQUARE)
    angle = long_axis(block)
    lawns = boxes_inside(rng, block.buffer(-14), angle, (26, 16), (44, 34), 0.75, 0.1)
    canvas.paint(as_polygons(lawns), "lawn")
    middle = shapely.get_coordinates(block.centroid)[0]
    canvas.paint(ellipse(middle, (20, 20), 0.0), "pond_water" if rng.random() < 0.5 else "plaza")


def paint_park(rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon) -> None:
    """Lawns and trees, winding paths, a pond that is a pond by class."""
    canvas.paint(block, "park_green", LandCover.PARK_SQUARE)
    middle = shapely.get_coordinates(block.centroid)[0]
    reach = np.sqrt(block.area)
    for _ in range(int(block.area / 9000) + 1):
        spot = middle + rng.uniform(-0.5, 0.5, 2) * reach
        canvas.paint(
            blob(rng, spot, rng.uniform(14, 32), 0.3).intersection(block),
            str(rng.choice(["broadleaf", "lawn"])),
        )
    for share in (0.22, 0.4):
        ring = shapely.boundary(blob(rng, middle, share * reach, 0.25))
        canvas.paint(ring.buffer(2.2).intersection(block), "plaza")
    for angle in rng.uniform(0, np.pi, 2):
        canvas.paint(box(middle, 1.2 * reach, 4.0, float(angle)).intersection(block), "plaza")
    if block.area > 18_000:
        pond = blob(rng, middle + rng.normal(0, 0.08, 2) * reach, 0.17 * reach, 0.3, 1.5, rng.uniform(0, 3))
        canvas.paint(pond.intersection(block.buffer(-8)), "pond_water", LandCover.POND)


def paint_stadium(rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon) -> None:
    """An oval of stands around a running track and a striped pitch, on a paved ground."""
    canvas.paint(block, "plaza", LandCover.PARK_SQUARE)
    angle = long_axis(block)
    middle = shapely.get_coordinates(polygonal(block).centroid)[0]
    scale = float(np.clip(shapely.distance(shapely.Point(middle), block.boundary) / 92.0, 0.4, 1.05))
    paint_oval(canvas, middle, angle, scale)


def paint_oval(canvas: Canvas, middle: Points, angle: float, scale: float, stands: bool = True) -> None:
    """Roofed stands with their shadow, running track and pitch; scale 1 is a stadium of 240 x 176 m."""
    if stands:
        canvas.paint(ellipse(middle + _SHADOW * 22 * scale, (120 * scale, 88 * scale), angle), "shadow")
        canvas.paint(ellipse(middle, (120 * scale, 88 * scale), angle), "roof_white", LandCover.STADIUM)
        canvas.paint(ellipse(middle, (99 * scale, 66 * scale), angle), "tile_grey", LandCover.STADIUM)
    canvas.paint(ellipse(middle, (90 * scale, 54 * scale), angle), "running_track", LandCover.STADIUM)
    canvas.paint(ellipse(middle, (76 * scale, 42 * scale), angle), "mown_lawn", LandCover.STADIUM, angle)


def paint_school(rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon) -> None:
    """A sports ground with a running track beside slabs, inside a residential block."""
    paint_apartments(rng, canvas, block)
    middle = shapely.get_coordinates(block.centroid)[0]
    angle = long_axis(block)
    canvas.paint(box(middle, 176, 104, angle).intersection(block), "plaza")
    paint_oval(canvas, middle, angle, 0.82, stands=False)


def paint_building_site(rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon) -> None:
    """Cleared ground with a few barracks."""
    canvas.paint(block, "bare_ground", LandCover.BARE_LAND)
    barracks = boxes_inside(rng, block.buffer(-10), long_axis(block), (30, 7), (80, 60), 0.3, 0.1)
    paint_buildings(rng, canvas, barracks, (4, 6), ["roof_blue", "roof_white"], 2)


def paint_lawn_block(rng: np.random.Generator, canvas: Canvas, block: shapely.Polygon) -> None:
    """A green of sown grass with a few trees along its edge."""
    canvas.paint(block, "lawn", LandCover.ARTIFICIAL_MEADOW)
    rim = block.difference(block.buffer(-6.0))
    canvas.paint(rim, "plantation", None, long_axis(block))


#: Painters by use; a use's odds depend on how far out it lies, see :mod:`town_blocks`.
BLOCK_PAINTERS: Final[Mapping[str, BlockPainter]] = {
    "apartments": paint_apartments,
    "building_site": paint_building_site,
    "green": paint_lawn_block,
    "mall": paint_mall,
    "old_quarter": paint_old_quarter,
    "park": paint_park,
    "school": paint_school,
    "square": paint_square,
    "stadium": paint_stadium,
    "towers": paint_towers,
    "works": paint_works,
}
