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

#: Days of the year on which a crop's seedbed is made (a paddy is flooded), half of its green is there and
#: half of it is gone; in Heilongjiang, whose state farms ended sowing maize on 16 May and soybean on 20 May
#: 2018 (Corn Products China News 2018/5). Wild plants have no seedbed.
_COURSE: Final[Mapping[str, tuple[float, float, float]]] = {
    "paddy": (128, 172, 258),
    "maize": (124, 168, 266),
    "soybean": (130, 180, 252),
    "wheat": (105, 196, 222),
    "vegetables": (128, 160, 262),
    "fallow": (110, 150, 262),
}
_WILD: Final = (-1000.0, 136.0, 272.0)
#: Days in which most of each of these changes happens.
_PACE_DAYS: Final = np.array((3, 7, 5), dtype=np.float32)
#: Standard deviations of shifts in days: of a place and year, of a crop there, and of a field, whose harvest
#: shares half of its sowing's. From 5 to 95 % of a crop's fields of a region are sown in five to six weeks
#: (NASS 1997, Agricultural Handbook 628), which is 3.3 standard deviations.
_YEAR_DAYS, _CROP_DAYS, _FIELD_DAYS = 6.0, 3.0, 9.0
#: Mean and standard deviation of the ground that a full canopy covers.
_VIGOUR: Final = (0.87, 0.1)
#: Crops whose closed canopies look alike, and the share that does: it resembles one crop or another, field by
#: field. Indices saturate beyond a leaf area of 2, of 6.5 in maize and 5.5 in soybean (Nguy-Robertson et al.
#: 2012, Agron. J. 104:1336), and cultivars with one leaf area differ much by their architecture (Pinter et
#: al. 1985, Int. J. Remote Sens. 6, six of wheat).
_CLOSING, _ALIKE = ("paddy", "maize", "soybean", "vegetables"), 0.75
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
    """What plants each object of a layout shows in the course of one year.

    Attributes:
        days: (n, 3) days of the year of half seedbed, green-up and harvest.
        vigour: (n,) share of the ground that a full canopy covers.
        alike: (n, 3) shares of that canopy that look as those of ``materials.CANOPIES`` do.
    """

    days: Field
    vigour: Field
    alike: Field

    @classmethod
    def draw(cls, rng: np.random.Generator, layout: Layout) -> "Growth":
        """Draw the shifts of a year, of its crops and of every field, and how well each grows."""
        course = np.array([_COURSE.get(name, _WILD) for name in MATERIALS])
        course += rng.normal(0, _YEAR_DAYS) + rng.normal(0, _CROP_DAYS, (len(course), 1))
        sown, ripe = rng.normal(0, _FIELD_DAYS, (2, len(layout.materials)))
        shift = np.stack([sown, sown, 0.5 * sown + 0.75**0.5 * ripe], axis=1)
        vigour = np.clip(rng.normal(*_VIGOUR, len(layout.materials)), 0.4, 1)
        closing = np.array([name in _CLOSING for name in MATERIALS])[layout.materials, None]
        alike = _ALIKE * closing * rng.dirichlet((1, 1, 1), len(layout.materials))
        days = course[layout.materials] + shift
        return cls(days.astype(np.float32), vigour.astype(np.float32), alike.astype(np.float32))

    def shares(self, day: date) -> Field:
        """Return (n, 6) shares of spring, summer, autumn and of the canopies of ``alike`` on a day.

        A field shows last year's stubble until its seedbed is made, which spring stands for.
        """
        now = np.float32(day.timetuple().tm_yday)
        bed, grown, gone = (1 / (1 + np.exp((self.days - now) / _PACE_DAYS))).T
        canopy = self.vigour * bed * grown * (1 - gone)
        autumn = 1 - bed + bed * grown * gone
        alike = canopy[:, None] * self.alike
        own = np.stack([1 - canopy - autumn, canopy - alike.sum(axis=1), autumn], axis=1)
        return np.concatenate([own, alike], axis=1).astype(np.float32)


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
    """Darken a column of ``BANDS`` (H, W) by shadows and hide it behind clouds; both are 0..1."""
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
    """Return the days of a scene's acquisitions: about evenly spread over the season, some missing."""
    step = (_LAST_DAY - _FIRST_DAY) / spec.dates
    early = rng.uniform(0, step, spec.dates)
    there = rng.random(spec.dates) >= _MISSING
    there[spec.dates // 2] = True
    numbers = _FIRST_DAY + (np.arange(spec.dates) * step + early)[there]
    return tuple(date(spec.year, 1, 1) + timedelta(days=int(number) - 1) for number in numbers)
