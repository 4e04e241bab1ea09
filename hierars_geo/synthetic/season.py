"""Seasons of a crop scene: how plants grow from day to day, and what clouds leave of it.

Every crop has its own days of green-up and harvest; a year shifts all of them and each crop a little more,
and every field was sown on a day of its own. So what is in a field is told by its course, not by a picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta  # type: ignore[attr-defined]

from .layout import Layout, View
from .materials import MATERIALS
from .noise import Field, NoiseField
from .sensors import block_mean
from .spec import CropSpec

#: Day of the year on which half of the green is there, and on which half of it is gone; in Heilongjiang.
_COURSE: Final[Mapping[str, tuple[float, float]]] = {
    "paddy": (172, 258),
    "maize": (168, 266),
    "soybean": (180, 252),
    "wheat": (196, 222),
    "vegetables": (160, 262),
    "fallow": (150, 262),
}
#: Of all other plants.
_WILD: Final = (136.0, 272.0)
#: Days in which most of a change happens, of green-up and of harvest.
_PACE_DAYS: Final = (7.0, 5.0)
#: Standard deviations of the shift of a year, of a crop in a year, and of a field, in days.
_YEAR_DAYS, _CROP_DAYS, _FIELD_DAYS = 6.0, 3.0, 4.0
#: First and last day of acquisitions, as days of the year.
_FIRST_DAY, _LAST_DAY = 105, 290
#: Share of acquisitions that are missing.
_MISSING: Final = 0.12
#: Distance of a cloud's shadow from it, metres.
_SHADOW_M: Final = (420.0, 260.0)
#: Reflectance of a thick cloud, per column of ``materials.BANDS``.
_CLOUD: Final = np.array((58, 57, 57, 58, 59, 60, 61, 61, 45, 34), dtype=np.float32) / 100
#: Values of Sentinel-2's scene classification.
_SHADOW, _VEGETATION, _BARE, _WATER, _CLOUD_MEDIUM, _CLOUD_HIGH, _CIRRUS = 3, 4, 5, 6, 8, 9, 10
#: NDVI of vegetation, and near infrared (as stored) of water.
_GREEN, _DARK = 0.4, 900


@dataclass(frozen=True)
class Growth:
    """When each object of a layout turns green and is harvested, in one year.

    Attributes:
        green: (n,) day of the year of half green-up.
        harvest: (n,) day of the year of half harvest.
    """

    green: Field
    harvest: Field

    @classmethod
    def draw(cls, rng: np.random.Generator, layout: Layout) -> "Growth":
        """Draw the shifts of a year, of its crops and of every field."""
        course = np.array([_COURSE.get(name, _WILD) for name in MATERIALS], dtype=np.float32)
        year = rng.normal(0, _YEAR_DAYS) + rng.normal(0, _CROP_DAYS, (len(course), 1))
        field = rng.normal(0, _FIELD_DAYS, len(layout.materials))
        days = (course + year.astype(np.float32))[layout.materials] + field.astype(np.float32)[:, None]
        return cls(days[:, 0], days[:, 1])

    def shares(self, day: date) -> Field:
        """Return (n, 3) shares of spring, summer and autumn in each object on a day."""
        now = np.float32(day.timetuple().tm_yday)
        grown = 1 / (1 + np.exp(-(now - self.green) / np.float32(_PACE_DAYS[0])))
        gone = 1 / (1 + np.exp(-(now - self.harvest) / np.float32(_PACE_DAYS[1])))
        return np.stack([1 - grown, grown * (1 - gone), grown * gone], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Clouds:
    """Clouds of one acquisition, and their shadows.

    Attributes:
        field: Where they are thick.
        least: Value of the field from which on there is cloud; infinite for a clear day.
    """

    field: NoiseField
    least: float

    @classmethod
    def draw(cls, rng: np.random.Generator, view: View, share: float) -> "Clouds":
        """Draw clouds that cover a share of a view."""
        field = NoiseField.draw(rng, 60.0, smooth=2.2, octaves=3, nodes=256)
        step = max(1, view.width // 96)
        coarse = field.on_grid(view.ys[::step], view.xs[::step])
        least = float(np.quantile(coarse, 1 - share)) if share > 0.005 else float("inf")
        return cls(field, least)

    def over(self, view: View) -> tuple[Field, Field]:
        """Return thickness of clouds and darkness of shadows (H, W), both 0..1."""
        cloud, shadow = (
            np.clip((self.field.on_grid(view.ys - dy, view.xs - dx) - self.least) / 0.5, 0, 1)
            for dx, dy in ((0.0, 0.0), _SHADOW_M)
        )
        return cloud.astype(np.float32), shadow.astype(np.float32)


def cloud_shares(rng: np.random.Generator, count: int, mean: float) -> list[float]:
    """Draw the cloud of every date: ``mean`` on average, on many days nothing or nearly all."""
    if not 0 < mean < 1:
        return [mean] * count
    even = (rng.permutation(count) + rng.random(count)) / count  # so that a short season keeps the mean
    return [float(share) for share in beta.ppf(even, 0.9 * mean, 0.9 * (1 - mean))]


def through_clouds(band: Field, column: int, cloud: Field, shadow: Field) -> Field:
    """Darken the ground by shadows and hide it behind clouds.

    Args:
        band: (H, W) reflectance.
        column: Column of ``materials.BANDS``.
        cloud: (H, W) thickness, 0..1.
        shadow: (H, W) darkness, 0..1.
    """
    return np.asarray(band * (1 - np.float32(0.65) * shadow) * (1 - cloud) + _CLOUD[column] * cloud)


def scene_classes(numbers: NDArray[np.unsignedinteger], cloud: Field, shadow: Field) -> NDArray[np.uint8]:
    """Classify pixels as Sentinel-2's processor does: thin edges of clouds are missed, as by it.

    Args:
        numbers: (10, H, W) digital numbers, 0 where not seen.
        cloud: (H, W) thickness of clouds.
        shadow: (H, W) darkness of shadows.

    Returns:
        (H // 2, W // 2) values of SCL at twice the pixel size.
    """
    red, infrared, thick, dark = (block_mean(values, 2) for values in (numbers[2], numbers[6], cloud, shadow))
    ndvi = (infrared - red) / np.maximum(infrared + red, 1)
    classes = np.where(ndvi > _GREEN, _VEGETATION, _BARE)
    classes[infrared < _DARK] = _WATER
    classes[dark > 0.4] = _SHADOW
    for least, value in ((0.12, _CIRRUS), (0.3, _CLOUD_MEDIUM), (0.6, _CLOUD_HIGH)):
        classes[thick > least] = value
    classes[block_mean(numbers.min(axis=0) == 0, 2) > 0] = 0
    return classes.astype(np.uint8)


def acquisition_days(spec: CropSpec, rng: np.random.Generator) -> tuple[date, ...]:
    """Return the days of a scene's acquisitions: about evenly spread over the season, some of them missing.

    Args:
        spec: With ``dates`` of ``year``.
        rng: Source of the days.
    """
    step = (_LAST_DAY - _FIRST_DAY) / spec.dates
    early = rng.uniform(0, step, spec.dates)
    there = rng.random(spec.dates) >= _MISSING
    there[spec.dates // 2] = True
    numbers = _FIRST_DAY + (np.arange(spec.dates) * step + early)[there]
    return tuple(date(spec.year, 1, 1) + timedelta(days=int(number) - 1) for number in numbers)
