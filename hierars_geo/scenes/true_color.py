"""True colour: which bands are red, green and blue, by the sensor's own entry, and how they are stretched."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from ..errors import OptionError, RasterError
from ..grid import GeoGrid
from .bands import canonical_band
from .dataset import open_dataset
from .patch import Patch
from .products import read_product_name
from .raster_file import overview_of
from .resampling import AVERAGE_FROM
from .scene import Scene
from .sensors import GENERIC, Sensor, find_sensor, sensor_names

RGB_NAMES: tuple[str, ...] = ("red", "green", "blue")
#: What bands are called where nothing but their numbers tells: as of Sentinel-2 and Landsat 8.
_BY_NUMBER = ("B04", "B03", "B02")
#: The colours as words in longer names: "Band 3 (red)", but not "red edge".
_WORDS = tuple(re.compile(rf"(?<![a-z]){word}(?![a-z])(?![ _-]?edge)", re.IGNORECASE) for word in RGB_NAMES)
_STRETCH_PER_CENT = (2, 50, 90, 95, 98)
#: Highlights begin this many times as far from the median as the 90th percentile (of a normal distribution
#: at 3.8 standard deviations: nothing is cut there).
_HIGHLIGHTS = 3.0
Float = NDArray[np.float32]


def rgb_channels(bands: Sequence[str], sensor: str | None = None) -> tuple[int, int, int] | None:
    """Find red, green and blue among the names of channels.

    The sensor's own entry of the catalog decides; without a sensor the words red, green and blue, then the
    sensors whose published stacks have just these bands, where they agree (Landsat 5 and 7: B03, B02, B01),
    then B04, B03, B02.

    Args:
        bands: Names, canonical or as a file describes them; those of an intersection may stand after a dot.
        sensor: Entry of the catalog, or a YAML file; None where nobody knows.

    Returns:
        Positions in ``bands``, None where a colour is missing.

    Raises:
        OptionError: There is no such sensor.

    Examples:
        >>> rgb_channels(["B01", "B02", "B03", "B04"], "landsat5"), rgb_channels(["blue", "green", "red"])
        ((2, 1, 0), (2, 1, 0))
    """
    own = [re.split(r"[.:/]", name)[-1] for name in bands]
    if sensor is not None and (entry := find_sensor(sensor)).rgb:
        return _positions(entry.rgb, [entry.canonical(name) for name in own])
    words = [[i for i, name in enumerate(own) if word.search(name)] for word in _WORDS]
    if all(len(found) == 1 for found in words):
        return words[0][0], words[1][0], words[2][0]
    canonical = [canonical_band(name) for name in own]
    known = {entry.rgb for entry in _sensors_with_color() if tuple(canonical) in entry.stacks}
    wanted = next(iter(known)) if len(known) == 1 else _BY_NUMBER
    return _positions(wanted, canonical)


def _positions(wanted: Sequence[str], names: Sequence[str]) -> tuple[int, int, int] | None:
    if not all(name in names for name in wanted):
        return None
    red, green, blue = (names.index(name) for name in wanted)
    return red, green, blue


def open_true_color(path: Path, sensor: str | None = None) -> Scene:
    """Open the red, green and blue bands of an image as three channels; ``bands`` say how they are called.

    Args:
        path: One raster, or a folder with one raster per band, or a STAC item.
        sensor: Entry of the catalog; None for that whose product the name is, or for what the bands say.

    Raises:
        MissingFileError: No such file.
        RasterError: It cannot be read, or nothing says which of its bands are red, green and blue.
    """
    reasons = []
    for bands, name in _guesses(path, sensor):
        try:
            return Scene.open(path, sensor=name, bands=bands)
        except RasterError as error:
            reasons.append(str(error))
    raise RasterError(
        f"Expected an image with bands named red, green, blue or B04, B03, B02, but got {reasons[-1]} "
        "Write the names into the band descriptions, or name the sensor."
    )


def _guesses(path: Path, sensor: str | None) -> Iterator[tuple[Sequence[str] | dict[str, int], str | None]]:
    """Yield bands to open and the sensor to open them with, the likeliest first."""
    entry = _sensor_of(path, sensor)
    if entry is not None:
        yield entry.rgb, entry.name
    if path.is_file() and path.suffix.lower() != ".json":
        with open_dataset(str(path)) as dataset:
            described = [name or "" for name in dataset.descriptions]
            colors = [kind.name for kind in dataset.colorinterp]
        channels, names = rgb_channels(described), RGB_NAMES
        if channels is None:
            channels = _positions(RGB_NAMES, colors)
        elif not _WORDS[0].search(described[channels[0]]):
            names = tuple(canonical_band(described[i]) for i in channels)
        if channels is not None:
            yield {name: i + 1 for name, i in zip(names, channels, strict=True)}, None
            return
    yield RGB_NAMES, None
    yield _BY_NUMBER, None


def _sensor_of(path: Path, told: str | None) -> Sensor | None:
    """The sensor that somebody names, else that whose product the name is; None where it has no colours."""
    if told is not None:
        entry = find_sensor(told)
        return entry if entry.rgb else None
    for entry in _sensors_with_color():
        if read_product_name(str(path), entry.product_names) is not None:
            return entry
    return None


@cache
def _sensors_with_color() -> tuple[Sensor, ...]:
    known = (find_sensor(name) for name in sensor_names() if name != GENERIC.name)
    return tuple(sensor for sensor in known if sensor.rgb)


def read_reduced(scene: Scene, extent: GeoGrid, shape: tuple[int, int]) -> Patch:
    """Read a picture of a scene: averaged, from overviews where its files have them.

    Args:
        scene: The scene.
        extent: What is shown, in any CRS.
        shape: (height, width) of the picture.

    Raises:
        RasterError: A file is damaged.
    """
    pixels = Affine.scale(extent.width / shape[1], extent.height / shape[0])
    grid = GeoGrid(extent.crs, extent.transform @ pixels, shape)
    shown_m = grid.gsd_m()
    layers = [
        layer  # an overview has averaged what its scales are no longer those of
        if layer.scales
        else replace(layer, file=overview_of(layer.file, shown_m / layer.file.grid.gsd_m() / AVERAGE_FROM))
        for layer in scene.layers
    ]
    with Scene(layers, scene.bands, scene.name, scene.rule, scene.resampling) as small:
        return small.read(grid)


def true_color(
    image: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[str], sensor: str | None = None
) -> NDArray[np.uint8]:
    """Stretch the red, green and blue channels of a sample for the eye.

    Args:
        image: (C, H, W) stored values.
        valid: (H, W); invalid pixels become white.
        bands: Names of the channels. Without red, green and blue the first three are shown, or the only one
            in grey.
        sensor: Entry of the catalog, None where nobody knows.

    Returns:
        (H, W, 3) uint8; each band between its :func:`stretch_limits`.
    """
    try:
        found = rgb_channels(bands, sensor)
    except OptionError:  # a sensor file of another machine, named in a checkpoint
        found = rgb_channels(bands)
    channels = found or ((0, 1, 2) if len(image) >= 3 else (0, 0, 0))
    picture = np.full((*valid.shape, 3), 255, dtype=np.uint8)
    if valid.any():
        for i, channel in enumerate(channels):
            picture[..., i][valid] = stretch(image[channel].astype(np.float32), valid)[valid]
    return picture


def stretch(plane: Float, valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Map the values between the :func:`stretch_limits` of the valid pixels to 0..255.

    Args:
        plane: (h, w) float32.
        valid: (h, w) bool with at least one True.

    Returns:
        (h, w) uint8, 0 where not valid.
    """
    return stretch_between(plane, valid, stretch_limits(plane, valid))


def stretch_limits(plane: Float, valid: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the values that become black and white: the 2nd and 98th percentile of the valid pixels.

    Bright roofs, clouds or sand on a few per cent of the ground would leave all else dark: white comes
    earlier where the 98th percentile lies far beyond the rest, but not before the 95th.

    Args:
        plane: (h, w) float32.
        valid: (h, w) bool with at least one True.
    """
    low, middle, upper, highlight, high = np.percentile(plane[valid], _STRETCH_PER_CENT)
    return float(low), float(max(highlight, min(high, middle + _HIGHLIGHTS * (upper - middle))))


def stretch_between(plane: Float, valid: NDArray[np.bool_], limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Map the values between two limits to 0..255.

    Args:
        plane: (h, w) float32.
        valid: (h, w) bool.
        limits: What becomes 0 and what becomes 255.

    Returns:
        (h, w) uint8, 0 where not valid.
    """
    low, high = limits
    scaled = (np.where(valid, plane, low) - low) / max(high - low, 1e-6)
    stretched: NDArray[np.uint8] = (np.clip(scaled, 0, 1) * 255 + 0.5).astype(np.uint8)
    return stretched
