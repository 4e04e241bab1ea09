"""SceneSeries: the images of a sensor as series of dates, one for every season of a place."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import shapely
import torch
from geopandas.geodataframe import GeoDataFrame
from matplotlib.figure import Figure
from pyproj import CRS
from torch.nn.functional import pad
from torchgeo.datasets import GeoDataset, IntersectionDataset, stack_samples

from ..errors import DataError
from ..grid import Window
from ..grid.lattice import Lattice
from ..scenes.dates import day_of, interval_of
from ..scenes.outlines import Outlines
from ..scenes.patch import Patch
from ..scenes.series import SeriesPatch, check_shared_ground, read_dates, seasons
from ..types import SeriesRule
from .imagery import SceneRaster
from .intersection import SceneIntersection
from .scene_source import SceneSource


class SceneSeries(SceneSource):
    """Images of one sensor whose samples hold all dates of a season, not one.

    A sample has ``image`` (D, C, H, W), ``valid`` (D, H, W), ``doy`` and ``year`` (D,) int64, dates
    ascending: those of which any pixel is valid, so that D differs from place to place. Scenes of one day are
    a mosaic. Only files of dates that touch the window are opened.

    Args:
        images: The images; every one needs a day.
        rule: Which dates count, and how they become steps.

    Attributes:
        images: The images.
        rule: As given.
        index: One row per season; its ground is that of all its images.

    Raises:
        DataError: An image has no day, none lies in the season, or no two of different days share ground.
    """

    is_image = True
    is_series = True

    def __init__(self, images: SceneRaster, rule: SeriesRule) -> None:
        self.images = images
        self.rule = rule
        self.name = images.name
        self.bands = self.all_bands = images.bands
        self.transforms = images.transforms
        self._day_of = [day_of(scene.acquired, scene.path) for scene in images.scenes]
        self._seasons = seasons(self._day_of, rule)
        if not self._seasons:
            raise DataError(
                f"Expected images from {rule.start or 'any day'} to {rule.end or 'any day'}"
                f"{'' if rule.dates == 'all' else ' at the dates listed'}, but got {len(self._day_of)} from "
                f"{min(self._day_of)} to {max(self._day_of)} (in {images.scenes[0].path}, ...). Correct "
                "start, end and dates of the series."
            )
        self._season_of = {day: season for season, days in self._seasons.items() for day in days}
        self._first_files = {
            season: min(
                scene.path
                for scene, day in zip(images.scenes, self._day_of, strict=True)
                if self._season_of.get(day) == season
            )
            for season in self._seasons
        }
        boxes = images.outlines(images.crs).bounds.tolist()
        within = [pair for pair in zip(self._day_of, boxes, strict=True) if pair[0] in self._season_of]
        check_shared_ground(within, images.scenes[0].path)
        self._move_to(images.lattice)

    @property
    def files(self) -> list[str]:
        """Every file, scene by scene."""
        return self.images.files

    def read(self, lattice: Lattice, window: Window, interval: tuple[int, int] | None) -> SeriesPatch | None:
        """Read a window of any lattice at the dates of an interval; None where no image lies there."""
        by_day: dict[date, list[int]] = {}
        for hit in self.images.hits(lattice, window, interval):
            if self._day_of[hit] in self._season_of:
                by_day.setdefault(self._day_of[hit], []).append(hit)
        if not by_day:
            return None
        days = sorted(by_day)
        first = self._season_of[days[0]][0]
        return read_dates(
            days, first, self.rule, lambda day: self.images.read_scenes(by_day[day], lattice, window)
        )

    def empty(self, window: Window) -> SeriesPatch:
        """Return a series of one date, of which no pixel is valid."""
        patch = Patch.empty(len(self.bands), window, "float32")
        return SeriesPatch(patch.data[None], patch.valid[None], (), (next(iter(self._season_of)),))

    def outlines(self, crs: CRS, around: float | None = None) -> Outlines:
        """Return the ground and the days of every season, in a CRS."""
        scenes = self.images.outlines(crs)
        polygons = []
        for season in self._seasons:
            numbers = [i for i, day in enumerate(self._day_of) if self._season_of.get(day) == season]
            polygons.append(shapely.union_all(scenes.polygons[numbers]))
        return Outlines.of(polygons, [_interval(days) for days in self._seasons.values()])

    def lattice_in(self, crs: CRS) -> Lattice:
        """Return the lattice nearest to that of the first scene, in a CRS."""
        return self.images.lattice_in(crs)

    def _frame(self, crs: CRS) -> GeoDataFrame:
        return self.outlines(crs).frame(crs, {"filepath": [self._first_files[one] for one in self._seasons]})

    def close(self) -> None:
        """Close the files that this process holds open; reading opens them again."""
        self.images.close()

    def __and__(self, other: GeoDataset) -> IntersectionDataset:
        """Intersect with another source (see :class:`SceneIntersection`)."""
        if isinstance(other, (SceneSource, SceneIntersection)):
            return SceneIntersection(self, other)
        return IntersectionDataset(self, other)

    def plot(self, sample: dict[str, Any], suptitle: str | None = None) -> Figure:
        """Draw the date of a sample that shows most."""
        return self.images.plot(sample, suptitle)


def _interval(days: Sequence[date]) -> tuple[int, int]:
    return interval_of(days[0])[0], interval_of(days[-1])[1]


def collate(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make a batch of samples; series are padded at the end to the longest.

    Args:
        samples: Images, or series with ``image`` (D, C, H, W), ``valid`` (D, H, W), ``doy`` and ``year``
            (D,).

    Returns:
        The batch. A date that pads has image 0, valid False, doy 0 and year 0.
    """
    if "doy" not in samples[0]:
        return dict(stack_samples(list(samples)))
    longest = max(len(sample["doy"]) for sample in samples)

    def padded(name: str, value: torch.Tensor) -> torch.Tensor:
        if name not in ("image", "valid", "doy", "year") or len(value) == longest:
            return value
        return pad(value, (0, 0) * (value.ndim - 1) + (0, longest - len(value)))

    return dict(stack_samples([{name: padded(name, v) for name, v in one.items()} for one in samples]))
