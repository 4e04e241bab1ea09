"""Crop scenes: Sentinel-2 and labels at 10 m."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import shapely

from ..taxonomy import Taxonomy
from ..types import Progress
from . import countryside
from .countryside import FieldSystem, tree_rows
from .landscape import paint_town, paint_transport, paint_villages, streams
from .layout import KEEP, Canvas, Layout
from .plan import Crop, LandCover, Plan, draw_plan
from .product import square_view, write_scene
from .sensors import SENSORS
from .spec import CropSpec, SceneFiles

#: Added to a crop's raster value while land cover is painted on the same canvas.
_CROP: Final = 100

_POLDER = FieldSystem(
    ("paddy", "vegetables"),
    (0.96, 0.04),
    (90, 170),
    (34, 70),
    3.0,
    None,
    (_CROP + Crop.RICE, _CROP + Crop.OTHER),
)
_STRIPS = {
    favoured: FieldSystem(
        ("maize", "soybean", "wheat", "fallow"),
        (0.72, 0.22, 0.03, 0.03) if favoured == "maize" else (0.25, 0.69, 0.03, 0.03),
        (320, 820),
        (38, 120),
        2.4,
        None,
        (_CROP + Crop.MAIZE, _CROP + Crop.SOYBEAN, _CROP + Crop.OTHER, _CROP + Crop.OTHER),
    )
    for favoured in ("maize", "soybean")
}


def _paint_plain(rng: np.random.Generator, canvas: Canvas, plan: Plan) -> None:
    reach = 0.1 * plan.size_m
    for block in plan.blocks:
        water = plan.river.distance(block)
        if rng.random() < 0.06 + 0.86 * math.exp(-((water / reach) ** 4)):
            countryside.paint_fields(rng, canvas, block, _POLDER, canal=True)
        else:
            favoured = str(rng.choice(["maize", "soybean"]))
            countryside.paint_fields(rng, canvas, block, _STRIPS[favoured])
        if rng.random() < 0.6:
            belt = tree_rows(rng, shapely.LineString(shapely.get_coordinates(block.exterior)), 9.0, 0.5)
            canvas.paint(belt, "plantation", _CROP + Crop.OTHER)


def _as_crops(layout: Layout) -> Layout:
    """Turn land cover into Crop10m: crops keep their value, unlabelled is nodata, the rest is other."""
    classes = np.where(layout.classes >= _CROP, layout.classes - _CROP, Crop.OTHER)
    classes = np.where(layout.classes == LandCover.UNLABELLED, Crop.NODATA, classes)
    return replace(layout, classes=np.where(layout.classes == KEEP, KEEP, classes).astype(np.int16))


def crop_layout(size_m: float, seed: int) -> Layout:
    """Lay out and paint a Crop10m scene."""
    plan_rng, plain_rng, nature_rng, town_rng, outer_rng, road_rng = streams(seed, 6)
    plan = draw_plan(plan_rng, size_m, town_share=0.07, airport=False, block_ha=65.0)
    canvas = Canvas(size_m, "balk", _CROP + Crop.OTHER)
    _paint_plain(plain_rng, canvas, plan)
    countryside.paint_hills(nature_rng, canvas, plan)
    countryside.paint_lakes(nature_rng, canvas, plan.lakes)
    countryside.paint_river(nature_rng, canvas, plan)
    lanes = paint_town(town_rng, canvas, plan)
    paint_villages(outer_rng, canvas, plan, per_km2=0.35)
    paint_transport(road_rng, canvas, plan, lanes)
    return _as_crops(canvas.finish())


def write_crop_scene(spec: CropSpec, out_dir: Path, progress: Progress | None = None) -> SceneFiles:
    """Make a Sentinel-2 image of a farmed plain, with Crop10m labels on its grid, and its season.

    Arguments and what is returned as of :func:`.write_scene`.
    """
    sensor, layout = SENSORS["sentinel2"], crop_layout(spec.size_m, spec.seed)
    view = square_view(0.0, spec.size_m, sensor.res_m)
    return write_scene(spec, layout, Taxonomy.from_yaml("crop10m"), out_dir, [(sensor, view)], view, progress)
