"""What each sensor does to the ground's reflectance: resolution, blur, haze, noise, digital numbers, date.

All steps are functions of arrays; a sensor is a frozen table of figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter  # type: ignore[attr-defined]

from .materials import Stage
from .noise import Field

SensorName: TypeAlias = Literal["sentinel2", "gaofen2", "google_earth"]
SENSOR_NAMES: Final[tuple[SensorName, ...]] = get_args(SensorName)

#: Light scattered into the line of sight by one unit of haze, reflectance per column of ``materials.BANDS``.
_PATH = (0.062, 0.046, 0.036, 0.031, 0.027, 0.024, 0.021, 0.019, 0.006, 0.003)


@dataclass(frozen=True)
class SensorBands:
    """A sensor's figures of each band, in the order of the file.

    Attributes:
        names: As written into the file.
        columns: Columns of ``materials.BANDS``.
        blur_px: Standard deviations of the point spread beyond the pixel's own area, pixels.
        gain: Digital numbers per reflectance.
        offset: Digital numbers at reflectance 0.
    """

    names: tuple[str, ...]
    columns: tuple[int, ...]
    blur_px: tuple[float, ...]
    gain: tuple[float, ...]
    offset: tuple[float, ...]

    @property
    def path(self) -> tuple[float, ...]:
        """Reflectance that one unit of haze adds, per band."""
        return tuple(_PATH[column] for column in self.columns)


@dataclass(frozen=True)
class SensorModel:
    """A sensor's figures.

    Attributes:
        name: Key in :data:`SENSORS`.
        suffix: What its files' names end with.
        title: Full name, for the file's metadata.
        res_m: Pixel size.
        subsamples: Fine cells per pixel and side that a pixel is the mean of.
        bands: Figures of the bands.
        season: Season of the plants on the picture, or shares of seasons.
        first_day: Earliest acquisition; the day itself is drawn within ``SPAN_DAYS`` after it.
        time: Time of day of the acquisition, HH:MM:SS.
        gamma: Exponent applied to reflectance first; 1 for measuring sensors.
        noise: Standard deviation of the noise at reflectance 0, reflectance.
        relative_noise: Further noise per reflectance.
        dtype: Type of the digital numbers.
    """

    name: SensorName
    suffix: str
    title: str
    res_m: float
    subsamples: int
    bands: SensorBands
    season: Stage
    first_day: date
    time: str
    gamma: float
    noise: float
    relative_noise: float
    dtype: Literal["uint8", "uint16"]


#: Days after ``first_day`` within which a scene is acquired.
SPAN_DAYS: Final = 24

_SENTINEL2 = SensorModel(
    name="sentinel2",
    suffix="S2",
    title="synthetic Sentinel-2 MSI, surface reflectance x 10000",
    res_m=10.0,
    subsamples=5,
    bands=SensorBands(
        names=("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
        columns=tuple(range(10)),
        # The red-edge and short-wave bands are 20 m bands resampled to 10 m.
        blur_px=(0.35, 0.35, 0.35, 0.75, 0.75, 0.75, 0.35, 0.75, 0.75, 0.75),
        gain=(10_000.0,) * 10,
        offset=(0.0,) * 10,
    ),
    season="summer",
    first_day=date(2019, 8, 1),
    time="03:05:41",
    gamma=1.0,
    noise=0.0012,
    relative_noise=0.012,
    dtype="uint16",
)
_GAOFEN2 = SensorModel(
    name="gaofen2",
    suffix="GF2",
    title="synthetic GaoFen-2 PMS multispectral, digital numbers",
    res_m=4.0,
    subsamples=2,
    bands=SensorBands(
        names=("Blue", "Green", "Red", "NIR"),
        columns=(0, 1, 2, 6),
        blur_px=(0.45, 0.45, 0.45, 0.45),
        # Chosen so that a scene's mean and spread come near those of the real archive.
        gain=(1700.0, 1720.0, 1530.0, 900.0),
        offset=(280.0, 151.0, 97.0, 117.0),
    ),
    season="spring",
    first_day=date(2019, 4, 22),
    time="03:21:09",
    gamma=1.0,
    noise=0.002,
    relative_noise=0.015,
    dtype="uint16",
)
_GOOGLE_EARTH = SensorModel(
    name="google_earth",
    suffix="GE",
    title="synthetic RGB mosaic as of Google Earth",
    res_m=1.0,
    subsamples=2,
    bands=SensorBands(
        names=("Red", "Green", "Blue"),
        columns=(2, 1, 0),
        blur_px=(0.5, 0.5, 0.5),
        gain=(680.0, 680.0, 680.0),
        offset=(0.0, 0.0, 0.0),
    ),
    season="autumn",
    first_day=date(2018, 10, 3),
    time="03:40:00",
    gamma=0.8,
    noise=0.002,
    relative_noise=0.02,
    dtype="uint8",
)

SENSORS: Final[Mapping[SensorName, SensorModel]] = {
    model.name: model for model in (_SENTINEL2, _GAOFEN2, _GOOGLE_EARTH)
}


def acquisition_day(sensor: SensorModel, rng: np.random.Generator) -> date:
    """Draw the day on which a scene was acquired."""
    return sensor.first_day + timedelta(days=int(rng.integers(0, SPAN_DAYS)))


def block_mean(fine: NDArray[np.generic], factor: int) -> Field:
    """Average ``factor`` x ``factor`` cells, what a detector that sees just its own pixel measures: (H, W).

    Rows and columns beyond whole pixels are left out.
    """
    rows, columns = fine.shape[0] // factor, fine.shape[1] // factor
    blocks = fine[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def spread(band: Field, blur_px: float) -> Field:
    """Let light from neighbouring pixels leak in (Gaussian point spread, truncated at three pixels)."""
    return np.asarray(gaussian_filter(band, blur_px, mode="nearest", radius=3))


def through_air(band: Field, haze: Field, path: float, shade: Field) -> Field:
    """Dim by thin-cloud shade and add haze: less contrast, more scattered light in short wavelengths.

    Args:
        band: (H, W) surface reflectance.
        haze: (H, W) amount of haze, 0 for clear air, about 1 for a milky sky.
        path: Reflectance that one unit of haze adds.
        shade: (H, W) share of the direct light that is missing, 0..1.
    """
    return np.asarray(band * (1 - shade) * (1 - 0.25 * haze) + np.float32(path) * haze)


def digitise(
    sensor: SensorModel, index: int, band: Field, rng: np.random.Generator
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Add the detector's noise to reflectance (H, W) and turn it into digital numbers of at least 1.

    0 is nodata; ``index`` says which of the sensor's bands it is.
    """
    sigma = np.float32(sensor.noise) + np.float32(sensor.relative_noise) * band
    seen = np.clip(band + sigma * rng.standard_normal(band.shape, dtype=np.float32), 0.0, None)
    numbers = sensor.bands.offset[index] + sensor.bands.gain[index] * seen ** np.float32(sensor.gamma)
    top = np.iinfo(sensor.dtype).max
    whole: NDArray[np.uint8] | NDArray[np.uint16] = np.clip(np.rint(numbers), 1, top).astype(sensor.dtype)
    return whole
