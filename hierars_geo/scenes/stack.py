"""SceneStack: several sources of one ground as one scene, read on the pixels of one of them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, OptionError
from ..grid import GeoGrid, Window
from ..grid.reprojection import outline
from ..output import gdal_env
from ..types import ReadRecipe
from .mosaic import Mosaic
from .patch import Patch, stack_channels
from .scene import Scene, ScenePaths
from .season import SeasonScene

#: What is opened as one scene: files of one source, or those of each of several by its name.
SourcePaths: TypeAlias = ScenePaths | Mapping[str, ScenePaths]


class SceneStack(Scene):
    """Scenes of several sources, their channels one after the other, called ``NAME:BAND``.

    A pixel is valid where it is in every source. One of them may be a season; images of the others stand
    beside each of its dates. Made by :func:`open_scene`; see :class:`.Scene` for what it is and can.

    Args:
        sources: By name, in the order of the channels.
        leader: Name of the source whose pixels all are read on.

    Raises:
        DataError: A source shows no ground of the leader.
    """

    def __init__(self, sources: Mapping[str, Scene], leader: str) -> None:
        lead, scenes = sources[leader], tuple(sources.values())
        bands = [f"{name}:{band}" for name, scene in sources.items() for band in scene.bands]
        layers = [layer for scene in scenes for layer in scene.layers]
        super().__init__(layers, bands, lead.name, lead.rule, lead.resampling)
        self.grid = lead.grid
        self._sources = scenes
        self._season = next((scene for scene in scenes if isinstance(scene, SeasonScene)), None)
        self.acquired = (self._season or lead).acquired
        self.days = () if self._season is None else self._season.days
        self.masks = tuple(mask for scene in scenes for mask in scene.masks)
        ground = outline(lead.grid, lead.grid.crs)
        for name, scene in sources.items():
            if not outline(scene.grid, lead.grid.crs).intersection(ground).area:
                raise DataError(
                    f"Expected sources of one ground, but got {name} at {_place(scene.grid)} "
                    f"(in {scene.path}), outside of {leader} at {_place(lead.grid)}. Give images of a place."
                )
            if scene is not lead:
                scene.onto(self.grid)
        self.notes = tuple(f"{name}: {note}" for name, scene in sources.items() for note in scene.notes)

    def _read(self, target: GeoGrid, window: Window) -> Patch:
        return stack_channels(scene._read(target, window) for scene in self._sources)

    def dates(self, windows: Sequence[Window]) -> Iterator[list[tuple[date, Patch] | None]]:
        """Read windows of a season date by date, see :meth:`.SeasonScene.dates`."""
        if self._season is None:
            raise DataError("Expected a source that is a season, but got single images.")
        with gdal_env():
            images = [
                [None if scene is self._season else scene._read(self.grid, window) for window in windows]
                for scene in self._sources
            ]
        for found in self._season.dates(windows):
            yield [
                None if dated is None else (dated[0], _beside(dated[1], [image[number] for image in images]))
                for number, dated in enumerate(found)
            ]

    def values(self, per_side: int = 3, from_overview: bool = True) -> tuple[NDArray[np.float32], ...]:
        """Read values of every source, see :meth:`.Scene.values`."""
        return tuple(channel for scene in self._sources for channel in scene.values(per_side, from_overview))

    def close(self) -> None:
        """Close every file; reading afterwards is an error."""
        for scene in self._sources:
            scene.close()
        super().close()


def _beside(dated: Patch, images: Sequence[Patch | None]) -> Patch:
    """Lay the channels of a date among those of images, in whose order it is None."""
    whole = stack_channels(dated if image is None else image for image in images)
    return Patch(whole.filled(0), whole.valid, whole.files)


def _place(grid: GeoGrid) -> str:
    return f"{tuple(round(edge, 6) for edge in grid.bounds)} in {grid.crs.name}"


def open_scene(
    paths: SourcePaths, recipe: ReadRecipe, mosaic: bool = False, until: str | None = None
) -> Scene:
    """Open what is predicted as one scene, as a recipe says.

    Args:
        paths: As of :meth:`.Scene.open`; of a mosaic its tiles; of a recipe with ``series`` the images of a
            season, as of :meth:`.SeasonScene.of_paths`; of one with ``sources`` a mapping with the same for
            each of them, or a raster of all of its bands.
        recipe: How it is read.
        mosaic: The paths of a source are tiles.
        until: Last day of a season that counts.

    Raises:
        OptionError: A source is missing, or there is none of that name.
        DataError: Sources show no common ground, or images are no season.
        HieraRSError: It cannot be read, or lacks bands.
    """
    if isinstance(paths, Mapping):
        return _stack(paths, recipe, mosaic, until)
    if recipe.series is None and not mosaic:
        return Scene.from_recipe(paths, recipe)
    listed = [paths] if isinstance(paths, str | os.PathLike) else paths
    if recipe.series is None:
        return Mosaic.of_tiles(listed, recipe)
    return SeasonScene.of_paths(listed, recipe, until)


def _stack(
    paths: Mapping[str, ScenePaths], recipe: ReadRecipe, mosaic: bool, until: str | None
) -> SceneStack:
    if set(paths) != set(recipe.sources):
        wanted = f"the sources {', '.join(recipe.sources)}" if recipe.sources else "one image without a name"
        raise OptionError(
            f"Expected {wanted}, as the model was trained with, but got {', '.join(paths) or 'none'}."
        )
    opened: dict[str, Scene] = {}
    try:
        for name, own in recipe.sources.items():
            opened[name] = open_scene(paths[name], own, mosaic, until)
        return SceneStack(opened, recipe.grid or next(iter(opened)))
    except BaseException:
        for scene in opened.values():
            scene.close()
        raise
