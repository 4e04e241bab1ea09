"""A prediction whose classes and confidences follow from row and column, by the package's own writers."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import CRS, Transformer
from raster_factory import write_raster

from hierars_geo.grid import GeoGrid
from hierars_geo.maps import StripWriter, finalise_class_cog, finalise_per_cent_cog
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.taxonomy.depth import adaptive_classes, adaptive_taxonomy, sibling_sets

SIDE_PX = 160
BLOCK_PX = 40
NODATA_ROWS = 10
UTM = Affine(10, 0, 5e5, 0, -10, 3.39e6)


@dataclass(frozen=True)
class Painted:
    """What the files hold.

    Attributes:
        leaf: (H, W) leaf index, -1 nodata.
        confidence: Level -> (H, W) per cent.
    """

    folder: Path
    name: str
    taxonomy: Taxonomy
    grid: GeoGrid
    leaf: np.ndarray
    confidence: dict[int, np.ndarray]

    def lonlat(self, row, col):
        """Middle of a pixel."""
        x, y = self.grid.transform @ (col + 0.5, row + 0.5)
        return Transformer.from_crs(self.grid.crs, 4326, always_xy=True).transform(x, y)

    def index(self, row, col, level):
        return self.taxonomy.lift(int(self.leaf[row, col]), level)

    def color(self, row, col, level):
        return self.taxonomy.colors(level)[self.index(row, col, level)]


def paint(
    folder, name="scene", taxonomy="mm5b", shift=0, confidence=True, crs="EPSG:32650", transform=UTM
) -> Painted:
    """Write the maps of one scene; ``shift`` moves the classes on."""
    folder.mkdir(parents=True, exist_ok=True)
    tree = Taxonomy.from_yaml(taxonomy)
    grid = GeoGrid(CRS.from_user_input(crs), transform, (SIDE_PX, SIDE_PX))
    rows, cols = np.mgrid[:SIDE_PX, :SIDE_PX]
    leaf = (rows // BLOCK_PX * 4 + cols // BLOCK_PX + shift) % tree.num_classes[-1]
    leaf[-NODATA_ROWS:] = -1
    sure = {
        1: np.full(leaf.shape, 95),
        2: np.where(cols < 80, 80, 50),
        3: np.where((rows < 80) & (cols < 80), 60, 30),
    }
    for level in range(1, tree.num_levels + 1):
        classes = tree.lift(np.where(leaf < 0, -100, leaf), level)
        values = tree.index_to_value(classes, level).astype(np.uint8)
        raw = _write(folder / "raw.tif", grid, values, tree.nodata_value)
        finalise_class_cog(raw, folder / f"{name}_L{level}.tif", tree, level)
        if confidence:
            raw = _write(folder / "raw.tif", grid, np.where(leaf < 0, 255, sure[level]).astype(np.uint8), 255)
            finalise_per_cent_cog(raw, folder / f"{name}_conf_L{level}.tif")
        raw.unlink()
    properties = {"datetime": "2021-07-14T00:00:00Z", "hierars:taxonomy": tree.to_dict()}
    properties["hierars:source"] = [f"{name}_image.tif"]
    (folder / f"{name}.json").write_text(json.dumps({"type": "Feature", "properties": properties}))
    return Painted(folder, name, tree, grid, leaf, sure)


def _write(path, grid, values, nodata):
    with StripWriter(path, grid, "uint8", nodata) as writer:
        writer.write(values)
    return path


def write_image(painted, path=None):
    """Write an image beside the maps: red rises with the column, green with the row, blue falls."""
    rows, cols = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.uint16)
    path = path or painted.folder / f"{painted.name}_image.tif"
    crs, transform = painted.grid.crs.to_wkt(), painted.grid.transform
    image = np.stack([1000 + 5 * cols, 1000 + 5 * rows, 2000 - 5 * cols])
    return write_raster(path, image, ("red", "green", "blue"), crs=crs, transform=transform)


def tile_pixel(lon, lat, zoom, side_px=512):
    """Tile (x, y) and pixel (column, row) in it of a place, by the definition of Web Mercator."""
    n = 2**zoom
    x = (lon + 180) / 360 * n
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * n
    return (int(x), int(y)), (int(x % 1 * side_px), int(y % 1 * side_px))


def say(painted, row, col):
    """What the map of :func:`add_adaptive` says of a pixel: level and members, level 0 of the unsure."""
    if row < 5:
        return 0, ()
    own = painted.index(row, col, 2)
    sets = [each for each in sibling_sets(painted.taxonomy) if each[0] == 2 and own in each[1]]
    if col < SIDE_PX // 2:
        return 2, (own,)
    return sets[0] if sets else (1, (painted.index(row, col, 1),))


def add_adaptive(painted, promise="Of the pixels that show a class, at most 10 % show a wrong one."):
    """Write an adaptive map: classes of level 2 in the west, sets in the east, nothing in the north."""
    tree = painted.taxonomy
    value_of = {each: value for value, each in enumerate(adaptive_classes(tree, sets=True), start=1)}
    value_of[0, ()] = 0
    pixels = np.ndindex(painted.leaf.shape)
    values = [255 if painted.leaf[place] < 0 else value_of[say(painted, *place)] for place in pixels]
    shown = np.array(values, np.uint8).reshape(painted.leaf.shape)
    raw = _write(painted.folder / "raw.tif", painted.grid, shown, 255)
    finalise_class_cog(
        raw, painted.folder / f"{painted.name}_adaptive.tif", adaptive_taxonomy(tree, sets=True), 1
    )
    raw.unlink()
    item = painted.folder / f"{painted.name}.json"
    content = json.loads(item.read_text())
    content["properties"] |= {
        "hierars:notes": [f"Adaptive map: {promise}"],
        "hierars:options": {"sets": True, "depth_threshold": 0.64, "risk": 0.1},
    }
    item.write_text(json.dumps(content))
