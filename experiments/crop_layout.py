"""Paint the real fields of a Cropland Data Layer as two Sentinel-2 scenes of different places and dates.

    python experiments/crop_layout.py ../shared/data/cdl_iowa/cdl_2016_train.tif -o scenes

writes scenes/iowa_train (early July: crops have not closed, soil shows between their rows) and
scenes/iowa_test (early September, hazier: crops begin to turn), each with an image of ten bands and labels of
the tree ``iowa_crops`` at 10 m. The fields are the map's, their spectra are invented: what is learned here
says how methods compare, not how well Iowa can be mapped.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes as trace_shapes

from hierars_geo.errors import DataError, HieraRSError, OptionError
from hierars_geo.maps import open_class_map
from hierars_geo.synthetic import (
    SENSORS,
    PlaceSpec,
    SceneFiles,
    SensorModel,
    square_view,
    write_scene,
)
from hierars_geo.synthetic.layout import Canvas, Layout
from hierars_geo.synthetic.materials import MATERIALS
from hierars_geo.taxonomy import Taxonomy

#: Width of a field within its row of fields, as a share of their depth.
_WIDTHS: Final = (0.5, 1.5)


@dataclass(frozen=True)
class Paint:
    """How a class of the map is painted.

    Attributes:
        material: Name in ``MATERIALS``.
        label: Raster value of its class in the scene's labels.
        fields: Whether its patches are cut into fields that differ from each other.
    """

    material: str
    label: int
    fields: bool = False

    def __post_init__(self) -> None:
        if self.material not in MATERIALS:
            raise OptionError(
                f"Expected a material out of {', '.join(sorted(MATERIALS))}, but got '{self.material}'."
            )


def paint_classes(
    rng: np.random.Generator,
    classes: NDArray[np.uint8],
    res_m: float,
    paints: Mapping[int, Paint],
    ground: Paint,
    field_m: float = 400.0,
) -> Layout:
    """Turn a class raster into shapes: every patch of one class an object of its own.

    Real maps join neighbouring fields of one crop. Classes with ``fields`` are cut along rows of fields,
    ``field_m`` deep and of different widths, so that each has its own vigour.

    Args:
        rng: Source of the cuts.
        classes: (H, W) class values of a square place, the upper-left corner at the scene's.
        res_m: Size of a pixel.
        paints: Paint of every class value that occurs.
        ground: What shows where the map ends.
        field_m: Depth of a row of fields.

    Returns:
        The layout; labels follow the map's pixels.

    Raises:
        DataError: A class that occurs has no paint.
    """
    found = np.unique(classes)
    missing = sorted(set(found.tolist()) - set(paints))
    if missing:
        raise DataError(f"Expected a paint for every class of the map, but got none for {missing}.")
    canvas = Canvas(max(classes.shape) * res_m, ground.material, ground.label)
    cut = np.isin(classes, [value for value, paint in paints.items() if paint.fields])
    fields = np.where(cut, _field_numbers(rng, classes.shape, field_m / res_m), 0)
    patches = trace_shapes(
        (fields * 256 + classes).astype(np.int32), transform=Affine(res_m, 0, 0, 0, res_m, 0)
    )
    by_class: dict[int, list[shapely.Geometry]] = {}
    for geometry, value in patches:
        by_class.setdefault(int(value) % 256, []).append(shapely.geometry.shape(geometry))
    for value, polygons in sorted(by_class.items()):
        canvas.paint(polygons, paints[value].material, paints[value].label)
    return canvas.finish()


def _field_numbers(rng: np.random.Generator, shape: tuple[int, ...], depth_px: float) -> NDArray[np.int32]:
    """Number the fields (H, W) of rows of fields, from 1."""
    height, width = shape
    rows = (np.arange(height) / depth_px).astype(np.int32)
    numbers = np.zeros((height, width), dtype=np.int32)
    first = 1
    for row in range(rows[-1] + 1):
        steps = rng.uniform(*_WIDTHS, int(width / depth_px / _WIDTHS[0]) + 2) * depth_px
        column = np.searchsorted(np.cumsum(steps), np.arange(width), side="right").astype(np.int32)
        numbers[rows == row] = first + column
        first += int(column[-1]) + 1
    return numbers


_OTHER, _CORN, _SOYBEAN, _GRASS, _TREES, _UNLABELLED = 0, 1, 2, 3, 4, 255

#: USDA code -> how it is painted. Grain crops too rare to learn carry no label.
PAINTS: Final[dict[int, Paint]] = {
    1: Paint("maize", _CORN, fields=True),
    5: Paint("soybean", _SOYBEAN, fields=True),
    27: Paint("wheat", _UNLABELLED),  # rye
    28: Paint("wheat", _UNLABELLED),  # oats
    36: Paint("lawn", _GRASS),  # alfalfa
    37: Paint("lawn", _GRASS),  # other hay
    61: Paint("fallow", _UNLABELLED),
    111: Paint("pond_water", _OTHER),
    121: Paint("dirt_track", _OTHER),  # developed, open: gravel roads and their verges
    122: Paint("village_ground", _OTHER),
    123: Paint("urban_ground", _OTHER),
    124: Paint("yard", _OTHER),
    131: Paint("bare_ground", _OTHER),
    141: Paint("broadleaf", _TREES),
    142: Paint("conifer", _TREES),
    152: Paint("meadow", _GRASS),  # shrubland
    176: Paint("meadow", _GRASS),
    190: Paint("broadleaf", _TREES),  # woody wetlands
    195: Paint("meadow", _GRASS),  # herbaceous wetlands
}


@dataclass(frozen=True)
class Place:
    """One scene.

    Attributes:
        name: Of its folder and files.
        offset_m: (right, down) of its upper-left corner from the map's.
        sensor: Sentinel-2 of its date.
        haze: Strength of the haze.
    """

    name: str
    offset_m: tuple[float, float]
    sensor: SensorModel
    haze: float


PLACES: Final = (
    Place(
        "iowa_train",
        (3_000.0, 2_000.0),
        replace(SENSORS["sentinel2"], season={"spring": 0.1, "summer": 0.9}, first_day=date(2016, 7, 1)),
        0.3,
    ),
    Place(
        "iowa_test",
        (15_000.0, 13_000.0),
        replace(SENSORS["sentinel2"], season={"summer": 0.9, "autumn": 0.1}, first_day=date(2016, 9, 1)),
        0.4,
    ),
)


def write_place(layer: Path, place: Place, out: Path, size_m: float, seed: int) -> SceneFiles:
    """Paint one place of the map.

    Raises:
        HieraRSError: The map cannot be read or ends before the place does.
    """
    with open_class_map(layer) as source:
        grid = source.grid
        res = grid.res[0]
        right, down = place.offset_m
        side = round(size_m / res)
        row, col = round(down / res), round(right / res)
        if row + side > grid.height or col + side > grid.width:
            raise DataError(
                f"Expected a map of at least {down + size_m:g} x {right + size_m:g} m, but got "
                f"{grid.height * res:g} x {grid.width * res:g} (in {layer}). Make the scenes smaller."
            )
        classes = source.read(0)[row : row + side, col : col + side].astype(np.uint8)
        origin = (grid.transform.c + right, grid.transform.f - down)
        crs = grid.crs.to_string()
    spec = PlaceSpec(place.name, size_m, seed, crs=crs, origin=origin, nodata_corner=False, haze=place.haze)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(99,)))
    layout = paint_classes(rng, classes, res, PAINTS, ground=Paint("meadow", _UNLABELLED))
    view = square_view(0.0, size_m, place.sensor.res_m)
    tree = Taxonomy.from_yaml("iowa_crops")
    return write_scene(spec, layout, tree, out, [(place.sensor, view)], view)


def main(argv: Sequence[str]) -> int:
    """Write both scenes.

    Returns:
        0, or 1 where that failed.
    """
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("layer", type=Path, help="Cropland Data Layer of a projected CRS in metres")
    p.add_argument("-o", "--out", type=Path, required=True, help="folder of the scenes; theirs are replaced")
    p.add_argument("--size-m", type=float, default=7_680.0, help="side of a scene, metres (default: 7680)")
    p.add_argument("--seed", type=int, default=0, help="of spectra and fields (default: 0)")
    args = p.parse_args(argv)
    try:
        for number, place in enumerate(PLACES):
            files = write_place(args.layer, place, args.out, args.size_m, 2 * args.seed + number)
            sys.stdout.write(f"{files.labels}\n{files.images['sentinel2']}\n")
    except HieraRSError as error:
        sys.stderr.write(f"crop_layout.py: error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
