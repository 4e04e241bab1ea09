"""What the page can show: the scenes of the folders named at the start, and nothing else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pyproj import Transformer
from pyproj.exceptions import CRSError, ProjError

from ..errors import RasterError
from ..grid import GeoGrid
from ..maps import Maps, SceneMaps
from ..types import Bounds
from .backdrop import Backdrop, find_backdrop

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
        bounds: (west, south, east, north) in degrees; east may exceed 180 where the scene crosses it.
    """

    number: int
    title: str
    scene: SceneMaps
    backdrop: Backdrop | None
    bounds: Bounds

    @cached_property
    def version(self) -> str:
        """Changes whenever a file of the scene does: in the addresses, it lets browsers keep tiles."""
        paths = list(self.scene.files)
        if self.backdrop is not None:
            paths += [path for path, _ in self.backdrop.files]
        return f"{max(path.stat().st_mtime_ns for path in paths):x}"

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
    """Find the scenes of some maps.

    Args:
        sources: Folders that predict wrote to, or class rasters; at least one.
        image: Shown under every map in place of the image that its STAC item names.
        taxonomy: The class tree; default what comes with the maps.

    Returns:
        Views in the order of the sources, in each by name.

    Raises:
        MissingFileError: A folder or the image does not exist, or a folder holds no map.
        RasterError: A raster cannot be read, or has no place on the Earth.
        TaxonomyError: The class tree of an item is not valid.
    """
    scenes = [scene for source in sources for scene in Maps.open(source, taxonomy)]
    titles = _titles(scenes)
    return tuple(
        View(number, titles[number], scene, find_backdrop(scene, image), _lonlat(scene.grid))
        for number, scene in enumerate(scenes)
    )


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


def _lonlat(grid: GeoGrid) -> Bounds:
    """Return bounds in degrees.

    Raises:
        RasterError: The CRS has no relation to the Earth, or the raster lies outside it.
    """
    try:
        to_lonlat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
        west, south, east, north = to_lonlat.transform_bounds(*grid.bounds, densify_pts=21, errcheck=True)
    except (CRSError, ProjError) as error:
        raise RasterError(
            f"Expected maps on the Earth, but got bounds {grid.bounds} in '{grid.crs.name}' ({error}). "
            "Check their CRS."
        ) from error
    south, north = max(south, -_MAX_LATITUDE), min(north, _MAX_LATITUDE)
    return west, south, east if east > west else east + 360, north


__all__ = ("View", "find_views")
