"""What the page can show: the scenes of the folders named at the start, and nothing else."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from morecantile import Tile
from numpy.typing import NDArray

from ..grid import GeoGrid
from ..grid.reprojection import outline
from ..maps import Maps, SceneMaps
from ..maps.styles.stac import geojson_place, lonlat_outline
from ..report.source_image import open_image
from ..scenes.true_color import open_true_color, stretch_between, stretch_limits
from ..taxonomy import RGB
from ..taxonomy.depth import adaptive_taxonomy
from ..types import Bounds
from .reading import as_float, read_preview, read_tile
from .scene_pixels import UNSURE_COLOR


@dataclass(frozen=True)
class Backdrop:
    """An image in true colour.

    Attributes:
        files: File and 1-based band of red, green and blue.
        bands: Their names.
    """

    files: tuple[tuple[Path, int], ...]
    bands: tuple[str, ...]

    @cached_property
    def limits(self) -> tuple[tuple[float, float], ...]:
        """Values that become black and white, per band, from the whole image reduced."""
        planes = np.stack([read_preview(path, band) for path, band in self.files])
        valid = _has_data(planes)
        if not valid.any():
            return ((0.0, 1.0),) * len(self.files)
        return tuple(stretch_limits(plane, valid) for plane in planes)

    def tile(self, tile: Tile) -> tuple[NDArray[np.uint8], NDArray[np.bool_]] | None:
        """Read a tile.

        Returns:
            (3, h, w) uint8 and (h, w) bool where there is data; None outside the image.
        """
        planes = [read_tile(path, tile, band, "bilinear") for path, band in self.files]
        if any(plane is None for plane in planes):
            return None
        stacked = np.stack([as_float(plane) for plane in planes if plane is not None])
        valid = _has_data(stacked)
        colors = [
            stretch_between(plane, valid, limits) for plane, limits in zip(stacked, self.limits, strict=True)
        ]
        return np.stack(colors), valid


def _backdrop(path: Path, sensor: str | None) -> Backdrop:
    with open_true_color(path, sensor) as image:
        files = tuple((Path(layer.file.path), index) for layer in image.layers for index in layer.indexes)
        return Backdrop(files, image.bands)


def _has_data(planes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell pixels with data (h, w): finite in all bands (3, h, w), and not 0 in all of them."""
    valid: NDArray[np.bool_] = np.isfinite(planes).all(axis=0) & (np.nan_to_num(planes) != 0).any(axis=0)
    return valid


#: Web Mercator ends here.
_MAX_LATITUDE = 85.051129
#: Metres per pixel of a tile of 512 px at zoom 0 on the equator.
_ZOOM_0_M = 2 * math.pi * 6378137 / 512


@dataclass(frozen=True)
class View:
    """One scene as the page shows it.

    Attributes:
        number: Its place in the addresses of tiles.
        title: What the page calls it; scenes of the same name carry their folder's.
        scene: The maps.
        backdrop: The image the maps were made from, if it is there.
        bounds: (west, south, east, north) in degrees, as far as the page can show them; east exceeds 180
            where the scene crosses it.
        note: What of the scene the page cannot show; empty where it shows all.
    """

    number: int
    title: str
    scene: SceneMaps
    backdrop: Backdrop | None
    bounds: Bounds
    note: str = ""

    def version(self) -> str:
        """Say in a few letters which files these are: another text whenever one of them has changed.

        In the addresses of tiles it lets browsers keep them, in the keys of kept tiles the server.
        """
        paths = [*self.scene.files, *([] if self.backdrop is None else [p for p, _ in self.backdrop.files])]
        return hashlib.blake2b(repr([_stamp(path) for path in paths]).encode(), digest_size=8).hexdigest()

    @cached_property
    def adaptive_colors(self) -> tuple[RGB, ...]:
        """Colours where levels are mixed: of the unsure, of all classes, coarser ones paler, of sets."""
        tree, sets = self.scene.taxonomy, self.scene.shows_sets
        return adaptive_taxonomy(tree, sets, UNSURE_COLOR).colors(1)

    @property
    def has_depth(self) -> bool:
        """Every level has a confidence, so that a threshold can choose among them."""
        return set(self.scene.levels) == set(self.scene.confidence)

    @property
    def max_zoom(self) -> int:
        """Zoom at which a pixel of the maps is two or more of a tile, so that its edges are sharp."""
        latitude = min(abs(self.bounds[1] + self.bounds[3]) / 2, _MAX_LATITUDE)
        nearest_m = _ZOOM_0_M * math.cos(math.radians(latitude))
        return min(24, max(0, math.ceil(math.log2(nearest_m / self.scene.grid.gsd_m())) + 1))


def find_views(
    sources: Sequence[str | Path], image: Path | None = None, taxonomy: str | Path | None = None
) -> tuple[View, ...]:
    """Find the scenes of some maps, in the order of the sources, in each by name.

    Args:
        sources: Folders that predict wrote to, or class rasters; at least one.
        image: Shown under every map in place of the image that its STAC item names.
        taxonomy: The class tree; default what comes with the maps.

    Raises:
        MissingFileError: A folder or the image does not exist, or a folder holds no map.
        RasterError: A raster cannot be read, or has no place on the Earth.
        TaxonomyError: The class tree of an item is not valid.
    """
    scenes = [scene for source in sources for scene in Maps.open(source, taxonomy)]
    titles, show = _titles(scenes), cache(_backdrop)  # scenes may share an image
    views = []
    for number, scene in enumerate(scenes):
        bounds, note = _shown(scene.grid)
        views.append(View(number, titles[number], scene, open_image(scene, image, show), bounds, note))
    return tuple(views)


def _stamp(path: Path) -> tuple[int, int]:
    """Time and size of a file; nothing while it is being replaced."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _titles(scenes: Sequence[SceneMaps]) -> list[str]:
    """Name every scene; its folder is told, too, and then its place, where names are not enough."""
    names = [scene.name for scene in scenes]
    longer = [
        f"{scene.folder.resolve().name}/{scene.name}" if names.count(scene.name) > 1 else scene.name
        for scene in scenes
    ]
    return [
        f"{title} ({place})" if longer.count(title) > 1 else title
        for place, title in enumerate(longer, start=1)
    ]


def _shown(grid: GeoGrid) -> tuple[Bounds, str]:
    """Return the bounds in degrees that a page in Web Mercator can show, and what it cannot.

    Raises:
        RasterError: The CRS has no relation to the Earth, or the raster lies outside it.
    """
    lonlat = lonlat_outline(outline(grid, grid.crs), grid.crs, grid.gsd_m())
    west, south, east, north = geojson_place(lonlat)[1]
    east = east if east > west else east + 360
    if south >= _MAX_LATITUDE or north <= -_MAX_LATITUDE:
        edge = math.copysign(_MAX_LATITUDE, south)
        note = (
            "Nothing of this scene can be drawn: the page is in Web Mercator, which ends at 85° of latitude."
        )
        south, north = sorted((edge, edge - math.copysign(5, edge)))
        return (west, south, east, north), note
    beyond = max(abs(south), abs(north)) > _MAX_LATITUDE
    note = "What lies beyond 85° of latitude is not drawn: Web Mercator ends there." if beyond else ""
    return (west, max(south, -_MAX_LATITUDE), east, min(north, _MAX_LATITUDE)), note
