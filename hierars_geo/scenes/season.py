"""SeasonScene: all images of a season as one scene that is read date by date."""

import os
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import cast

from ..errors import DataError
from ..grid import Window
from ..output import gdal_env
from ..types import ReadRecipe, SeriesRule, as_day
from .dates import day_of
from .mosaic import Mosaic
from .patch import Patch
from .raster_paths import find_rasters
from .resampling import Interpolation
from .scene import Scene
from .scene_list import find_scenes
from .series import Season, read_step, seasons, steps_of
from .stac import is_stac, scene_addresses


class SeasonScene(Mosaic):
    """Images of one season, of one place or of several side by side.

    Its grid covers all of them. Made by :meth:`of_paths`; :meth:`dates` reads as training did:
    the same days, steps and composites. Only files of dates that touch a window are opened.

    Attributes:
        rule_of_dates: Which dates count.
        season: First and last day.
    """

    rule_of_dates: SeriesRule
    season: Season
    _day_of: list[date]

    @classmethod
    def of_paths(
        cls,
        paths: Sequence[str | os.PathLike[str]],
        recipe: ReadRecipe,
        until: str | None = None,
    ) -> "SeasonScene":
        """Open the images of a season.

        Args:
            paths: Rasters, folders of them (one file per date, or one per band), products, STAC items or
                collections of items.
            recipe: How they are read, and which dates count.
            until: Last day that counts, ``2020-06-30``; None for all.

        Raises:
            MissingFileError: Something named does not exist.
            OptionError: ``until`` is no day.
            DataError: An image has no day, none counts, or they are of several seasons.
            RasterError: An image cannot be read or lacks bands.
        """
        last = None if until is None else as_day(until, "until")
        rule = recipe.series or SeriesRule()
        scenes = _scenes(paths, recipe)
        acquired = {scene.path: day_of(scene.acquired, scene.path) for scene in scenes}
        found = seasons([day for day in acquired.values() if last is None or day <= last], rule)
        if len(found) != 1:
            _refuse_seasons(found, sorted(acquired.values()), rule, until, scenes[0].path)
        ((season, days),) = found.items()
        counted = sorted((scene for scene in scenes if acquired[scene.path] in days), key=lambda s: s.path)
        alone = len(paths) == 1 and Path(paths[0]).is_dir()
        name = Path(paths[0]).resolve().name if alone else None  # of the folder of the first image
        whole = cls.of_scenes(counted, name)
        whole.resampling = cast(Interpolation, recipe.resampling)
        whole.rule_of_dates, whole.season, whole.days = rule, season, days
        whole.acquired = min((s.acquired for s in counted if s.acquired is not None), default=None)
        whole._day_of = [acquired[tile.path] for tile in counted]
        return whole

    def dates(self, windows: Sequence[Window]) -> Iterator[list[tuple[date, Patch] | None]]:
        """Read windows of the scene's own pixels date by date, ascending, as a model of series sees them.

        Which dates a window has depends on the images that touch it, as in training.

        Yields:
            Per date and window its day and what lies there, None for nothing.

        Raises:
            RasterError: A file is damaged.
        """
        self._check_open()
        steps = [self._steps(window) for window in windows]
        for middle in sorted({middle for each in steps for middle in each}):
            with gdal_env():  # left before what is read is handed out: another thread may ask for the next
                found = [
                    self._read_step(window, middle, own.get(middle, ()))
                    for window, own in zip(windows, steps, strict=True)
                ]
            yield found

    def _steps(self, window: Window) -> dict[date, Sequence[date]]:
        """Days of every step of a window, by its middle."""
        touching = sorted({self._day_of[number] for number in self._touching(window)})
        return dict(steps_of(touching, self.season[0], self.rule_of_dates))

    def _read_step(self, window: Window, middle: date, days: Sequence[date]) -> tuple[date, Patch] | None:
        touching = self._touching(window)

        def read_day(day: date) -> Patch | None:
            tiles = [number for number in touching if self._day_of[number] == day]
            patch = self._laid(tiles, window)
            return Patch(patch.filled(0), patch.valid, patch.files)

        return read_step(middle, days, self.rule_of_dates, read_day)


def _scenes(paths: Sequence[str | os.PathLike[str]], recipe: ReadRecipe) -> list[Scene]:
    """Open every image that is named or lies in a folder that is."""
    if not paths:
        raise DataError("Expected at least one image of a season, but got none. Name them, or their folder.")
    named = [address for path in paths for address in scene_addresses(os.fspath(path))]
    scenes = [Scene.from_recipe(item, recipe) for item in named if is_stac(item)]
    if plain := [path for path in named if not is_stac(path)]:
        files, known = find_rasters(plain)
        scenes += find_scenes(files, known, recipe)[0]
    return scenes


def _refuse_seasons(
    found: dict[Season, tuple[date, ...]], days: list[date], rule: SeriesRule, until: str | None, path: str
) -> None:
    if found:
        listed = "; ".join(f"{first} to {last}" for first, last in sorted(found))
        raise DataError(
            f"Expected images of one season, but got those of {len(found)}: {listed} (in {path}, ...). Name "
            "the images of one of them."
        )
    asked = f"from {rule.start or 'any day'} to {until or rule.end or 'any day'}"
    raise DataError(
        f"Expected images {asked}, but got {len(days)} from {days[0]} to {days[-1]} (in {path}, ...). "
        "Give images of the season that the model was trained on, or another --until."
    )
