"""Let a sensor look at a surface, strip by strip."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .layout import View
from .noise import Field, NoiseField
from .season import through_clouds
from .sensors import SensorModel, block_mean, digitise, spread, through_air
from .surface import Surface

#: Pixels rendered around a strip, so that the point spread does not stop at its edge.
_MARGIN_PX = 3


@dataclass(frozen=True, eq=False)
class Atmosphere:
    """Air and swath at the moment of one acquisition.

    Attributes:
        haze: Field of haze; its mean amount is ``amount``.
        amount: Strength of the haze, 0..1.
        shade: Field of thin-cloud shade.
        edge: (a, b, c) of the swath's edge: ground with ``a x + b y < c`` was not seen; None where all was.
    """

    haze: NoiseField
    amount: float
    shade: NoiseField
    edge: tuple[float, float, float] | None

    @classmethod
    def draw(cls, rng: np.random.Generator, view: View, amount: float, corner: bool) -> "Atmosphere":
        """Draw the air of one acquisition, and a swath edge that cuts one corner off ``view``."""
        haze = NoiseField.draw(rng, 350.0, smooth=3.0, nodes=128)
        shade = NoiseField.draw(rng, 250.0, smooth=2.5, nodes=128)
        left, upper, right, lower = view.bounds
        at = int(rng.integers(4))
        angle = (45.0 + rng.normal(0, 14)) * np.pi / 180
        depth = rng.uniform(0.1, 0.16) * (right - left)
        x, a = (left, np.cos(angle)) if at % 2 == 0 else (right, -np.cos(angle))
        y, b = (upper, np.sin(angle)) if at < 2 else (lower, -np.sin(angle))
        edge = (float(a), float(b), float(a * x + b * y + depth))
        return cls(haze, amount, shade, edge if corner else None)

    def over(self, view: View) -> tuple[Field, Field]:
        """Haze and shade over a view, both (H, W) and not negative."""
        haze = np.float32(self.amount) * np.exp(0.45 * self.haze.on_grid(view.ys, view.xs))
        shade = np.clip(0.09 * (self.shade.on_grid(view.ys, view.xs) - 1.0), 0.0, 0.2)
        return np.asarray(haze, np.float32), np.asarray(shade, np.float32)

    def unseen(self, view: View) -> NDArray[np.bool_]:
        """(H, W) True where the swath did not reach."""
        if self.edge is None:
            return np.zeros((view.height, view.width), dtype=bool)
        a, b, c = self.edge
        return np.asarray(a * view.xs[None, :] + b * view.ys[:, None] < c)


def strips_of(view: View, rows: int) -> Iterator[tuple[int, View]]:
    """Cut a view into strips of at most ``rows`` rows: (first row, strip)."""
    for row in range(0, view.height, rows):
        height = min(rows, view.height - row)
        yield row, View(view.x_m, view.y_m + row * view.res_m, view.width, height, view.res_m)


def _fine(view: View, subsamples: int) -> View:
    margin = _MARGIN_PX * view.res_m
    return View(
        view.x_m - margin,
        view.y_m - margin,
        (view.width + 2 * _MARGIN_PX) * subsamples,
        (view.height + 2 * _MARGIN_PX) * subsamples,
        view.res_m / subsamples,
    )


def acquire(
    surface: Surface,
    sensor: SensorModel,
    atmosphere: Atmosphere,
    view: View,
    rng: np.random.Generator,
    stages: Field | None = None,
    hidden: tuple[Field, Field] | None = None,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Take a picture of a view: (bands, H, W) digital numbers, 0 where the swath did not reach.

    The ground is rendered on a grid ``subsamples`` times finer and averaged, so pixels on borders are mixed.

    Args:
        surface: The ground.
        sensor: Who looks.
        atmosphere: Air and swath.
        view: Its pixels.
        rng: Source of grain and noise.
        stages: (n, 6) shares of seasons in every object, see :meth:`.Surface.reflectance`; None for the
            sensor's season.
        hidden: Thickness of clouds and darkness of shadows (H, W); None for a clear sky.
    """
    figures, season = sensor.bands, sensor.season if stages is None else stages
    bands = surface.reflectance(_fine(view, sensor.subsamples), season, figures.columns, rng)
    haze, shade = atmosphere.over(view)
    unseen = atmosphere.unseen(view)
    inner = slice(_MARGIN_PX, -_MARGIN_PX)
    numbers = np.zeros((len(figures.names), view.height, view.width), dtype=sensor.dtype)
    for i, band in enumerate(bands):
        pixels = spread(block_mean(band, sensor.subsamples), figures.blur_px[i])[inner, inner]
        if hidden is not None:
            pixels = through_clouds(pixels, figures.columns[i], *hidden)
        numbers[i] = digitise(sensor, i, through_air(pixels, haze, figures.path[i], shade), rng)
    numbers[:, unseen] = 0
    return numbers
