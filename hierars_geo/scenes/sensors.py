"""Sensors: what the catalog knows of their bands, and in which order a stack without names holds them."""

import re
from collections.abc import Sequence
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from ..errors import DataError, MissingFileError, OptionError
from ..taxonomy.yaml_reader import Strict, catalog_names, read_yaml, resolve_catalog_file, validated
from ..types import SpectralBand
from .bands import canonical_band
from .quality import QualityBand
from .quantization import Quantization

_MAX_BANDS = 1000
#: "gewataB1 (blue)"
_BRACKETS = re.compile(r".*\(\s*([^()]+?)\s*\)")
_Name = Annotated[str, Field(min_length=1, max_length=100)]
_Positive = Annotated[float, Field(gt=0)]


class Reflectance(Strict):
    """How stored values become reflectance: stored * scale + offset."""

    scale: _Positive
    offset: float = 0.0


class BaselineOffset(Strict):
    """A step in how values are stored, by processing baseline.

    Attributes:
        baseline: First baseline with the offset, ``"04.00"``.
        since: Day from which new products have it.
        offset: What to add to stored values to make them comparable with those of older baselines.
    """

    baseline: Annotated[str, Field(pattern=r"^\d\d\.\d\d$")]
    since: date
    offset: float


class Band(Strict):
    """One band.

    Attributes:
        name: Canonical name, as :func:`hierars_geo.scenes.canonical_band` spells it.
        common: Common name of STAC's electro-optical extension.
        aliases: Other names by which it may be asked for, or be called in a file.
        center_nm: Centre wavelength in nanometres.
        width_nm: Full width at half maximum in nanometres.
        frequency_ghz: Centre frequency of a radar, instead of a wavelength.
        gsd_m: Pixel size in metres.
        scale: Factor to reflectance (kelvin for thermal bands), where it differs from the sensor's.
        offset: Addend to reflectance, with ``scale``.
    """

    name: _Name
    common: str | None = None
    aliases: tuple[_Name, ...] = ()
    center_nm: _Positive | None = None
    width_nm: _Positive | None = None
    frequency_ghz: _Positive | None = None
    gsd_m: _Positive
    scale: _Positive | None = None
    offset: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, the canonical one first."""
        return (self.name, *([] if self.common is None else [self.common]), *self.aliases)


class Sensor(Strict):
    """What is known of a sensor before a file is opened; the schema of ``data_catalog/sensors/NAME.yaml``.

    Attributes:
        name: Key in configurations.
        title: Name for people.
        source: Where the figures are from.
        level: Processing level that products must have, ``L1C``; None for any.
        bands: In order of their numbers; empty for any raster.
        default_bands: Canonical names, in the order in which they are read when nobody asks otherwise
            (default: the first stack).
        stacks: Orders of published stacks; a file without band names is one of them if its band count fits.
        rgb: Bands of a true-colour picture.
        full_scale: Stored value of reflectance 1 (or of full brightness); the divisor of ``normalization:
            scale``.
        reflectance: How stored values become reflectance; None where a file alone cannot tell.
        valid_range: Least and greatest stored value that is a measurement.
        nodata: Stored value that products use where there is no measurement, whether declared or not.
        saturation: Stored value of a saturated pixel.
        baseline_offset: A step in how values are stored.
        quantization: How integers become the floats that they stand for, while they are read; files of floats
            are read as they are. None for sensors whose integers are measurements.
        quality: Bands beside the images that tell clouds and the like, the best first.
        product_names: Patterns of product names; groups ``date`` (YYYYMMDD), ``day_of_year`` (YYYYDDD),
            ``baseline`` (0509) and ``level`` (2A) are read from the first that fits.
        file_per_band: True where scenes also come as one file per band.
        trust_colors: True where the colour interpretation (red, green, blue) may stand in for band names.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    title: _Name
    source: str = ""
    level: str | None = None
    bands: tuple[Band, ...] = ()
    default_bands: tuple[str, ...] = ()
    stacks: tuple[tuple[str, ...], ...] = ()
    rgb: tuple[str, ...] = ()
    full_scale: _Positive = 1.0
    reflectance: Reflectance | None = None
    valid_range: tuple[float, float] | None = None
    nodata: float | None = None
    saturation: float | None = None
    baseline_offset: BaselineOffset | None = None
    quantization: Quantization | None = None
    quality: tuple[QualityBand, ...] = ()
    product_names: tuple[re.Pattern[str], ...] = ()
    file_per_band: bool = False
    trust_colors: bool = False

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, content: object) -> object:
        if isinstance(content, dict) and "numbered" in content:
            content = _numbered(content)
        if isinstance(content, dict) and content.get("stacks") and not content.get("default_bands"):
            return {**content, "default_bands": content["stacks"][0]}
        return content

    @model_validator(mode="after")
    def _names_agree(self) -> "Sensor":
        names = [name.lower() for band in self.bands for name in set(band.names)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"expected every name and alias to be of one band, but got {twice} twice")
        for band in self.bands:
            if canonical_band(band.name) != band.name:
                raise ValueError(f"expected the canonical name {canonical_band(band.name)}, got {band.name}")
        used = {name for stack in (*self.stacks, self.default_bands, self.rgb) for name in stack}
        if unknown := sorted(used - self.known_bands):
            raise ValueError(f"expected stacks, default_bands and rgb of the bands above, but got {unknown}")
        counts = [len(stack) for stack in self.stacks]
        if len(set(counts)) < len(counts):
            raise ValueError(f"expected stacks to differ in their number of bands, but got {counts}")
        if any((band.scale is None) != (band.offset is None) for band in self.bands):
            raise ValueError("expected scale and offset of a band together")
        return self

    @property
    def known_bands(self) -> frozenset[str]:
        """Every band."""
        return frozenset(band.name for band in self.bands)

    def stack_of(self, count: int) -> tuple[str, ...] | None:
        """Return the published order of a stack with ``count`` bands, None where there is none."""
        return next((stack for stack in self.stacks if len(stack) == count), None)

    def canonical(self, name: str) -> str:
        """Return the canonical name of a band by any of its names; other names in canonical spelling.

        Examples:
            >>> find_sensor("sentinel2").canonical("red"), find_sensor("landsat8").canonical("SR_B4")
            ('B04', 'B04')
        """
        spelled = canonical_band(name)
        if spelled in self.known_bands:
            return spelled
        wanted = name.strip().lower()
        in_brackets = _BRACKETS.fullmatch(wanted)
        for text in (wanted, *(in_brackets.groups() if in_brackets else ())):
            for band in self.bands:
                if text in {known.lower() for known in band.names}:
                    return band.name
        return spelled

    def band(self, name: str) -> Band:
        """Return a band by any of its names.

        Raises:
            OptionError: The sensor has none of that name.
        """
        (wanted,) = self.pick([name])
        return next(band for band in self.bands if band.name == wanted)

    def reflectance_of(self, name: str) -> tuple[float, float] | None:
        """Return (scale, offset) from stored values to reflectance, kelvin for a thermal band.

        Raises:
            OptionError: The sensor has no such band.
        """
        band = self.band(name)
        if band.scale is not None and band.offset is not None:
            return band.scale, band.offset
        thermal = band.center_nm is not None and band.center_nm > 4000
        if self.reflectance is None or thermal:
            return None
        return self.reflectance.scale, self.reflectance.offset

    def pick(self, bands: list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
        """Return canonical names of the bands asked for, or the default ones.

        Raises:
            OptionError: A name is not of this sensor or stands twice.
        """
        if bands is None:
            return self.default_bands
        names = tuple(self.canonical(band) for band in bands)
        wrong = [name for name in names if self.bands and name not in self.known_bands]
        if wrong or not names or len(set(names)) < len(names):
            found = ", ".join(bands) or "none"
            known = ", ".join(band.name for band in self.bands) or "any"
            raise OptionError(f"Expected bands of {self.title} ({known}), each once, but got {found}.")
        return names


class _Numbered(Strict):
    """Bands ``A00``, ``A01``, ... that only differ in their number, in place of ``bands`` and ``stacks``."""

    prefix: _Name
    digits: Annotated[int, Field(ge=1, le=4)] = 1
    count: Annotated[int, Field(ge=1, le=_MAX_BANDS)]
    gsd_m: _Positive


def _numbered(content: dict[str, Any]) -> dict[str, Any]:
    """Write numbered bands out, as one published stack."""
    if "bands" in content or "stacks" in content:
        raise ValueError("expected bands and stacks, or numbered, but got both")
    rule = _Numbered.model_validate(content["numbered"])
    names = tuple(f"{rule.prefix}{number:0{rule.digits}d}" for number in range(rule.count))
    bands = [{"name": name, "gsd_m": rule.gsd_m} for name in names]
    return {key: value for key, value in content.items() if key != "numbered"} | {
        "bands": bands,
        "stacks": (names,),
    }


#: What weights and pictures call their bands.
_LETTERS = {"R": "red", "G": "green", "B": "blue"}

#: Any raster: bands are what its descriptions say, else band_1, band_2, ...
GENERIC = Sensor(name="generic", title="raster")


def sensor_names() -> tuple[str, ...]:
    """List the sensors of the catalog, and ``generic``."""
    return tuple(sorted((*catalog_names("sensors"), GENERIC.name)))


@lru_cache(maxsize=1)
def all_quality_bands() -> tuple[QualityBand, ...]:
    """Return the quality bands that any sensor of the catalog knows, each once."""
    found = {band.name: band for name in sensor_names() for band in find_sensor(name).quality}
    return tuple(found.values())


@lru_cache(maxsize=1)
def all_scale_endings() -> tuple[str, ...]:
    """Return how the names of rasters of scales end, by any sensor of the catalog."""
    rules = (find_sensor(name).quantization for name in sensor_names())
    return tuple({rule.scale_file: None for rule in rules if rule is not None and rule.scale_file})


@lru_cache(maxsize=64)
def find_sensor(name: str) -> Sensor:
    """Look a sensor up.

    Args:
        name: Name in the catalog, ``generic``, or the path of a YAML file of one's own.

    Raises:
        OptionError: There is none of that name; the names are listed, near ones again at the end.
        DataError: The file breaks the schema; file, key and reason are named.
    """
    if name == GENERIC.name:
        return GENERIC
    try:
        path = resolve_catalog_file("sensors", name)
    except MissingFileError as error:
        near = get_close_matches(name, sensor_names(), n=4, cutoff=0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise OptionError(
            f"Expected sensor to be one of {', '.join(sensor_names())} or a .yaml file, but got '{name}'."
            f"{hint}"
        ) from error
    return validated(Sensor, _read_content(path), f"{path} to describe a sensor", DataError)


def spectral_bands(sensor: str | None, names: Sequence[str]) -> tuple[SpectralBand, ...]:
    """Look up what bands see.

    Args:
        sensor: Sensor whose names they are; None, or one without bands, for names that speak for themselves
            (``red``, ``nir``, ``R``).
        names: Of the bands; of ``NAME:BAND`` the first part is the sensor where the catalog has it.

    Examples:
        >>> spectral_bands("landsat7", ["B04"])[0].common, spectral_bands(None, ["gaofen2:blue"])[0].common
        ('nir', 'blue')
    """
    return tuple(_spectral(sensor, name) for name in names)


def _spectral(sensor: str | None, name: str) -> SpectralBand:
    source, _, own = name.rpartition(":")
    if source in sensor_names():
        sensor = source
    known = find_sensor(sensor) if sensor is not None else GENERIC
    if (canonical := known.canonical(own)) in known.known_bands:
        band = known.band(canonical)
        common = band.common or (own.lower() if own.lower() in _common_bands() else None)
        return SpectralBand(canonical, common, band.center_nm, band.width_nm)
    word = _LETTERS.get(own, own).lower()
    return SpectralBand(own, word, _common_bands()[word]) if word in _common_bands() else SpectralBand(own)


@lru_cache(maxsize=1)
def _common_bands() -> dict[str, float]:
    """Centres by common name, of the first sensor that has it."""
    order = ("sentinel2", "landsat8", *sensor_names())
    bands = [band for name in order for band in find_sensor(name).bands]
    return {band.common: band.center_nm for band in reversed(bands) if band.common and band.center_nm}


def _read_content(path: Path) -> object:
    """Read a file, laid over the one that it extends; ``bands`` may then be names of the other's bands."""
    content = read_yaml(path, _MAX_BANDS, DataError)
    if not isinstance(content, dict) or "extends" not in content:
        return content
    base = find_sensor(str(content["extends"]))
    merged: dict[str, Any] = {**base.model_dump(exclude={"default_bands"}, exclude_defaults=True), **content}
    merged.setdefault("default_bands", base.default_bands)
    del merged["extends"]
    if isinstance(content.get("bands"), list) and all(isinstance(name, str) for name in content["bands"]):
        merged["bands"] = tuple(base.band(name) for name in content["bands"])
    return merged
