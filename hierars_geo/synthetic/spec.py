"""What a synthetic scene is to be: place, size, seed, sensors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from ..errors import OptionError
from .sensors import SENSOR_NAMES, SensorName

#: Every sensor's pixels, and the tiles of a place, fit this raster of the ground.
SNAP_M: Final = 20.0
#: Smallest side; below it there is no room for a landscape.
MIN_SIZE_M: Final = 500.0
#: Dates of a season: one every second day.
MOST_DATES: Final = 92

SceneImages: TypeAlias = Mapping[SensorName, Path]


@dataclass(frozen=True)
class PlaceSpec:
    """A square place.

    Attributes:
        name: Name of the scene; also of its folder and the start of its files' names.
        size_m: Side in metres, a multiple of 20.
        seed: Another seed is another place; the same seed gives the same bytes.
        crs: Projected CRS in metres, as an authority code.
        origin: (x, y) of the upper-left corner in the CRS, multiples of 20.
        nodata_corner: Whether a swath's edge cuts a corner off every image (never off the labels).
        haze: Strength of the haze, 0 for clear air, 1 for a milky sky.
    """

    name: str
    size_m: float = 7680.0
    seed: int = 0
    crs: str = "EPSG:32650"
    origin: tuple[float, float] = (240_000.0, 3_390_000.0)
    nodata_corner: bool = True
    haze: float = 0.35

    def __post_init__(self) -> None:
        if not self.name or Path(self.name).name != self.name or self.name.startswith("."):
            raise OptionError(
                f"Expected name to be a plain file name, but got '{self.name}'. Leave out folders."
            )
        _check_multiple("size_m", self.size_m, MIN_SIZE_M)
        for value in self.origin:
            if not math.isfinite(value) or value % SNAP_M:
                raise OptionError(
                    f"Expected origin to be multiples of {SNAP_M:g} m, but got {self.origin}. "
                    "Round it, so that the grids of all sensors share a corner."
                )
        if self.seed < 0:
            raise OptionError(f"Expected seed to be 0 or more, but got {self.seed}. Choose another number.")
        if not 0.0 <= self.haze <= 1.0:
            raise OptionError(f"Expected haze to be within 0..1, but got {self.haze}. 0.35 is a usual day.")


@dataclass(frozen=True)
class SceneSpec(PlaceSpec):
    """An MM-5B land-cover scene.

    Attributes:
        sensors: Which images to make.
        google_size_m: Largest side of the 1 m image, which lies in the middle of the scene.
    """

    sensors: tuple[SensorName, ...] = SENSOR_NAMES
    google_size_m: float = 2500.0

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.sensors if name not in SENSOR_NAMES]
        if unknown or not self.sensors or len(set(self.sensors)) < len(self.sensors):
            raise OptionError(
                f"Expected sensors to be some of {', '.join(SENSOR_NAMES)}, each once, "
                f"but got {list(self.sensors)}. Correct the list."
            )
        _check_multiple("google_size_m", self.google_size_m, SNAP_M)


@dataclass(frozen=True)
class CropSpec(PlaceSpec):
    """A Crop10m scene: Sentinel-2 over the plain of Heilongjiang in August 2019, and a season if asked for.

    Attributes:
        dates: Acquisitions of a season, of which some are missing; 0 for none.
        year: Of the season: plants are early or late.
        clouds: Share of the season's pixels that clouds cover, 0..1.
    """

    crs: str = "EPSG:32652"
    origin: tuple[float, float] = (612_000.0, 5_200_000.0)
    dates: int = 0
    year: int = 2019
    clouds: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.dates <= MOST_DATES:
            raise OptionError(f"Expected dates to be 0..{MOST_DATES}, but got {self.dates}.")
        if not 0.0 <= self.clouds <= 1.0:
            raise OptionError(f"Expected clouds to be a share 0..1, but got {self.clouds}.")


@dataclass(frozen=True)
class SceneFiles:
    """Files of one scene.

    Attributes:
        name: The scene's name.
        labels: Label raster.
        images: Image of each sensor.
        season: Images of a season, one per date, each followed by its scene classification.
    """

    name: str
    labels: Path
    images: SceneImages = field(default_factory=dict)
    season: tuple[Path, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file."""
        return (self.labels, *self.images.values(), *self.season)


def _check_multiple(name: str, value: float, least: float) -> None:
    if not math.isfinite(value) or value < least or value % SNAP_M:
        nearest = max(least, round(value / SNAP_M) * SNAP_M) if math.isfinite(value) else least
        raise OptionError(
            f"Expected {name} to be a multiple of {SNAP_M:g} m and at least {least:g}, but got {value:g}. "
            f"Take {nearest:g}."
        )
