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
