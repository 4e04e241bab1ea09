"""Ground that is asked for: polygons drawn onto pixels, scenes cut to them, ground of splits."""

import math
import os
from collections.abc import Iterator, Sequence
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from .. import polygons as vector_files
from ..errors import DataError, OptionError, list_some
from ..grid import GeoGrid, Window
from ..grid.lattice import Lattice
from ..grid.longitudes import turn_of
from ..grid.reprojection import move, move_polygons
from .left_out import pixels_inside
from .patch import Patch
from .scene import Scene
from .season import SeasonScene

if TYPE_CHECKING:
    from geopandas.geodataframe import GeoDataFrame


class RegionMask:
    """Tells the pixels of a window that lie in a region."""

    def __init__(self, polygons: BaseGeometry) -> None:
        self.polygons = polygons
        shapely.prepare(self.polygons)

    def mask(self, lattice: Lattice, window: Window) -> NDArray[np.bool_] | None:
        """Return which pixels have their centre in the region.

        Returns:
            (h, w) bool, None where all of them do.
        """
        box = shapely.box(*lattice.bounds(window))
        # a box drawn in by a thousandth of a pixel: corners that agree up to rounding count as inside
        if shapely.covers(self.polygons, shapely.buffer(box, -1e-3 * min(lattice.res), join_style="mitre")):
            return None
        grid = lattice.crop(window)
        near = shapely.intersection(self.polygons, box)
        parts = [part for part in shapely.get_parts(near) if part.geom_type == "Polygon" and part.area > 0]
        if not parts:
            return np.zeros(grid.shape, dtype=np.bool_)
        return pixels_inside(parts, grid)


