"""Sensors: which bands there are, in which order a stack without names holds them, and how values scale."""

from dataclasses import dataclass, field

from ..errors import OptionError
from ..raster import canonical_band


@dataclass(frozen=True)
class Sensor:
    """What is known of a sensor before a file is opened.

    Attributes:
        name: Key in configurations.
        title: Name for people.
        default_bands: Canonical names, in the order in which they are read when nobody asks otherwise.
        stacks: Orders of published stacks; a file without band names is one of them if its band count fits.
        rgb: Bands of a true-colour picture.
        scale: Stored value of reflectance 1 (or of full brightness); the divisor of ``normalization: scale``.
        file_per_band: True where scenes also come as one file per band.
        trust_colors: True where the colour interpretation (red, green, blue) may stand in for band names.
    """

    name: str
    title: str
    default_bands: tuple[str, ...] = ()
    stacks: tuple[tuple[str, ...], ...] = field(default=(), repr=False)
    rgb: tuple[str, ...] = ()
    scale: float = 1.0
    file_per_band: bool = False
    trust_colors: bool = False

    @property
    def known_bands(self) -> frozenset[str]:
        """Every band of any stack."""
        return frozenset(band for stack in self.stacks for band in stack)

    def stack_of(self, count: int) -> tuple[str, ...] | None:
        """Return the published order of a stack with ``count`` bands, None where there is none."""
        return next((stack for stack in self.stacks if len(stack) == count), None)

    def pick(self, bands: list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
        """Return canonical names of the bands asked for, or the default ones.

        Raises:
            OptionError: A name is not of this sensor or stands twice.
        """
        if bands is None:
            return self.default_bands
        names = tuple(canonical_band(band) for band in bands)
        wrong = [name for name in names if self.stacks and name not in self.known_bands]
        if wrong or not names or len(set(names)) < len(names):
            found = ", ".join(bands) or "none"
            raise OptionError(
                f"Expected bands of {self.title} ({', '.join(sorted(self.known_bands))}), each once, but got "
                f"{found}."
            )
        return names


_S2_L1C = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
_S2_L2A = tuple(band for band in _S2_L1C if band != "B10")
_S2_LAND = tuple(band for band in _S2_L2A if band not in {"B01", "B09"})

#: Band order of the GF-2 multispectral product: blue, green, red, near infrared.
GAOFEN2 = Sensor(
    name="gaofen2",
    title="GaoFen-2",
    default_bands=("blue", "green", "red", "nir"),
    stacks=(("blue", "green", "red", "nir"),),
    rgb=("red", "green", "blue"),
    scale=1024.0,  # 10 bits
)
#: Stacks of 13 (L1C), 12 (L2A, without cirrus) and the 10 bands of 10 and 20 m.
SENTINEL2 = Sensor(
    name="sentinel2",
    title="Sentinel-2",
    default_bands=_S2_LAND,
    stacks=(_S2_LAND, _S2_L2A, _S2_L1C),
    rgb=("B04", "B03", "B02"),
    scale=10000.0,
    file_per_band=True,
)
GOOGLE_EARTH = Sensor(
    name="google_earth",
    title="Google Earth",
    default_bands=("red", "green", "blue"),
    stacks=(("red", "green", "blue"),),
    rgb=("red", "green", "blue"),
    scale=255.0,
    trust_colors=True,
)
#: Any raster: bands are what its descriptions say, else band_1, band_2, ...
GENERIC = Sensor(name="generic", title="raster")

SENSORS = {sensor.name: sensor for sensor in (GAOFEN2, SENTINEL2, GOOGLE_EARTH, GENERIC)}


def find_sensor(name: str) -> Sensor:
    """Look a sensor up.

    Raises:
        OptionError: There is none of that name; the names are listed.
    """
    if name not in SENSORS:
        raise OptionError(f"Expected sensor to be one of {', '.join(sorted(SENSORS))}, but got '{name}'.")
    return SENSORS[name]


__all__ = ("GAOFEN2", "GENERIC", "GOOGLE_EARTH", "SENSORS", "SENTINEL2", "Sensor", "find_sensor")