class Regions:
    """Named polygons in the CRS of the maps; they may overlap.

    Args:
        names: Of the regions; equal names are one region.
        polygons: (n,) shapely polygons or multipolygons, one per name.

    Attributes:
        names: Distinct names, in the order they came.

    Raises:
        OptionError: There are none, or not as many names as polygons.
    """

    def __init__(self, names: Sequence[str], polygons: NDArray[np.object_]) -> None:
        if len(names) != len(polygons) or not len(names):
            raise OptionError(
                f"Expected one name per region, at least one, but got {len(names)} for {len(polygons)}."
            )
        self.names = tuple(dict.fromkeys(names))
        number = {name: index for index, name in enumerate(self.names)}
        self._numbers = np.array([number[name] for name in names])
        self._polygons = polygons
        self._tree = shapely.STRtree(polygons)

    def masks(self, grid: GeoGrid, window: Window) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Draw the regions that touch a window.

        Yields:
            Name of a region and its pixels, (h, w): those whose centre lies in one of its polygons.
        """
        part = grid.crop(window)
        near = self._tree.query(shapely.box(*part.bounds))
        for number in np.unique(self._numbers[near]):
            shapes = self._polygons[near[self._numbers[near] == number]].tolist()
            inside = pixels_inside(shapes, part)
            if inside.any():
                yield self.names[number], inside


class SceneRegion(Scene):
    """A scene cut to a region: its grid is the region's window of the scene's pixels.

    Windows that touch the region are read whole, so that a model sees what lies around it; ``wanted`` says
    which pixels are inside. See :class:`.Scene` for the rest.

    Args:
        scene: The scene; it is closed with this one.
        window: The region's, inside the scene.
        polygons: Polygons in the scene's CRS; None for the whole window.
        region: What was asked for, as plain text.
    """

    def __init__(self, scene: Scene, window: Window, polygons: Regions | None, region: str) -> None:
        super().__init__(scene.layers, scene.bands, scene.name, scene.rule, scene.resampling)
        self.acquired, self.days = scene.acquired, scene.days
        self.masks = scene.masks
        self.grid = scene.grid.crop(window)
        self.notes = scene.notes
        self.region = region
        self._scene = scene
        self._window = window
        self._polygons = polygons

    def read(self, where: Window | GeoGrid) -> Patch:
        """Read a window, see :meth:`.Scene.read`; one that does not touch the region holds no data."""
        if not isinstance(where, Window):
            return self._scene.read(where)
        mask = self.wanted(where)
        if mask is not None and not mask.any():
            return Patch.empty(len(self.bands), where, "float32")
        return self._scene.read(where.shifted(self._window.row, self._window.col))

    def dates(self, windows: Sequence[Window]) -> Iterator[list[tuple[date, Patch] | None]]:
        """Read windows of a season date by date, see :meth:`.SeasonScene.dates`."""
        season = cast(SeasonScene, self._scene)  # asked of a season alone
        yield from season.dates([window.shifted(self._window.row, self._window.col) for window in windows])

    def values(self, per_side: int = 3, from_overview: bool = True) -> tuple[NDArray[np.float32], ...]:
        """Read values of the whole scene, see :meth:`.Scene.values`."""
        return self._scene.values(per_side, from_overview)

    @property
    def extent(self) -> Window:
        """All of the scene, in rows and columns of the region."""
        return self._scene.extent.shifted(-self._window.row, -self._window.col)

    def wanted(self, window: Window) -> NDArray[np.bool_] | None:
        """Return the pixels (h, w) of a window whose centres lie in the region, None for all."""
        if self._polygons is None:
            return None
        for _, mask in self._polygons.masks(self.grid, window):
            return mask  # of one name, hence drawn together
        return np.zeros((window.height, window.width), np.bool_)

    def close(self) -> None:
        """Close every file; reading afterwards is an error."""
        self._scene.close()
        super().close()


def cut_to_region(scene: Scene, region: str, crs: str | None = None) -> SceneRegion:
    """Cut a scene to a region.

    Args:
        scene: The scene.
        region: ``LEFT,BOTTOM,RIGHT,TOP``, or the path of a polygon layer with a CRS of its own.
        crs: Of a box, in any form that PROJ knows; None for longitude and latitude.

    Returns:
        The part of the scene whose pixels the region's bounds touch.

    Raises:
        OptionError: The box is none, the region lies outside of the scene, or polygons are given where
            pyogrio is not installed.
        HieraRSError: The polygon layer cannot be read.
    """
    box = _numbers(region)
    if box is None:
        if find_spec("pyogrio") is None:
            raise OptionError(
                f"Expected pyogrio to be installed to read {region}, but it is not. Install it: "
                "pip install pyogrio geopandas; or give the region as left,bottom,right,top."
            )
        shapes = vector_files.read_polygons(region, scene.grid).geometry.to_numpy()
        outline: BaseGeometry = shapely.box(*shapely.total_bounds(shapes))
        polygons: Regions | None = Regions(["region"] * len(shapes), shapes)
        text = shapely.to_wkb(shapely.union_all(shapes), hex=True)
    else:
        outline, text = (
            _moved_box(box, crs or "EPSG:4326", scene.grid, region),
            f"{region} {crs or 'EPSG:4326'}",
        )
        apart = outline.geom_type == "MultiPolygon"  # at both ends of a map of the world
        polygons = Regions(["region"], np.array([outline], dtype=object)) if apart else None
    window = scene.grid.window_around(shapely.get_coordinates(outline).tolist())
    inside = window.intersection(Window(0, 0, *scene.grid.shape))
    if inside is None:
        raise OptionError(
            f"Expected region {region} to touch {scene.name}, but it lies outside: the scene covers "
            f"{tuple(round(value, 6) for value in scene.grid.bounds)} in {scene.grid.crs.name}. "
            "Check the order of the numbers (left,bottom,right,top) and --region-crs."
        )
    return SceneRegion(scene, inside, polygons, text)


def _numbers(region: str) -> tuple[float, float, float, float] | None:
    """Read a box, None where the text is a path."""
    parts = region.replace(",", " ").split()
    try:
        left, bottom, right, top = (float(part) for part in parts)
    except ValueError:
        if Path(region).suffix == "":
            raise OptionError(
                f"Expected region to be LEFT,BOTTOM,RIGHT,TOP or a polygon file, but got '{region}'."
            ) from None
        return None
    if not (left != right and bottom < top and all(map(math.isfinite, (left, bottom, right, top)))):
        raise OptionError(f"Expected region LEFT,BOTTOM,RIGHT,TOP with an area, but got '{region}'.")
    return left, bottom, right, top


def _moved_box(box: tuple[float, float, float, float], crs: str, grid: GeoGrid, region: str) -> BaseGeometry:
    """Move a box onto a grid, its edges as the curves that they are."""
    left, bottom, right, top = box
    try:
        source = CRS.from_user_input(crs)
    except CRSError as error:
        raise OptionError(f"Expected --region-crs to be a CRS, but got '{crs}'.") from error
    if right <= left:
        turn = turn_of(source)
        if turn is None or not right < 0 < left:  # across the 180th meridian, as GeoJSON writes it
            raise OptionError(f"Expected region LEFT,BOTTOM,RIGHT,TOP with an area, but got '{region}'.")
        right += turn
    drawn = np.array([shapely.box(left, bottom, right, top)], dtype=object)
    moved: BaseGeometry = move_polygons(drawn, source, grid.crs, 0.1 * min(grid.res), grid.bounds)[0]
    if moved.is_empty:
        raise OptionError(f"Expected region {region} in {crs} to lie where {grid.crs.name} is defined.")
    return moved


#: Names of the splits in a file's column, as people write them.
_SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def read_region(path: str | os.PathLike[str], crs: CRS) -> BaseGeometry:
    """Read the union of a file's polygons.

    Args:
        path: Vector file, or ``FILE|LAYER``.
        crs: CRS to return them in.

    Raises:
        MissingFileError: It does not exist.
        DataError: It holds no polygon or has no CRS.
    """
    return _ground(_read(path), path, crs)


def read_split_file(path: str | os.PathLike[str], crs: CRS) -> dict[str, BaseGeometry]:
    """Read the ground of every split from one file.

    Args:
        path: Vector file whose column ``split`` says ``train``, ``val`` or ``test`` (or ``validation``, ...)
            of every polygon.
        crs: CRS to return the ground in.

    Raises:
        MissingFileError: It does not exist.
        DataError: It has no such column or no CRS, names another split, or no polygon to train on.
    """
    frame = _read(path)
    if "split" not in frame.columns:
        raise DataError(
            f"Expected a column 'split' that says train, val or test, but got "
            f"{', '.join(map(str, frame.columns))} (in {path}). Add the column."
        )
    words = frame["split"].astype(str).str.strip().str.lower()
    known = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings}
    unknown = sorted(set(words) - set(known))
    if unknown:
        raise DataError(
            f"Expected column 'split' to say train, val or test, but got {list_some(unknown)} "
            f"(in {path}). Correct the column."
        )
    parts = {
        name: _ground(frame[words.map(known) == name], path, crs)
        for name in _SPELLINGS
        if (words.map(known) == name).any()
    }
    if "train" not in parts:
        raise DataError(f"Expected ground to train on, but got {', '.join(parts) or 'none'} (in {path}).")
    return parts


def _read(path: str | os.PathLike[str]) -> "GeoDataFrame":
    return vector_files.read_layer(*vector_files.split_layer(os.fspath(path)))


def _ground(frame: "GeoDataFrame", path: str | os.PathLike[str], crs: CRS) -> BaseGeometry:
    polygons = shapely.union_all(frame.geometry.to_numpy())
    if polygons.area == 0:
        raise DataError(f"Expected polygons, but got {len(frame)} features without an area (in {path}).")
    return move(polygons, CRS(frame.crs), crs)
